//! A minute of mixed use by many clients on a machine with no idle core: Airtable's limits are kept, nobody is turned away,
//! nothing is lost, and no key starves another.

use crate::support::client::{Answer, Call, Client};
use crate::support::number_from_environment;
use crate::support::seeds::{airtables_limits, plain_base, seed};
use crate::support::system::System;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const BASES: [&str; 3] = ["appLoad0000000001", "appLoad0000000002", "appLoad0000000003"];
/// Fifteen clients share the first key, five the second.
const CLIENTS: [usize; 2] = [15, 5];

/// What one client did.
#[derive(Default)]
struct Tally {
    created: Vec<(usize, String)>,
    paced: usize,
    answers: usize,
    hits: usize,
    wrong: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_clients_on_a_busy_machine_never_break_a_limit() {
    let seconds = number_from_environment("PYAIRTABLE_LOAD_SECONDS", 8);
    let bases = BASES
        .iter()
        .enumerate()
        .map(|(index, id)| plain_base(id, &format!("Load {index}"), "row", 20))
        .collect();
    let system = System::start(seed(bases, airtables_limits()), &[]).await;
    let second_key = system.gateway.key(&["records:read", "records:write", "schema:read"], None).await;
    let keys = [system.gateway.full_key.clone(), second_key];

    let busy = BusyCores::start();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut clients = Vec::new();
    for (key, count) in CLIENTS.into_iter().enumerate() {
        for number in 0..count {
            let client = Client::new(system.gateway.address, &keys[key]);
            clients.push((key, tokio::spawn(one_client(client, format!("{key}-{number}"), end))));
        }
    }
    let mut totals = [Tally::default(), Tally::default()];
    let mut fewest = usize::MAX;
    for (key, client) in clients {
        let tally = client.await.expect("a client never panics");
        fewest = fewest.min(tally.answers);
        let total = &mut totals[key];
        total.created.extend(tally.created);
        total.wrong.extend(tally.wrong);
        total.paced += tally.paced;
        total.answers += tally.answers;
        total.hits += tally.hits;
    }
    drop(busy);

    let [first, second] = &totals;
    println!(
        "{seconds} s: {} and {} answers, {} and {} of them paced, {} from the cache",
        first.answers,
        second.answers,
        first.paced,
        second.paced,
        first.hits + second.hits
    );
    let wrong: Vec<&String> = first.wrong.iter().chain(&second.wrong).collect();
    assert!(wrong.is_empty(), "{} answers were not 200: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert_eq!(system.emulator.violations().await, 0, "the limits were broken");
    assert!(fewest > 0, "a client got no answer at all");
    let paced = first.paced + second.paced;
    // Fifteen slots a second, less what the gateway's own reading of the schema takes and the last answers' second.
    assert!(paced as u64 > 15 * seconds / 2, "only {paced} calls in {seconds} s: the slots are not used");
    // Turns go round between keys, so a client that shares its key with few gets more than one that shares with many.
    let [many, few] = CLIENTS;
    assert!(
        second.paced * many >= first.paced * few,
        "{} and {} slots: the few were crowded out",
        first.paced,
        second.paced
    );
    nothing_was_lost(&system, &totals).await;
    system.stop().await;
}

async fn one_client(client: Client, name: String, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut rng = StdRng::seed_from_u64(name.bytes().map(u64::from).sum());
    while Instant::now() < end {
        let base = rng.random_range(0..BASES.len());
        let path = format!("/v0/{}/Rows", BASES[base]);
        let row = format!("{name}/{}", tally.answers);
        let (call, created) = match rng.random_range(0..10) {
            0..2 => (Call::post(path, json!({"fields": {"Name": row, "Number": 1}})), vec![row]),
            2 => {
                let rows: Vec<String> = (0..3).map(|part| format!("{row}.{part}")).collect();
                let records: Vec<Value> = rows.iter().map(|row| json!({"fields": {"Name": row}})).collect();
                (Call::post(path, json!({"records": records})), rows)
            }
            3 => {
                let target = format!("{path}/rec{}{:04}", &BASES[base][7..], rng.random_range(0..20));
                (
                    Call::new(http::Method::PATCH, target)
                        .json(json!({"fields": {"Number": rng.random_range(0..100)}})),
                    vec![],
                )
            }
            4..7 => (Call::get(format!("{path}?view=Grid%20view&pageSize=20")), vec![]),
            7 => (Call::get(format!("{path}?pageSize={}", rng.random_range(1..100))), vec![]),
            8 => (Call::get(format!("/v0/meta/bases/{}/tables", BASES[base])), vec![]),
            _ => {
                (Call::get(format!("{path}/rec{}{:04}", &BASES[base][7..], rng.random_range(0..20))), vec![])
            }
        };
        let shown = format!("{} {}", call.method, call.target);
        match client.try_send(call).await {
            Ok(answer) if answer.status == 200 => {
                tally.created.extend(created.into_iter().map(|row| (base, row)));
                tally.note(&answer);
            }
            Ok(answer) => tally.wrong.push(format!("{shown}: {} {}", answer.status, answer.text())),
            Err(error) => tally.wrong.push(format!("{shown}: {error}")),
        }
    }
    tally
}

impl Tally {
    fn note(&mut self, answer: &Answer) {
        self.answers += 1;
        let shared = answer.header("cache-status").contains("collapsed");
        if answer.is_cache_hit() {
            self.hits += 1;
        } else if !shared {
            self.paced += 1;
        }
    }
}

/// Every row that was answered is there once, and no row that nobody created.
async fn nothing_was_lost(system: &System, totals: &[Tally; 2]) {
    let emulator = system.emulator.client();
    system.emulator.lift_limits().await;
    for (index, base) in BASES.iter().enumerate() {
        let mut found = Vec::new();
        let mut offset = String::new();
        loop {
            let page =
                emulator.get(format!("/v0/{base}/Rows?fields[]=Name&offset={offset}")).await.ok().json();
            let records = page["records"].as_array().expect("a page").clone();
            found.extend(
                records.iter().map(|record| record["fields"]["Name"].as_str().expect("named").to_owned()),
            );
            match page["offset"].as_str() {
                Some(next) => offset = crate::support::client::encode(next),
                None => break,
            }
        }
        let found: Vec<String> = found.into_iter().filter(|name| !name.starts_with("row ")).collect();
        let expected: BTreeSet<String> = totals
            .iter()
            .flat_map(|total| &total.created)
            .filter(|(base, _)| *base == index)
            .map(|(_, row)| row.clone())
            .collect();
        assert_eq!(found.len(), expected.len(), "{base}: created twice or lost");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{base}");
    }
}

/// Keeps every core busy until dropped.
struct BusyCores {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<u64>>,
}

impl BusyCores {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let spin = |stop: Arc<AtomicBool>| {
            let mut turns = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                turns = std::hint::black_box(turns.wrapping_add(1));
            }
            turns
        };
        let threads = (0..cores)
            .map(|_| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || spin(stop))
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
