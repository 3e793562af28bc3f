//! What things cost in a large table. Not run with the others:
//! `cargo test -p emulators --release --test it -- --ignored --nocapture measure`

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp, rec, seed};

const COUNT: usize = 100_000;

fn large() -> Value {
    let mut seed = seed();
    let scopes = json!(["data.records:read", "data.records:write", "webhook:manage"]);
    seed["tokens"] = json!([{"token": FULL, "bases": "*", "user": "usrAda00000000001", "scopes": scopes}]);
    let things = &mut seed["bases"][0]["tables"][0];
    let text = "x".repeat(900);
    things["records"] = (0..COUNT)
        .map(|n| json!({"id": rec(10_000 + n), "fields": {"Name": format!("Thing {n}"), "Number": n, "Notes": text}}))
        .collect();
    things["views"].as_array_mut().unwrap().push(
        json!({"name": "Even", "filterByFormula": "MOD({Number}, 2) = 0", "sort": [{"field": "Number", "direction": "desc"}]}),
    );
    seed
}

/// The middle one of many times.
async fn median(mut call: impl AsyncFnMut(usize)) -> Duration {
    let mut times = Vec::new();
    for n in 0..101 {
        let began = Instant::now();
        call(n).await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "it measures, and checks nothing"]
async fn measure_a_hundred_thousand_records() {
    let app = TestApp::with_seed(&large()).await;
    let patch = async |n: usize| {
        let body = json!({"fields": {"Number": n}});
        app.patch(&format!("/v0/{BASE}/Things/{}", rec(10_000 + n * 7)), body).await.ok();
    };
    println!("PATCH without a hook: {:?}", median(patch).await);
    let options = json!({"filters": {"dataTypes": ["tableData"]}});
    app.post(&format!("/v0/bases/{BASE}/webhooks"), json!({"specification": {"options": options}}))
        .await
        .ok();
    let patch = async |n: usize| {
        let body = json!({"fields": {"Number": n + 1}});
        app.patch(&format!("/v0/{BASE}/Things/{}", rec(10_000 + n * 7)), body).await.ok();
    };
    println!("PATCH with a hook: {:?}", median(patch).await);
    for query in ["fields[]=Name", "view=Board&fields[]=Name", "view=Even&fields[]=Name"] {
        let target = format!("/v0/{BASE}/Things?{query}");
        let began = Instant::now();
        let offset = app.get(&target).await.ok()["offset"].as_str().unwrap().replace('/', "%2F");
        println!("the first page of {query}: {:?}", began.elapsed());
        let page = async |_| {
            app.get(&target).await.ok();
        };
        println!("a page of {query}: {:?}", median(page).await);
        let target = format!("{target}&offset={offset}");
        let next = async |_| {
            app.get(&target).await.ok();
        };
        println!("the next page of {query}: {:?}", median(next).await);
    }
}
