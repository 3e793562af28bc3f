//! Airtable in trouble, and what callers are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Act, BASE, Gateway, Scripted, TABLE};

const RETRIABLE: &str = r#"{"error":{"type":"RETRIABLE_ERROR","message":"m"}}"#;
const LIMIT: &str = r#"{"errors":[{"error":"RATE_LIMIT_REACHED","message":"m"}]}"#;
const QUOTA: &str = r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED","message":"m"}]}"#;

fn target() -> String {
    format!("/v0/{BASE}/{TABLE}")
}

/// Fails `times` with `act`, then answers.
async fn after(times: usize, act: Act) -> Scripted {
    Scripted::start(move |n, _| if n < times { act.clone() } else { Act::json(200, r#"{"ok":true}"#) }).await
}

#[tokio::test]
async fn a_read_is_repeated_when_airtable_stumbles() {
    for act in [
        Act::Close,
        Act::json(502, "<html>"),
        Act::json(503, RETRIABLE),
        Act::json(504, ""),
        Act::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"records\":".into()),
        Act::Raw("not HTTP at all\r\n\r\n".into()),
    ] {
        let upstream = after(2, act.clone()).await;
        let gateway = Gateway::before(upstream.address).await;
        let answer = gateway.get(&target()).await;
        assert_eq!((answer.status, upstream.seen().len()), (StatusCode::OK, 3), "{act:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_create_is_repeated_only_if_it_cannot_have_been_done() {
    let upstream = after(1, Act::json(503, RETRIABLE)).await;
    let gateway = Gateway::before(upstream.address).await;
    assert_eq!(gateway.post(&target(), json!({"fields": {}})).await.status, StatusCode::OK);
    assert_eq!(upstream.seen().len(), 2);
    assert!(upstream.seen().iter().all(|request| request.ends_with(r#"{"fields":{}}"#)));
    for act in [Act::json(502, "<html>"), Act::json(503, "<html>"), Act::json(500, "{}"), Act::json(504, "")]
    {
        let upstream = after(1, act.clone()).await;
        let gateway = Gateway::before(upstream.address).await;
        let answer = gateway.post(&target(), json!({"fields": {}})).await;
        assert!(answer.status.is_server_error(), "{act:?}: {answer:?}");
        assert_eq!(upstream.seen().len(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_reported_and_not_repeated() {
    for act in [
        Act::Close,
        Act::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"records\":".into()),
        Act::json(200, "<html>"),
    ] {
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            let upstream = after(1, act.clone()).await;
            let gateway = Gateway::before(upstream.address).await;
            let answer = gateway.send(method.clone(), &target(), &[], "{}").await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{method} {act:?}: {answer:?}");
            assert_eq!(answer.json()["error"]["type"], "OUTCOME_UNKNOWN");
            assert_eq!(upstream.seen().len(), 1, "{method} {act:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_airtable_is_given_up_at_the_deadline() {
    let upstream = Scripted::start(|_, _| Act::Hang).await;
    let gateway = Gateway::before(upstream.address).await;
    let hurry = [("x-request-deadline-ms", "200")];
    let read = gateway.get_with(&target(), &hurry).await;
    assert_eq!(read.status, StatusCode::GATEWAY_TIMEOUT, "{read:?}");
    let write = gateway.send(Method::POST, &target(), &hurry, "{}").await;
    assert_eq!(
        (write.status, &write.json()["error"]["type"]),
        (StatusCode::CONFLICT, &json!("OUTCOME_UNKNOWN"))
    );
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn an_airtable_that_is_not_there_is_an_error_in_the_callers_dialect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let gateway = Gateway::before(nobody).await;
    let read = gateway.get(&target()).await;
    assert_eq!(read.status, StatusCode::BAD_GATEWAY, "{read:?}");
    assert!(read.json()["error"]["message"].as_str().unwrap().contains("nothing was sent"));
    let own = gateway.get("/api/v1/airtable/bases").await;
    assert_eq!(own.header("content-type"), "application/problem+json");
    assert_eq!(own.json()["code"], "upstream_unreachable");
    assert!(!own.text().contains(&nobody.port().to_string()), "no address of the upstream: {own:?}");
    // Three attempts were refused above; more, and nobody knocks any more.
    gateway.send(Method::POST, &target(), &[], "{}").await;
    let open = gateway.get(&target()).await;
    assert_eq!(open.status, StatusCode::SERVICE_UNAVAILABLE, "{open:?}");
    assert_eq!(open.json()["error"]["type"], "RETRIABLE_ERROR");
    assert!(open.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(gateway.get("/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn rubbish_is_not_passed_off_as_an_answer() {
    for body in ["<html>maintenance</html>", "", "{\"records\":[", "{} trailing"] {
        let upstream = Scripted::start(move |_, _| Act::json(200, body)).await;
        let gateway = Gateway::before(upstream.address).await;
        let answer = gateway.get(&target()).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{body}: {answer:?}");
        assert!(answer.json()["error"]["type"].is_string());
    }
}

#[tokio::test]
async fn an_answer_that_switches_protocols_is_none() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let upstream = Scripted::start(|_, _| Act::Raw(switch.into())).await;
    let gateway = Gateway::before(upstream.address).await;
    assert_eq!(gateway.get(&target()).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.get("/v0/brand/new").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(gateway.post(&target(), json!({})).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_kept_nor_passed_off_as_whole() {
    let short =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"records\":[]}";
    let upstream = Scripted::start(|_, _| Act::Raw(short.into())).await;
    let gateway = Gateway::before(upstream.address).await;
    assert_eq!(gateway.get(&target()).await.status, StatusCode::BAD_GATEWAY);
    assert_ne!(gateway.get(&target()).await.cache(), "hit");
    // What is not understood is streamed; then the break shows as a break.
    let request = format!(
        "GET /v0/brand/new HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        gateway.key
    );
    let streamed = crate::support::raw(gateway.address, &request).await;
    assert!(streamed.contains("content-length: 100\r\n"), "{streamed}");
    assert!(streamed.ends_with(r#"{"records":[]}"#), "{streamed}");
}

#[tokio::test]
async fn after_a_429_everybody_waits_and_nobody_fails() {
    let act = Act::with(429, &[("retry-after", "1")], LIMIT);
    let upstream = after(1, act).await;
    let gateway = Arc::new(Gateway::with(upstream.address, &[]).await);
    let started = std::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..3 {
        let gateway = gateway.clone();
        calls.spawn(async move { gateway.get(&format!("{}?maxRecords={}", target(), n + 1)).await.status });
    }
    assert!(calls.join_all().await.into_iter().all(|status| status == StatusCode::OK));
    assert!(started.elapsed() >= Duration::from_millis(900));
    let written = gateway.post(&target(), json!({})).await;
    assert_eq!(written.status, StatusCode::OK);
}

#[tokio::test]
async fn who_cannot_wait_out_a_pause_is_told_its_length() {
    let upstream = after(1, Act::json(429, LIMIT)).await;
    let gateway = Gateway::with(upstream.address, &[]).await;
    let answer = gateway.get_with(&target(), &[("x-request-deadline-ms", "1000")]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((28..=30).contains(&wait), "{wait}");
    assert_eq!(answer.json()["errors"][0]["error"], "RATE_LIMIT_REACHED");
}

#[tokio::test]
async fn an_absurd_wait_is_no_reason_to_fall_over() {
    let forever = [("retry-after", "18446744073709551615")];
    let upstream = Scripted::start(move |_, _| Act::with(503, &forever, RETRIABLE)).await;
    let gateway = Gateway::before(upstream.address).await;
    for answer in [gateway.get(&target()).await, gateway.post(&target(), json!({})).await] {
        assert_eq!((answer.status, answer.text()), (StatusCode::SERVICE_UNAVAILABLE, RETRIABLE));
    }
    let own = gateway.get("/api/v1/airtable/bases").await;
    assert_eq!(own.status, StatusCode::SERVICE_UNAVAILABLE, "{own:?}");
}

#[tokio::test]
async fn without_pacing_a_429_is_passed_on_rather_than_asked_for_again_and_again() {
    let upstream = Scripted::start(|_, _| Act::json(429, LIMIT)).await;
    let gateway = Gateway::before(upstream.address).await;
    assert_eq!(gateway.get(&target()).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(gateway.post(&target(), json!({})).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_used_up_monthly_quota_is_passed_on_at_once() {
    let upstream = Scripted::start(|_, _| Act::json(429, QUOTA)).await;
    let gateway = Gateway::with(upstream.address, &[]).await;
    for _ in 0..2 {
        let answer = gateway.get(&target()).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::TOO_MANY_REQUESTS, QUOTA));
    }
    let answer = gateway.post(&target(), json!({})).await;
    assert_eq!(answer.text(), QUOTA);
    assert_eq!(upstream.seen().len(), 3, "not repeated, and no pause");
}

#[tokio::test]
async fn a_kept_answer_helps_over_an_outage_only_if_nothing_was_written() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = down.clone();
    let upstream = Scripted::start(move |_, _| {
        if is_down.load(Ordering::Relaxed) { Act::json(503, "") } else { Act::json(200, "{}") }
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    gateway.get(&target()).await;
    down.store(true, Ordering::Relaxed);
    assert_eq!(gateway.get(&target()).await.cache(), "hit");
    gateway.post(&target(), json!({})).await;
    assert_eq!(gateway.get(&target()).await.status, StatusCode::SERVICE_UNAVAILABLE);
}
