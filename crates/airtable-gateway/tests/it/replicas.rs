//! Gateway processes that share one Airtable and its limits.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use serde_json::{Value, json};
use service_kit::auth::{Bases, Scopes};
use service_kit::keys::ApiKey;
use storage::{ApiKeyStore as _, SqliteStore};
use test_servers::Redis;

use crate::support::{BASE, OTHER, TABLE, TOKEN, call, emulator, emulator_json};

/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(8);

/// Clients of each gateway.
const CLIENTS: usize = 8;

/// A gateway in a process of its own, which ends with the test.
struct Replica {
    process: Child,
    address: SocketAddr,
}

impl Replica {
    fn start(data: &Path, upstream: SocketAddr, redis: &Redis) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_airtable-gateway"))
            .env_clear()
            .env("AIRTABLE_GATEWAY_LISTEN", "127.0.0.1:0")
            .env("AIRTABLE_API_URL", format!("http://{upstream}"))
            .env("AIRTABLE_TOKEN", TOKEN)
            .env("AIRTABLE_REPLICAS_MAX", "2")
            .env("DATA_DIR", data)
            .env("REDIS_URL", redis.url())
            .current_dir(data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("http://")).unwrap();
        let address = line.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
        let address = address.parse().unwrap();
        // A pipe that nobody reads would stop it at some point.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two replicas before an Airtable with its true limits, and a key for both.
struct World {
    upstream: SocketAddr,
    redis: Redis,
    replicas: [Replica; 2],
    key: String,
    _data: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let limits =
            json!({"requestsPerSecondPerBase": 5, "requestsPerSecondPerUser": 50, "penaltySeconds": 30});
        let upstream = emulator(limits).await;
        let data = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&SqliteStore::path_in(data.path())).await.unwrap();
        let key = ApiKey::mint().unwrap();
        store.insert(&key.record("test", Scopes::ALL, &Bases::All, SystemTime::now(), None)).await.unwrap();
        let redis = Redis::start();
        let replicas = [(); 2].map(|()| Replica::start(data.path(), upstream, &redis));
        let world = Self { upstream, redis, replicas, key: key.expose().to_owned(), _data: data };
        for replica in &world.replicas {
            let begun = Instant::now();
            while call(replica.address, Method::GET, "/ready", &[], "").await.status != 200 {
                assert!(begun.elapsed() < Duration::from_secs(20), "it does not get ready");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        world
    }

    /// Clients of one replica that read and write, past its cache, until told to stop.
    fn load(
        &self,
        replica: usize,
        stop: &Arc<AtomicBool>,
        tally: &Arc<Tally>,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let address = self.replicas[replica].address;
        (0..CLIENTS)
            .map(|client| {
                let (key, stop, tally) = (format!("Bearer {}", self.key), stop.clone(), tally.clone());
                tokio::spawn(async move {
                    let headers = [("authorization", key.as_str()), ("cache-control", "no-cache")];
                    let base = if client % 2 == 0 { BASE } else { OTHER };
                    let table = if client % 2 == 0 { TABLE } else { "tblBBBBBBBBBBBBBB" };
                    while !stop.load(Ordering::Relaxed) {
                        let target = format!("/v0/{base}/{table}");
                        let answer = if client < 2 {
                            let body = json!({"fields": {"Name": "made under load"}}).to_string();
                            call(address, Method::POST, &target, &headers, &body).await
                        } else {
                            call(address, Method::GET, &target, &headers, "").await
                        };
                        assert_eq!(answer.status, 200, "{answer:?}");
                        tally.answers[replica].fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect()
    }

    async fn violations(&self) -> u64 {
        let counters = emulator_json(self.upstream, "/__emulator/counters").await;
        sum(&counters, "violations")
    }
}

#[derive(Default)]
struct Tally {
    answers: [AtomicUsize; 2],
}

impl Tally {
    fn of(&self, replica: usize) -> usize {
        self.answers[replica].load(Ordering::Relaxed)
    }
}

/// All members of this name, wherever they are.
fn sum(value: &Value, name: &str) -> u64 {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| if key == name { value.as_u64().unwrap_or(0) } else { sum(value, name) })
            .sum(),
        Value::Array(items) => items.iter().map(|item| sum(item, name)).sum(),
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_under_load_keep_to_airtables_limits_together() {
    let world = World::start().await;
    let (stop, tally) = (Arc::<AtomicBool>::default(), Arc::<Tally>::default());
    let clients = (0..2).flat_map(|replica| world.load(replica, &stop, &tally)).collect::<Vec<_>>();
    tokio::time::sleep(LOAD).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(world.violations().await, 0, "the limits were broken");
    let (one, other) = (tally.of(0), tally.of(1));
    // Ten slots a second, each kept a little longer than Airtable counts.
    let most = 10 * LOAD.as_secs() as usize;
    println!("{one} and {other} answers in {} s, of {most} that are possible", LOAD.as_secs());
    assert!(one + other > most / 2, "{one} and {other}: the slots are not used");
    assert!(one.min(other) * 4 > one.max(other), "{one} and {other}: one pushes the other aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_redis_is_lost_and_found_under_load_no_limit_is_broken_and_nobody_is_refused() {
    let mut world = World::start().await;
    let (stop, tally) = (Arc::<AtomicBool>::default(), Arc::<Tally>::default());
    let clients = (0..2).flat_map(|replica| world.load(replica, &stop, &tally)).collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.redis.kill();
    let lost = tally.of(0) + tally.of(1);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let alone = tally.of(0) + tally.of(1);
    assert!(alone > lost + 4, "only {} answers without Redis", alone - lost);
    world.redis.restart();
    tokio::time::sleep(Duration::from_secs(6)).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let found = tally.of(0) + tally.of(1);
    println!("{lost} answers with Redis, {} without, {} with it again", alone - lost, found - alone);
    assert!(found > alone + 15, "only {} answers with Redis again", found - alone);
    assert_eq!(world.violations().await, 0, "the limits were broken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_takes_no_slot_with_it_for_long() {
    let mut world = World::start().await;
    let (stop, tally) = (Arc::<AtomicBool>::default(), Arc::<Tally>::default());
    let survivors = world.load(1, &stop, &tally);
    let victims = world.load(0, &stop, &tally);
    tokio::time::sleep(Duration::from_secs(2)).await;
    victims.iter().for_each(tokio::task::JoinHandle::abort);
    world.replicas[0].kill();
    // Leases of calls that were under way end within fifteen seconds.
    tokio::time::sleep(Duration::from_secs(16)).await;
    let before = tally.of(1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    stop.store(true, Ordering::Relaxed);
    for client in survivors {
        client.await.unwrap();
    }
    assert!(tally.of(1) - before > 20, "{} answers in 4 s", tally.of(1) - before);
    assert_eq!(world.violations().await, 0, "the limits were broken");
}
