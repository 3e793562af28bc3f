//! Broken connections, slow clients, an upstream that is away or answers rubbish: a clear error, and nothing lost.

use crate::support::client::{Answer, Call, Client};
use crate::support::eventually;
use crate::support::raw;
use crate::support::scripted::Scripted;
use crate::support::seeds::{BASE, PEOPLE, linked_base, no_limits, plain_base, seed};
use crate::support::system::{Emulator, Gateway, System};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const ROWS: &str = "appRows0000000001";

#[track_caller]
fn airtable_error(answer: &Answer, statuses: &[u16]) -> Value {
    assert!(statuses.contains(&answer.status), "{}: {}", answer.status, answer.text());
    let body = answer.json();
    let shaped = body["error"].is_string() || body["error"]["type"].is_string() || body["errors"].is_array();
    assert!(shaped, "not one of Airtable's error shapes: {body}");
    body
}

#[track_caller]
fn problem(answer: &Answer, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{}: {}", answer.status, answer.text());
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    let body = answer.json();
    assert_eq!(body["status"], answer.status, "{body}");
    assert!(body["detail"].is_string() && body["title"].is_string() && body["code"].is_string(), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_body_is_cut_off_writes_nothing() {
    let system =
        System::start(seed(vec![plain_base(ROWS, "Rows", "row", 0)], no_limits()), &[("PACING", "off")])
            .await;
    let body = json!({"records": [{"fields": {"Name": "half a write"}}]}).to_string();
    for cut in 1..body.len() {
        let head = format!(
            "POST /v0/{ROWS}/Rows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            system.gateway.full_key,
            body.len()
        );
        let mut stream = TcpStream::connect(system.gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..cut]).await.unwrap();
        drop(stream);
    }
    let client = system.gateway.client();
    client.post(format!("/v0/{ROWS}/Rows"), json!({"fields": {"Name": "whole"}})).await.ok();
    // Once a later write is through and the gateway works on nothing any more, only that write is there.
    let names = eventually("only the whole write", || async {
        let listed = system.emulator.client().get(format!("/v0/{ROWS}/Rows")).await.ok().json();
        let names: Vec<Value> =
            listed["records"].as_array()?.iter().map(|row| row["fields"]["Name"].clone()).collect();
        assert!(!names.contains(&json!("half a write")), "{names:?}");
        (names == [json!("whole")]).then_some(names)
    })
    .await;
    assert_eq!(names.len(), 1);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_is_answered_and_holds_nobody_up() {
    let system =
        System::start(seed(vec![plain_base(ROWS, "Rows", "row", 5)], no_limits()), &[("PACING", "off")])
            .await;
    let body = json!({"fields": {"Name": "slowly"}}).to_string();
    let head = format!(
        "POST /v0/{ROWS}/Rows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        system.gateway.full_key,
        body.len()
    );
    let mut stream = TcpStream::connect(system.gateway.address).await.unwrap();
    let quick = system.gateway.client();
    for byte in head.bytes().chain(body.bytes()) {
        stream.write_all(&[byte]).await.unwrap();
        quick.get(format!("/v0/{ROWS}/Rows/rec00000000010000")).await;
    }
    quick.get(format!("/v0/{ROWS}/Rows")).await.ok();
    let mut received = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut received).await.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&received));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_does_not_stop_a_write_that_was_sent() {
    let system =
        System::start(seed(vec![plain_base(ROWS, "Rows", "row", 0)], no_limits()), &[("PACING", "off")])
            .await;
    for number in 0..20 {
        let body = json!({"fields": {"Name": format!("left {number}")}}).to_string();
        let request = format!(
            "POST /v0/{ROWS}/Rows HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            system.gateway.full_key,
            body.len()
        );
        let mut stream = TcpStream::connect(system.gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        drop(stream);
    }
    // Each write either happened once or not at all, and the cache shows what there is.
    let names = |records: Value| -> Vec<String> {
        records["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["fields"]["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = format!("/v0/{ROWS}/Rows?view=Grid%20view");
    eventually("gateway and emulator agree", || async {
        let (through, behind) =
            (system.gateway.client().get(&path).await.ok(), system.emulator.client().get(&path).await.ok());
        let behind = names(behind.json());
        let mut unique = behind.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), behind.len(), "a write happened twice");
        (names(through.json()) == behind).then_some(())
    })
    .await;
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_away_is_a_clear_error_and_comes_back_by_itself() {
    let emulator = Emulator::start(seed(vec![linked_base(BASE)], no_limits())).await;
    let gateway = Gateway::start(emulator.address, &[("PACING", "off")]).await;
    let client = gateway.client();
    let path = format!("/v0/{BASE}/{PEOPLE}");
    client.post(&path, json!({"fields": {"Name": "before"}})).await.ok();

    let address = emulator.address;
    emulator.stop().await;
    airtable_error(&client.get(format!("{path}?pageSize=7")).await, &[502, 503]);
    airtable_error(&client.post(&path, json!({"fields": {"Name": "lost"}})).await, &[502, 503]);
    airtable_error(&client.get("/v0/meta/bases").await, &[502, 503]);
    problem(&client.get("/api/v1/airtable/bases").await, &[502, 503]);
    problem(&client.get(format!("/api/v1/airtable/bases/{BASE}/tables/{PEOPLE}/records")).await, &[502, 503]);
    assert_eq!(client.get("/health").await.status, 200, "the gateway itself is well");

    let emulator = Emulator::start_at(address, seed(vec![linked_base(BASE)], no_limits())).await;
    let healed = eventually("healed", || async {
        let answer = client.post(&path, json!({"fields": {"Name": "after"}})).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(healed.json()["fields"]["Name"], "after");
    assert_eq!(client.get(&path).await.ok().json()["records"].as_array().unwrap().len(), 1);
    emulator.stop().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_from_upstream_is_neither_passed_off_nor_kept() {
    let rubbish: [(&'static str, &'static [u8]); 8] = [
        ("nothing", b""),
        ("no HTTP", b"hello, this is not HTTP\r\n\r\n"),
        ("a cut head", b"HTTP/1.1 200 OK\r\nContent-Type: appl"),
        ("a cut body", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"records\":["),
        ("a cut chunk", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{\"records\":["),
        ("no last chunk", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{\"records\":[]}\r\n"),
        ("a page for people", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<html>hi</html>"),
        ("half a JSON text", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"records\":["),
    ];
    // A gateway for each, since one that has seen many failures asks less often; all at once, since they wait and retry.
    let mut cases = tokio::task::JoinSet::new();
    for (what, bytes) in rubbish {
        cases.spawn(refuse_rubbish(what, bytes));
    }
    while let Some(case) = cases.join_next().await {
        case.expect("each kind of rubbish is refused");
    }
}

async fn refuse_rubbish(what: &'static str, bytes: &'static [u8]) {
    let upstream = Scripted::start().await;
    let gateway = Gateway::start(upstream.address, &[("PACING", "off")]).await;
    let client = gateway.client();
    let path = format!("/v0/{BASE}/{PEOPLE}?pageSize=7");
    let own = format!("/api/v1/airtable/bases/{BASE}/tables/{PEOPLE}/records?page_size=8");
    upstream.answers(bytes);
    for _ in 0..2 {
        let answer = client.get(&path).await;
        assert!((500..600).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        airtable_error(&answer, &[500, 502, 503, 504]);
        problem(&client.get(&own).await, &[500, 502, 503, 504]);
    }
    upstream.answers_json("200 OK", r#"{"records":[]}"#);
    let healed = eventually(what, || async {
        let answer = client.get(&path).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(healed.json(), json!({"records": []}), "{what}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_airtable_pass_through_unchanged() {
    let upstream = Scripted::start().await;
    let gateway = Gateway::start(upstream.address, &[("PACING", "off")]).await;
    let client = gateway.client();
    for (number, (status, body)) in [
        ("401 Unauthorized", r#"{"error":{"type":"AUTHENTICATION_REQUIRED","message":"Authentication required"}}"#),
        ("403 Forbidden", r#"{"error":{"type":"INVALID_PERMISSIONS","message":"You are not permitted to perform this operation"}}"#),
        ("404 Not Found", r#"{"error":"NOT_FOUND"}"#),
        ("404 Not Found", r#"{"error":{"type":"NOT_FOUND"}}"#),
        ("413 Payload Too Large", r#"{"error":{"type":"REQUEST_TOO_LARGE"}}"#),
        ("422 Unprocessable Entity", r#"{"error":{"type":"SOMETHING_NEW","message":"Nobody knows this yet","more":[1.0,1e3]}}"#),
        ("429 Too Many Requests", r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month."}]}"#),
    ]
    .into_iter()
    .enumerate()
    {
        upstream.answers_json(status, body);
        upstream.seen();
        let target = format!("/v0/{BASE}/{PEOPLE}?pageSize={}", number + 1);
        let answer = client.get(&target).await;
        assert_eq!(answer.status.to_string(), status[..3], "{}", answer.text());
        assert_eq!(answer.text(), body);
        let asked = upstream.seen().iter().filter(|line| line.contains("pageSize")).count();
        assert_eq!(asked, 1, "{status} is not asked for again");
        let written = client.post(format!("/v0/{BASE}/{PEOPLE}"), json!({"fields": {}})).await;
        assert_eq!((written.status.to_string().as_str(), written.text().as_str()), (&status[..3], body));
        assert_eq!(upstream.seen().iter().filter(|line| line.starts_with("POST")).count(), 1, "{status}: a write is not repeated");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_an_answer_is_not_repeated() {
    let upstream = Scripted::start().await;
    let gateway = Gateway::start(upstream.address, &[("PACING", "off")]).await;
    upstream.answers(b"".as_slice());
    for call in [
        Call::post(format!("/v0/{BASE}/{PEOPLE}"), json!({"fields": {"Name": "once"}})),
        Call::post(format!("/v0/{BASE}/{PEOPLE}"), json!({"records": [{"fields": {"Name": "once"}}]})),
    ] {
        upstream.seen();
        let answer = gateway.client().send(call).await;
        airtable_error(&answer, &[409, 500, 502, 503, 504]);
        assert!(!answer.text().contains("safe to retry"), "{}", answer.text());
        assert_eq!(upstream.seen().iter().filter(|line| line.starts_with("POST")).count(), 1);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_no_http_are_refused_and_the_service_goes_on() {
    let system =
        System::start(seed(vec![plain_base(ROWS, "Rows", "row", 1)], no_limits()), &[("PACING", "off")])
            .await;
    for address in [system.gateway.address, system.emulator.address] {
        for bytes in [
            b"rubbish\r\n\r\n".as_slice(),
            b"GET /v0/meta/bases HTTP/1.1\r\n\r\n",
            b"GET /v0/meta/bases HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
            b"POST /v0/x/y HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
            b"GET /v0/meta/bases HTTP/9.9\r\nHost: a\r\n\r\n",
        ] {
            let request = String::from_utf8_lossy(bytes).into_owned();
            if let Some(answer) = raw::exchange(address, bytes).await {
                assert!((400..=505).contains(&answer.status), "{request:?}: {}", answer.head);
            }
        }
        let huge = format!(
            "GET /v0/meta/bases?x={} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "x".repeat(200 * 1024)
        );
        if let Some(answer) = raw::exchange(address, huge.as_bytes()).await {
            assert!((400..500).contains(&answer.status), "{}", answer.head);
        }
        assert_eq!(Client::new(address, "").get("/health").await.status, 200);
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_of_the_caller_ends_a_wait_in_the_right_dialect() {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(); // accepts, never answers
    let gateway = Gateway::start(upstream.local_addr().unwrap(), &[("PACING", "off")]).await;
    let within = Duration::from_millis(300);
    let deadline = |call: Call| call.header("x-request-deadline-ms", within.as_millis().to_string());
    let client = gateway.client();
    airtable_error(&client.send(deadline(Call::get(format!("/v0/{BASE}/{PEOPLE}")))).await, &[503, 504]);
    airtable_error(
        &client.send(deadline(Call::post(format!("/v0/{BASE}/{PEOPLE}"), json!({"fields": {}})))).await,
        &[409, 503, 504],
    );
    problem(&client.send(deadline(Call::get("/api/v1/airtable/bases"))).await, &[503, 504]);
    drop(upstream);
    gateway.stop().await;
}
