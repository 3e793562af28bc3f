//! Bodies that are large, or never finished.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Act, BASE, Gateway, Scripted, TABLE};

fn target() -> String {
    format!("/v0/{BASE}/{TABLE}")
}

async fn echo_length() -> Scripted {
    Scripted::start(|_, request| {
        let body = request.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        Act::json(200, &format!(r#"{{"length":{body}}}"#))
    })
    .await
}

#[tokio::test]
async fn a_large_body_is_passed_on_whole() {
    let upstream = echo_length().await;
    let gateway = Gateway::before(upstream.address).await;
    for size in [10, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let body = "x".repeat(size);
        // What is not understood and what is take the same way.
        for target in [target(), "/v0/brand/new".to_owned()] {
            let answer = gateway.send(Method::POST, &target, &[], &body).await;
            assert_eq!(
                (answer.status, answer.json()["length"].as_u64()),
                (StatusCode::OK, Some(size as u64))
            );
        }
    }
}

#[tokio::test]
async fn a_body_beyond_airtables_limit_is_a_413_in_airtables_words() {
    let upstream = echo_length().await;
    let gateway = Gateway::before(upstream.address).await;
    let answer = gateway.send(Method::POST, &target(), &[], &"x".repeat(20 << 20)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.json()["error"]["type"].is_string());
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_write_that_never_arrived_whole_is_not_sent() {
    let upstream = echo_length().await;
    let gateway = Gateway::before(upstream.address).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n{{\"fields\":",
        target(),
        gateway.key
    );
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(upstream.seen().is_empty());
}
