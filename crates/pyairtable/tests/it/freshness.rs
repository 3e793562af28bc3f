//! Whoever has written reads that write, at once and ever after, whatever others read and write meanwhile.

use crate::support::client::{Call, Client};
use crate::support::seeds::{no_limits, plain_base, seed};
use crate::support::system::System;
use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const BASE: &str = "appFresh000000001";
const WRITERS: usize = 6;
const READERS: usize = 6;
const ROUNDS: u64 = 80;

fn row(number: usize) -> String {
    format!("rec{}{number:04}", &BASE[7..])
}

/// The forms in which a client may look at one row; all of them are cached under different keys.
fn reading(rng: &mut StdRng, writer: usize) -> Call {
    let (path, row) = (format!("/v0/{BASE}/Rows"), row(writer));
    let table = format!("/v0/{BASE}/tbl{}", &BASE[3..]);
    match rng.random_range(0..8) {
        0 => Call::get(format!("{path}/{row}")),
        1 => Call::get(format!("{table}/{row}")),
        2 => Call::get(path),
        3 => Call::get(format!("{table}?view=Grid%20view")),
        4 => Call::get(format!("{path}?filterByFormula=RECORD_ID()%3D%27{row}%27")),
        5 => Call::post(format!("{table}/listRecords"), json!({"sort": [{"field": "Name"}]})),
        6 => Call::get(format!("{path}?sort[0][field]=Name&fields[]=Number")),
        _ => Call::get(format!("/api/v1/airtable/bases/{BASE}/tables/Rows/records")),
    }
}

fn number_in(answer: &Value, row: &str) -> Option<u64> {
    let records = match answer.get("records") {
        Some(records) => records.as_array()?.iter().collect(),
        None => vec![answer],
    };
    records.into_iter().find(|record| record["id"] == row)?["fields"]["Number"].as_u64()
}

async fn write_and_read(client: Client, writer: usize) {
    let mut rng = StdRng::seed_from_u64(writer as u64);
    let row = row(writer);
    for round in 1..=ROUNDS {
        let fields = json!({"Number": round});
        let call = if rng.random_bool(0.5) {
            Call::new(Method::PATCH, format!("/v0/{BASE}/Rows/{row}")).json(json!({"fields": fields}))
        } else {
            let body = json!([{"id": row, "Number": round}]);
            Call::new(Method::PATCH, format!("/api/v1/airtable/bases/{BASE}/tables/Rows/records")).json(body)
        };
        client.send(call).await.ok();
        for _ in 0..3 {
            let call = reading(&mut rng, writer);
            let shown = format!("{} {}", call.method, call.target);
            let answer = client.send(call).await.ok();
            let found = number_in(&answer.json(), &row);
            let status = answer.header("cache-status");
            assert_eq!(found, Some(round), "writer {writer}, {shown}: an older state ({status})");
        }
    }
}

/// Keeps every form of reading warm, and never sees time run backwards.
async fn read_all_the_time(client: Client, reader: usize, stop: Arc<AtomicBool>) -> usize {
    let mut rng = StdRng::seed_from_u64(1_000 + reader as u64);
    let mut newest = [0_u64; WRITERS];
    let mut hits = 0;
    while !stop.load(Ordering::Relaxed) {
        let writer = rng.random_range(0..WRITERS);
        let answer = client.send(reading(&mut rng, writer)).await.ok();
        hits += usize::from(answer.is_cache_hit());
        let found = number_in(&answer.json(), &row(writer)).unwrap_or_default();
        assert!(found >= newest[writer], "reader {reader}: {found} after {}", newest[writer]);
        newest[writer] = found;
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_read_their_own_writes_while_others_keep_the_cache_warm() {
    let bases = vec![plain_base(BASE, "Fresh", "row", WRITERS + 20)];
    let system = System::start(seed(bases, no_limits()), &[("PACING", "off")]).await;
    let reset: Vec<Value> =
        (0..WRITERS).map(|writer| json!({"id": row(writer), "fields": {"Number": 0}})).collect();
    let path = format!("/v0/{BASE}/Rows");
    system.gateway.client().send(Call::new(Method::PATCH, path).json(json!({"records": reset}))).await.ok();

    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| tokio::spawn(read_all_the_time(system.gateway.client(), reader, Arc::clone(&stop))))
        .collect();
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write_and_read(system.gateway.client(), writer))).collect();
    for writer in writers {
        writer.await.expect("every writer read its own writes");
    }
    stop.store(true, Ordering::Relaxed);
    let mut hits = 0;
    for reader in readers {
        hits += reader.await.expect("no reader saw time run backwards");
    }
    assert!(hits > 0, "the cache was never used");
    system.stop().await;
}
