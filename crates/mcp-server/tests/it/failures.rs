//! Bad luck between here and Airtable.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{BASE, Fault, What, World, begin};

const JOBS: &str = "Aufträge";

#[tokio::test]
async fn a_full_rate_limit_says_how_long_to_wait() {
    let server = World::new(1, 1).server().await;
    let body = json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "m"}]});
    let what = What::Answer(StatusCode::TOO_MANY_REQUESTS, body);
    server.gateway.strike(Fault { method: Method::GET, within: "tblJobs", after: 0, what });
    let result = server.call("list_records", json!({"base": BASE, "table": JOBS})).await;
    assert_eq!(result["_meta"]["pyairtable/error"]["code"], "rate_limited", "{result}");
    assert_eq!(result["_meta"]["pyairtable/error"]["retryable"], true);
}

#[tokio::test]
async fn a_listing_that_is_too_old_is_started_again() {
    let server = World::new(250, 1).server().await;
    let page = server.ok("list_records", json!({"base": BASE, "table": JOBS})).await;
    let what = What::Answer(
        StatusCode::UNPROCESSABLE_ENTITY,
        json!({"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}),
    );
    server.gateway.strike(Fault { method: Method::GET, within: "tblJobs", after: 0, what });
    let message = server
        .error("list_records", json!({"base": BASE, "table": JOBS, "cursor": page["next_cursor"]}))
        .await;
    assert!(message.contains("Start again, without cursor"), "{message}");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_call_to_the_gateway_with_it() {
    let server = World::new(1, 1).server().await;
    let left = Arc::new(Notify::new());
    server.gateway.strike(Fault {
        method: Method::GET,
        within: "tblJobs",
        after: 0,
        what: What::Hang(left.clone()),
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "list_records", "arguments": {"base": BASE, "table": JOBS},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}},
    }});
    let bearer = format!("Bearer {}", server.key);
    let address = server.address;
    let call = tokio::spawn(async move {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "list_records"),
        ];
        begin(address, Method::POST, "/mcp", &headers, &body.to_string()).await
    });
    let reached = async {
        while !server.gateway.seen().iter().any(|seen| seen.target.contains("tblJobs")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reached).await.expect("the call reaches the gateway");
    call.abort();
    tokio::time::timeout(Duration::from_secs(5), left.notified()).await.expect("the call is cancelled");
}

#[tokio::test]
async fn the_callers_deadline_is_kept() {
    let server = World::new(1, 1).server().await;
    let never = Arc::new(Notify::new());
    server.gateway.strike(Fault {
        method: Method::GET,
        within: "tblJobs",
        after: 0,
        what: What::Hang(never),
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "list_records", "arguments": {"base": BASE, "table": JOBS},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}},
    }});
    let bearer = format!("Bearer {}", server.key);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "list_records"),
        ("x-request-deadline-ms", "700"),
    ];
    let answer = server.send(Method::POST, &headers, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let result = answer.json();
    assert_eq!(result["result"]["_meta"]["pyairtable/error"]["code"], "deadline_exceeded", "{result}");
}
