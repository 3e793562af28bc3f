//! The protocol in its revisions, and everything that is no message.

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::auth::Bases;

use crate::support::{BASE, MODERN, Server, World, begin, send};

const JSON: (&str, &str) = ("content-type", "application/json");
const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");

/// A client of a revision before 2026-07-28, with a session.
pub(crate) struct Legacy<'s> {
    server: &'s Server,
    bearer: String,
    version: Option<&'static str>,
    pub(crate) session: String,
}

impl<'s> Legacy<'s> {
    /// Shakes hands. Without a version the client sends no version header afterwards, as those of 2025-03-26 do.
    pub(crate) async fn open(
        server: &'s Server,
        version: &'static str,
        says_version: bool,
        capabilities: Value,
    ) -> Self {
        let bearer = format!("Bearer {}", server.key);
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "tests", "version": "1"},
        }});
        let headers = [("authorization", bearer.as_str()), JSON, BOTH];
        let answer = server.send(Method::POST, &headers, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = &answer.json()["result"];
        assert_eq!(result["protocolVersion"], version, "{result}");
        assert_eq!(result["serverInfo"]["name"], "pyairtable-mcp");
        let session = answer.header("mcp-session-id").to_owned();
        let client = Self { server, bearer, version: says_version.then_some(version), session };
        let noted = client.post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(noted.status, 202, "{noted:?}");
        client
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            ("authorization", self.bearer.as_str()),
            JSON,
            BOTH,
            ("mcp-session-id", self.session.as_str()),
        ];
        headers.extend(self.version.map(|version| ("mcp-protocol-version", version)));
        headers
    }

    pub(crate) async fn post(&self, body: Value) -> crate::support::Answer {
        self.server.send(Method::POST, &self.headers(), &body.to_string()).await
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.post(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

#[tokio::test]
async fn a_modern_client_discovers_lists_and_calls() {
    let server = World::new(1, 1).server().await;
    let discovered = server.modern("server/discover", json!({})).await.json();
    let result = &discovered["result"];
    assert_eq!(
        (&result["resultType"], &result["cacheScope"]),
        (&json!("complete"), &json!("public")),
        "{discovered}"
    );
    assert!(result["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert!(result["instructions"].as_str().unwrap().contains("never an instruction"));
    let listed = server.modern("tools/list", json!({})).await.json();
    assert_eq!(
        (&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]),
        (&json!(300_000), &json!("private"))
    );
    let called = server.modern("tools/call", json!({"name": "list_bases", "arguments": {}})).await;
    assert_eq!(called.header("content-type"), "application/json");
    let called = called.json();
    assert_eq!(called["result"]["_meta"]["pyairtable/emulated"], true, "{called}");
    assert_eq!(called["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "pyairtable-mcp");
    for method in ["prompts/list", "resources/list", "resources/templates/list"] {
        let unadvertised = server.modern(method, json!({})).await;
        assert_eq!(
            (unadvertised.status.as_u16(), &unadvertised.json()["error"]["code"]),
            (404, &json!(-32601)),
            "{method}"
        );
    }
}

#[tokio::test]
async fn clients_of_every_earlier_revision_are_served_without_modern_words() {
    let server = World::new(3, 1).server().await;
    for (version, says_version) in
        [("2025-11-25", true), ("2025-06-18", true), ("2025-03-26", false), ("2024-11-05", false)]
    {
        let client = Legacy::open(&server, version, says_version, json!({})).await;
        let listed = client.ask("tools/list", json!({})).await;
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 11, "{version}");
        let called = client
            .ask(
                "tools/call",
                json!({"name": "list_records", "arguments": {"base": BASE, "table": "Aufträge"}}),
            )
            .await;
        assert_eq!(called["result"]["structuredContent"]["total"], 3, "{version}: {called}");
        assert_eq!(called["result"]["_meta"], json!({"pyairtable/emulated": true}));
        for answer in [&listed, &called] {
            let text = answer.to_string();
            for modern in ["resultType", "ttlMs", "cacheScope", "io.modelcontextprotocol"] {
                assert!(!text.contains(modern), "{version}: {modern} in {text}");
            }
        }
        for method in ["prompts/list", "resources/list", "resources/templates/list"] {
            let empty = client.ask(method, json!({})).await;
            assert!(empty["result"].is_object(), "{version}: {empty}");
        }
        let pong = client.ask("ping", json!({})).await;
        assert_eq!(pong["result"], json!({}), "{version}");
        let ended = server.send(Method::DELETE, &client.headers(), "").await;
        assert_eq!(ended.status, 204, "{version}: {ended:?}");
        let gone = client.post(json!({"jsonrpc": "2.0", "id": 8, "method": "ping"})).await;
        assert_eq!(gone.status, 404, "{version}: {gone:?}");
    }
}

#[tokio::test]
async fn a_session_belongs_to_the_key_that_opened_it() {
    let server = World::new(1, 1).server().await;
    let client = Legacy::open(&server, "2025-11-25", true, json!({})).await;
    let other = format!("Bearer {}", server.mint("*", Bases::All).await);
    let headers =
        [("authorization", other.as_str()), JSON, BOTH, ("mcp-session-id", client.session.as_str())];
    for method in [Method::POST, Method::DELETE, Method::GET] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
        let answer = server.send(method.clone(), &headers, &body).await;
        assert_eq!(answer.status, 404, "{method}: {answer:?}");
    }
    assert!(client.ask("tools/list", json!({})).await["result"].is_object(), "its own key still may");
    let without =
        server.send(Method::POST, &headers[..3], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(without.status, 400, "{without:?}");
}

#[tokio::test]
async fn a_key_has_a_bounded_number_of_sessions() {
    let server = World::new(1, 1).server().await;
    let first = Legacy::open(&server, "2025-06-18", true, json!({})).await;
    let mut last = None;
    for _ in 0..64 {
        last = Some(Legacy::open(&server, "2025-06-18", true, json!({})).await);
    }
    let gone = first.post(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).await;
    assert_eq!(gone.status, 404, "the longest unused one gave way");
    assert!(last.unwrap().ask("ping", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn without_a_good_key_there_is_no_answer_but_how_to_get_one() {
    let server = World::new(1, 1).server().await;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let none = server.send(Method::POST, &[JSON, BOTH], &body).await;
    assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, "Bearer realm=\"pyairtable\""));
    assert_eq!(none.json()["error"]["data"]["code"], "authentication_required");
    let wrong = server.send(Method::POST, &[JSON, BOTH, ("authorization", "Bearer nonsense")], &body).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").contains("error=\"invalid_token\""), "{wrong:?}");
    let by_header = server.send(Method::POST, &[JSON, BOTH, ("x-api-key", &server.key)], &body).await;
    assert_eq!(
        by_header.status, 400,
        "known, but this message is of no revision without a session: {by_header:?}"
    );
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(server.send(method.clone(), &[BOTH], "").await.status, 401, "{method}");
    }
}

#[tokio::test]
async fn foreign_pages_and_foreign_names_of_this_server_are_refused() {
    let server = World::new(1, 1).server().await;
    let bearer = format!("Bearer {}", server.key);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let headers = [("authorization", bearer.as_str()), JSON, BOTH];
    for wrong in [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        let answer = server.send(Method::POST, &[&headers[..], &[wrong]].concat(), &body).await;
        assert_eq!(answer.status, 403, "{wrong:?}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], -32600, "{wrong:?}");
    }
    let own = server
        .send(Method::POST, &[&headers[..], &[("origin", "http://localhost:3000")]].concat(), &body)
        .await;
    assert_ne!(own.status, 403, "{own:?}");
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_json_rpc() {
    let server = World::new(1, 1).server().await;
    let bearer = format!("Bearer {}", server.key);
    let key = ("authorization", bearer.as_str());
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for (headers, body, status, code) in [
        (vec![key, JSON, BOTH], "{", 400, -32700),
        (vec![key, JSON, BOTH], r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600),
        (vec![key, JSON, BOTH], r#""text""#, 400, -32600),
        (vec![key, JSON, BOTH], r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
        (
            vec![key, JSON, BOTH],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\ud800"}}"#,
            400,
            -32600,
        ),
        (vec![key, JSON, BOTH], &deep, 400, -32600),
        (vec![key, BOTH, ("content-type", "text/plain")], "{}", 415, -32600),
        (
            vec![key, JSON, ("accept", "application/json")],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            406,
            -32600,
        ),
    ] {
        let answer = server.send(Method::POST, &headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}: {answer:?}"
        );
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let large = "x".repeat((16 << 20) + 1);
    let answer = server.send(Method::POST, &[key, JSON, BOTH], &large).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"]["data"]["code"], "body_too_large");
    let put = server.send(Method::PUT, &[key, JSON, BOTH], "{}").await;
    assert_eq!(put.status, 405);
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_apart_from_an_unknown_method() {
    let server = World::new(1, 1).server().await;
    let answer = server.modern("tools/call", json!({"name": "list_bases", "arguments": [1]})).await.json();
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = server.modern("tools/invent", json!({})).await.json();
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}

#[tokio::test]
async fn modern_headers_must_agree_with_their_message() {
    let server = World::new(1, 1).server().await;
    let unknown = server.modern("nothing/here", json!({})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (404, &json!(-32601)));
    let no_tool = server.modern("tools/call", json!({"name": "drop_base", "arguments": {}})).await;
    assert_eq!(no_tool.json()["error"]["code"], -32602, "{no_tool:?}");
    let bearer = format!("Bearer {}", server.key);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_bases", "arguments": {},
        "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}}});
    let call = async |more: &[(&str, &str)]| {
        let headers = [("authorization", bearer.as_str()), JSON, BOTH, ("mcp-protocol-version", MODERN)];
        server.send(Method::POST, &[&headers[..], more].concat(), &body.to_string()).await
    };
    for wrong in [
        &[("mcp-name", "list_bases")][..],
        &[("mcp-method", "tools/call"), ("mcp-name", "other")],
        &[("mcp-method", "tools/call")],
    ] {
        let answer = call(wrong).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (400, &json!(-32020)),
            "{wrong:?}"
        );
    }
    assert_eq!(call(&[("mcp-method", "tools/call"), ("mcp-name", "list_bases")]).await.status, 200);
}

#[tokio::test]
async fn progress_is_told_page_by_page_to_those_who_ask() {
    let server = World::new(350, 1).server().await;
    let arguments = json!({"base": BASE, "table": "Aufträge"});
    let params =
        json!({"name": "aggregate_records", "arguments": arguments, "_meta": {"progressToken": "p1"}});
    let answer = server.modern("tools/call", params).await;
    assert!(answer.header("content-type").starts_with("text/event-stream"), "{answer:?}");
    let messages = answer.messages();
    let done: Vec<f64> = messages
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| {
            assert_eq!(message["params"]["progressToken"], "p1");
            message["params"]["progress"].as_f64().unwrap()
        })
        .collect();
    assert_eq!(done, [1.0, 2.0, 3.0]);
    assert_eq!(messages.last().unwrap()["result"]["structuredContent"]["rows"], 350);
}

#[tokio::test]
async fn a_stop_ends_streams_that_would_stay_open() {
    let server = World::new(1, 1).server().await;
    let client = Legacy::open(&server, "2025-11-25", true, json!({})).await;
    let stream = begin(server.address, Method::GET, "/mcp", &client.headers(), "").await;
    assert_eq!(stream.status(), 200);
    server.shutdown.request();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), stream.into_body().collect()).await;
    assert!(ended.is_ok(), "the stream ends with the server");
}

#[tokio::test]
async fn two_callers_with_the_same_message_ids_get_their_own_answers() {
    let server = World::new(20, 2).server().await;
    let calls = (0..20).map(|n| {
        let server = &server;
        async move {
            let id = crate::support::job_id(n);
            let record =
                server.ok("get_record", json!({"base": BASE, "table": "Aufträge", "record_id": id})).await;
            assert_eq!(record["record"]["id"], json!(id));
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn health_and_documentation_need_no_key() {
    let server = World::new(1, 1).server().await;
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/docs"] {
        let answer = send(server.address, Method::GET, path, &[], "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    server.ok("list_bases", json!({})).await;
    let metrics = send(server.address, Method::GET, "/metrics", &[], "").await;
    assert!(metrics.text().contains("mcp_server_operation_duration_seconds"), "{}", metrics.text());
}

#[test]
fn every_route_has_a_rule() {
    let table = mcp_server::route_table();
    let routes: Vec<_> = table.iter().map(|entry| (entry.path.as_str(), entry.rule)).collect();
    let rule = service_kit::routes::Rule::AnyPrincipal;
    assert_eq!(routes, [("/mcp", rule), ("/mcp/", rule)]);
}
