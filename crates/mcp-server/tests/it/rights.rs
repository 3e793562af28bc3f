//! Nothing out of a key's reach is read, changed, or named.

use serde_json::json;
use service_kit::auth::Bases;

use crate::support::{BASE, OTHER_BASE, World};

#[tokio::test]
async fn the_callers_rights_travel_to_the_gateway_unchanged() {
    let server = World::new(1, 1).server().await;
    let key = server.mint("records:read,schema:read", Bases::only([BASE])).await;
    let result = server.call_as(&key, "list_records", json!({"table": "Aufträge"})).await;
    assert_eq!(result["isError"], false, "{result}");
    let seen = server.gateway.seen();
    assert!(!seen.is_empty());
    for call in seen {
        assert_eq!(&*call.principal.key_id, &key[9..17], "the key's own id");
        assert_eq!(call.principal.scopes.to_string(), "records:read,schema:read");
        assert_eq!(call.principal.bases, Bases::only([BASE]));
        assert!(
            call.headers.contains_key("traceparent") && call.headers.contains_key("x-request-deadline-ms")
        );
        assert!(!call.headers.contains_key("authorization"), "the caller's key stays here");
    }
}

#[tokio::test]
async fn a_base_out_of_reach_is_refused_and_never_named() {
    let server = World::new(1, 1).server().await;
    let key = server.mint("*", Bases::only([BASE])).await;
    for (tool, arguments) in [
        ("list_bases", json!({})),
        ("list_tables", json!({"base": OTHER_BASE})),
        ("list_records", json!({"base": OTHER_BASE, "table": "Tresor"})),
        ("list_records", json!({"base": "Geheim", "table": "Tresor"})),
        ("search_records", json!({"base": OTHER_BASE, "query": "1234"})),
        ("aggregate_records", json!({"base": OTHER_BASE, "table": "tblGeheim00000001"})),
        (
            "get_record",
            json!({"base": OTHER_BASE, "table": "tblGeheim00000001", "record_id": "recTresor00000001"}),
        ),
    ] {
        let result = server.call_as(&key, tool, arguments.clone()).await;
        let text = result.to_string();
        assert!(!text.contains("1234") && !text.contains("Tresor\\\""), "{tool} {arguments}: {text}");
        if tool != "list_bases" {
            assert_eq!(result["isError"], true, "{tool} {arguments}");
        }
        assert!(!text.contains("Geheim") || arguments.to_string().contains("Geheim"), "{tool}: {text}");
    }
}

#[tokio::test]
async fn tools_are_listed_by_rights_and_refused_without_them() {
    let server = World::new(1, 1).server().await;
    let names = async |key: &str| -> Vec<String> {
        let listed = server.modern_as(key, "tools/list", json!({}), json!({})).await.json();
        listed["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let schema_only = server.mint("schema:read", Bases::All).await;
    assert_eq!(names(&schema_only).await, ["list_bases", "list_tables", "describe_table"]);
    let nothing = server.mint("llm:chat", Bases::All).await;
    assert_eq!(names(&nothing).await, [""; 0]);
    let refused = server.error_as(&schema_only, "list_records", json!({"table": "Aufträge"})).await;
    assert!(refused.contains("lacks the scope records:read"), "{refused}");
}

#[tokio::test]
async fn the_schema_is_asked_for_once_in_a_while_and_again_for_other_rights_and_after_a_write() {
    let server = World::new(1, 1).server().await;
    let asked = |server: &crate::support::Server| {
        server.gateway.seen().iter().filter(|seen| seen.target.contains("/meta/bases/")).count()
    };
    let list = json!({"base": BASE, "table": "Aufträge"});
    for _ in 0..3 {
        server.ok("list_records", list.clone()).await;
    }
    assert_eq!(asked(&server), 1);
    let described = server.call("describe_table", list.clone()).await;
    assert_eq!(described["_meta"]["pyairtable/emulated"], true, "also when only remembered");
    let other = server.mint("*", Bases::only([OTHER_BASE])).await;
    assert_eq!(server.call_as(&other, "list_records", list.clone()).await["isError"], true);
    assert_eq!(asked(&server), 2, "each caller is judged by the gateway");
    let typed = json!({"base": BASE, "table": "Aufträge", "fields": {"Stand": "Ganz neu"}, "typecast": true});
    server.ok("create_records", typed).await;
    let plain = json!({"base": BASE, "table": "Aufträge", "fields": {"Stand": "Ganz neu"}});
    server.ok("create_records", plain).await;
}
