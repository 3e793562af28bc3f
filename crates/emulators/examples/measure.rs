//! What things cost in a large table of the emulated Airtable:
//! `cargo run --release -p emulators --example measure`

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use emulators::airtable::{Emulator, Seed, app};
use serde_json::{Value, json};
use service_kit::serve::{Limits, Shutdown, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const RECORDS: usize = 100_000;

const THINGS: &str = "/v0/appLarge000000001/Things";

fn rec(number: usize) -> String {
    format!("rec{number:014}")
}

fn seed() -> Value {
    let text = "x".repeat(900);
    let record =
        |n| json!({"id": rec(n), "fields": {"Name": format!("Thing {n}"), "Number": n, "Notes": text}});
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    json!({
        "limits": {"requestsPerSecondPerBase": null, "requestsPerSecondPerUser": null},
        "bases": [{"id": "appLarge000000001", "name": "Large", "tables": [{
            "name": "Things",
            "fields": [
                {"name": "Name", "type": "singleLineText"},
                {"name": "Number", "type": "number", "options": {"precision": 0}},
                {"name": "Notes", "type": "multilineText"},
                {"name": "Double", "type": "formula", "options": {"formula": "{Number} * 2"}},
            ],
            "views": [
                {"name": "All", "type": "grid"},
                {"name": "Even", "filterByFormula": "MOD({Number}, 2) = 0", "sort": [{"field": "Number", "direction": "desc"}]},
            ],
            "records": records,
        }]}],
    })
}

/// The body of a success.
async fn call(at: SocketAddr, method: &str, target: &str, body: &Value) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(at).await?;
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer patAll\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{method} {target}: {answer}");
    Ok(serde_json::from_str(body)?)
}

/// The middle one of many times.
async fn median(mut call: impl AsyncFnMut(usize) -> anyhow::Result<Value>) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for n in 0..101 {
        let began = Instant::now();
        call(n).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seed = Seed::from_json(seed().to_string().as_bytes())?.with_full_token("patAll");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let shutdown = Shutdown::manual();
    let router = app(&Emulator::new(seed), shutdown.clone());
    tokio::spawn(serve(listener, router, Limits::default(), shutdown));

    let patch = async |n: usize, number: usize| {
        let body = json!({"fields": {"Number": number}});
        call(at, "PATCH", &format!("{THINGS}/{}", rec(n * 7)), &body).await
    };
    println!("PATCH without a hook: {:?}", median(async |n| patch(n, n).await).await?);
    let specification = json!({"options": {"filters": {"dataTypes": ["tableData"]}}});
    let body = json!({"specification": specification});
    call(at, "POST", "/v0/bases/appLarge000000001/webhooks", &body).await?;
    println!("PATCH with a hook: {:?}", median(async |n| patch(n, n + 1).await).await?);
    for query in ["fields[]=Name", "view=All&fields[]=Name", "view=Even&fields[]=Name"] {
        let target = format!("{THINGS}?{query}");
        let get = async |target: &str| call(at, "GET", target, &Value::Null).await;
        let began = Instant::now();
        let first = get(&target).await?;
        println!("the first page of {query}: {:?}", began.elapsed());
        println!("a page of {query}: {:?}", median(async |_| get(&target).await).await?);
        let offset = first["offset"].as_str().context("it has one page only")?.replace('/', "%2F");
        let target = format!("{target}&offset={offset}");
        println!("the next page of {query}: {:?}", median(async |_| get(&target).await).await?);
    }
    let (mut times, target) = (Vec::new(), format!("{THINGS}?view=Even&fields[]=Name"));
    for n in 0..101 {
        patch(n, n * 900 + 2).await?;
        let began = Instant::now();
        call(at, "GET", &target, &Value::Null).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("a page of view=Even after a change: {:?}", times[times.len() / 2]);
    Ok(())
}
