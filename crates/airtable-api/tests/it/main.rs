//! The client against a server: what leaves, and how failures are told apart.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use airtable_api::{
    AirtableClient, BaseId, Body, Origin, Outbound, SendError, Sent, Target, calls, collect, full_body,
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const BASE: &str = "appABCDEFGHIJKLMN";

fn client(url: &str) -> AirtableClient {
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls())
        .https_or_http()
        .enable_http1()
        .build();
    let http = Client::builder(TokioExecutor::new()).build::<_, Body>(https);
    AirtableClient::new(http, Origin::parse(url).unwrap())
}

/// No certificate is ever checked here: all traffic is plain HTTP on loopback.
fn tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn token() -> SecretString {
    "patTEST".into()
}

fn limit() -> Duration {
    Duration::from_secs(5)
}

fn get(target: &str) -> Outbound {
    Outbound {
        method: Method::GET,
        target: Target::raw(target.parse().unwrap()),
        headers: HeaderMap::new(),
        body: full_body(Bytes::new()),
    }
}

/// Accepts one connection, reads what is sent until the head is over, and answers with `answer` before closing.
async fn one_answer(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap() == 1 {
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (url, seen)
}

#[tokio::test]
async fn a_forwarded_target_leaves_byte_for_byte() {
    for target in [
        "/v0/appA/Test%2FTable%202?",
        "/v0/appA/it's/?",
        "/v0/appA/T?fields[]=a+b&x=%5b%5D&&=",
        "/v0/appA/T?filterByFormula={A}='x'",
        "/v0//appA//?a?b",
    ] {
        let (url, seen) = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        let answer = client(&url).forward(get(target), &token()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let head = seen.await.unwrap();
        assert_eq!(head.lines().next().unwrap(), format!("GET {target} HTTP/1.1"));
        assert!(head.to_lowercase().contains("authorization: bearer pattest\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_typed_call_reads_its_answer() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/v0/meta/whoami"))
        .and(header("authorization", "Bearer patTEST"))
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"id":"usrABCDEFGHIJKLMN"}"#))
        .mount(&server)
        .await;
    let me = client(&server.uri()).call(calls::who_am_i().unwrap(), &token(), limit()).await.unwrap();
    assert_eq!(me.id, "usrABCDEFGHIJKLMN");
}

#[tokio::test]
async fn a_refusal_says_whether_waiting_helps() {
    let base = BaseId::parse(BASE).unwrap();
    let cases = [
        (429, r#"{"errors":[{"error":"RATE_LIMIT_REACHED"}]}"#, Some(30), Sent::Nothing),
        (429, r#"{"errors":[{"error":"PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}"#, None, Sent::Nothing),
        (422, r#"{"error":{"type":"UNKNOWN_FIELD_NAME","message":"m"}}"#, None, Sent::Nothing),
        (503, r#"{"error":{"type":"RETRIABLE_ERROR","message":"m"}}"#, Some(0), Sent::Nothing),
        (503, "<html>", Some(0), Sent::Perhaps),
        (500, "", None, Sent::Perhaps),
    ];
    for (status, body, delay, sent) in cases {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status).set_body_string(body))
            .mount(&server)
            .await;
        let call = calls::base_schema(&base).unwrap();
        let error = client(&server.uri()).call(call, &token(), limit()).await.unwrap_err();
        assert_eq!(error.retry_delay(), delay.map(Duration::from_secs), "{status} {body}");
        assert_eq!(error.sent(), sent, "{status} {body}");
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).forward(get("/v0/x"), &token()).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error:?}");
    assert_eq!(error.sent(), Sent::Nothing);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_the_outcome_open() {
    let (url, _seen) = one_answer("").await;
    let error = client(&url).forward(get("/v0/x"), &token()).await.unwrap_err();
    assert!(matches!(error, SendError::Broken(_)), "{error:?}");
    assert_eq!(error.sent(), Sent::Perhaps);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_short_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"records\":[]}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"rec\r\n",
    ] {
        let (url, _seen) = one_answer(answer).await;
        let body = client(&url).forward(get("/v0/x"), &token()).await.unwrap().into_body();
        assert!(matches!(collect(body, 1000).await.unwrap_err(), SendError::Truncated(_)), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_longer_than_allowed_is_an_error() {
    let (url, _seen) = one_answer("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n01234567890123456789").await;
    let body = client(&url).forward(get("/v0/x"), &token()).await.unwrap().into_body();
    assert!(matches!(collect(body, 19).await.unwrap_err(), SendError::TooLong { limit: 19 }));
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let call = calls::who_am_i().unwrap();
    let error = client(&url).call(call, &token(), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout(_)), "{error:?}");
    assert_eq!(error.sent(), Sent::Perhaps);
}
