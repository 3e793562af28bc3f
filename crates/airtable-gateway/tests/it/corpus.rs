//! Odd request targets, byte by byte: Airtable's side sees what the client sent, or the request was refused.

use crate::support::{Act, BASE, Gateway, Scripted, raw};

async fn send(gateway: &Gateway, method: &str, target: &str) -> String {
    let key = &gateway.key;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncache-control: no-cache\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    raw(gateway.address, &request).await
}

#[tokio::test]
async fn what_is_passed_on_is_passed_on_byte_for_byte() {
    let upstream = Scripted::start(|_, _| Act::json(200, "{}")).await;
    let gateway = Gateway::before(upstream.address).await;
    let long = format!("/v0/{BASE}/T?filterByFormula={}", "x".repeat(15_999 - 40));
    let targets: Vec<String> = [
        "/v0/@/it's",
        "/v0/@/Test%2FTable%202",
        "/v0/@/T%c3%a9",
        "/v0/@/T/?",
        "/v0/@/T/?limit=3&offset=",
        "/v0/@/T?",
        "/v0/@/T//",
        "/v0/@/a+b?x=a+b%20c",
        "/v0/@/T?fields[]=A&sort[0][field]=B",
        "/v0/@/T?fields%5B%5D=A",
        "/v0/@/T?filterByFormula={A}='x'&view=a,b;c",
        "/v0/@/T?a=%zz&b=%",
        "/v0/@/T?x=../..&y=%2e%2e",
        "/v0/@/T?x=a\\b",
        "/v0/@/...",
        "/v0/@/a..b",
        "/v0/@/T%FF",
        "/v0/@/a%5Cb",
        "/v0//@/T",
        "/v0/@/T:x/@@!$&'()*,;=~",
        "/v0/new/api?&&=&",
        "/v0",
        "/v0/",
        "/v0?x",
        "/v0/@/T?q=%00%0a",
    ]
    .iter()
    .map(|target| target.replace('@', BASE))
    .chain([long])
    .collect();
    for (n, target) in targets.iter().enumerate() {
        let answer = send(&gateway, "GET", target).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        let seen = upstream.seen_of_clients();
        assert_eq!(seen.len(), n + 1, "{target}");
        assert_eq!(seen[n].lines().next().unwrap(), format!("GET {target} HTTP/1.1"));
    }
    for (n, target) in targets.iter().enumerate() {
        let answer = send(&gateway, "PATCH", target).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        let seen = upstream.seen_of_clients();
        assert_eq!(seen[targets.len() + n].lines().next().unwrap(), format!("PATCH {target} HTTP/1.1"));
    }
}

#[tokio::test]
async fn paths_that_climb_are_refused_before_anything_is_asked() {
    let upstream = Scripted::start(|_, _| Act::json(200, "{}")).await;
    let gateway = Gateway::before(upstream.address).await;
    for target in [
        "/v0/@/../appBBBBBBBBBBBBBB/T",
        "/v0/@/%2e%2e/appBBBBBBBBBBBBBB/T",
        "/v0/@/%2E./x",
        "/v0/@/%252e%252e/x",
        "/v0/@/%25252e%25252e/x",
        "/v0/@/..%2fappBBBBBBBBBBBBBB%2fT",
        "/v0/@/..%5cappBBBBBBBBBBBBBB",
        "/v0/@/.",
        "/v0/@/./T",
        "/v0/@/%2e/T",
        "/v0/..",
        "/v0/@/\\T",
        "/v0/@\\..\\appBBBBBBBBBBBBBB/T",
        "/v0/@/%5C/T",
    ] {
        let answer = send(&gateway, "GET", &target.replace('@', BASE)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{target}: {answer}");
        assert!(answer.ends_with(r#"{"error":"NOT_FOUND"}"#), "{target}: {answer}");
        let anonymous = raw(
            gateway.address,
            &format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", target.replace('@', BASE)),
        )
        .await;
        assert!(anonymous.starts_with("HTTP/1.1 404 "), "{target}: {anonymous}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn credentials_and_hops_stay_here_and_the_rest_travels() {
    let upstream = Scripted::start(|_, _| {
        Act::with(200, &[("set-cookie", "a=b"), ("keep-alive", "timeout=5"), ("airtable-x", "y")], "{}")
    })
    .await;
    let gateway = Gateway::before(upstream.address).await;
    let headers = [
        ("x-api-version", "0.1.0"),
        ("x-airtable-application-id", BASE),
        ("user-agent", "Airtable.js/0.12.2"),
        ("cookie", "secret=1"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-custom", "kept"),
        ("accept-encoding", "gzip"),
    ];
    for target in [format!("/v0/{BASE}/T"), "/v0/unknown".to_owned()] {
        let answer = gateway.get_with(&target, &headers).await;
        assert_eq!(answer.header("airtable-x"), "y");
        assert_eq!(answer.header("set-cookie"), "");
        assert_eq!(answer.header("keep-alive"), "");
        let head = upstream.seen_of_clients().pop().unwrap().to_ascii_lowercase();
        for kept in
            ["x-api-version: 0.1.0", "user-agent: airtable.js/0.12.2", "x-custom: kept", "traceparent: 00-"]
        {
            assert!(head.contains(kept), "{kept} in {head}");
        }
        assert!(head.contains("authorization: bearer pattest.0123\r\n"), "{head}");
        for lost in ["pya_", "cookie", "x-forwarded-for", "accept-encoding", "x-request-id"] {
            assert!(!head.contains(lost), "{lost} in {head}");
        }
    }
}
