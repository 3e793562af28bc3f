//! What is advertised: small, in the part of JSON Schema that all clients read, and true.

use serde_json::{Value, json};

use crate::support::{BASE, Server, World, job_id};

const GOLDEN: &str = include_str!("golden/tools_list.json");

/// The whole list has to fit, with room to spare, into what a conversation can bear.
const MOST_BYTES: usize = 8 * 1024;

async fn tools(server: &Server) -> Vec<Value> {
    let listed = server.modern("tools/list", json!({})).await.json();
    listed["result"]["tools"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_list_of_tools_is_as_it_was_and_small() {
    let server = World::new(1, 1).server().await;
    let listed = server.modern("tools/list", json!({})).await.json();
    let text = serde_json::to_string_pretty(&listed["result"]).unwrap();
    if text != GOLDEN.trim_end() {
        let written = concat!(env!("CARGO_TARGET_TMPDIR"), "/tools_list.json");
        std::fs::write(written, format!("{text}\n")).unwrap();
        panic!(
            "the list is another one; if that is meant, {written} becomes tests/it/golden/tools_list.json"
        );
    }
    let bytes = listed["result"].to_string().len();
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}

#[tokio::test]
async fn every_tool_says_all_that_clients_ask_of_it() {
    let server = World::new(1, 1).server().await;
    for tool in tools(&server).await {
        let name = tool["name"].as_str().unwrap();
        assert!(name.len() <= 32 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        for text in ["title", "description"] {
            assert!(tool[text].as_str().is_some_and(|text| !text.is_empty()), "{name}: {text}");
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name}: {hint}");
        }
        let writes = name.starts_with("create") || name.starts_with("up") || name.starts_with("delete");
        assert_eq!(tool["annotations"]["readOnlyHint"], !writes, "{name}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name}: {schema}");
            lint(&tool[schema], &format!("{name}.{schema}"));
        }
    }
}

/// Valid JSON Schema that clients are known to choke on is an error.
fn lint(schema: &Value, place: &str) {
    let members = schema.as_object().unwrap_or_else(|| panic!("{place}: no schema is a boolean"));
    for refused in [
        "$ref",
        "$defs",
        "definitions",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "format",
        "$schema",
        "title",
        "const",
        "default",
    ] {
        assert!(!members.contains_key(refused), "{place}: {refused}");
    }
    assert!(members.get("type").is_some_and(Value::is_string), "{place}: one type");
    if members["type"] == "array" {
        lint(&members["items"], &format!("{place}[]"));
    }
    let properties = members.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        lint(property, &format!("{place}.{name}"));
    }
    for required in members.get("required").and_then(Value::as_array).into_iter().flatten() {
        assert!(members["properties"].get(required.as_str().unwrap()).is_some(), "{place}: {required}");
    }
}

#[tokio::test]
async fn every_result_fits_the_schema_that_its_tool_declares() {
    let server = World::new(40, 3).server().await;
    let jobs = json!({"base": BASE, "table": "Aufträge"});
    let with = |more: Value| {
        let mut arguments = jobs.clone();
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let many: Vec<Value> = (0..12).map(|n| json!({"Titel": format!("M{n}")})).collect();
    let calls = [
        ("list_bases", json!({})),
        ("list_tables", json!({"base": BASE})),
        ("describe_table", jobs.clone()),
        ("list_records", jobs.clone()),
        ("list_records", with(json!({"limit": 3}))),
        ("search_records", json!({"base": BASE, "query": "auftrag"})),
        ("get_record", with(json!({"record_id": job_id(1)}))),
        (
            "aggregate_records",
            with(json!({"group_by": ["Bearbeiter", "Stand"], "metrics": ["count", "avg(Kosten (€))"]})),
        ),
        ("create_records", with(json!({"fields": {"Titel": "x"}}))),
        ("create_records", with(json!({"fields": {"Titel": "x"}, "preview": true}))),
        ("update_records", with(json!({"record_id": job_id(1), "fields": {"Titel": "x"}}))),
        ("upsert_records", with(json!({"records": many, "merge_on": ["Titel"]}))),
        ("delete_records", with(json!({"record_ids": [job_id(2)]}))),
    ];
    let tools = tools(&server).await;
    for tool in &tools {
        assert!(calls.iter().any(|(name, _)| tool["name"] == *name), "{} is not tried", tool["name"]);
    }
    for (name, arguments) in calls {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        let input = jsonschema::validator_for(&tool["inputSchema"]).unwrap();
        assert!(input.is_valid(&arguments), "{name} {arguments}");
        let result = server.ok(name, arguments.clone()).await;
        let output = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
        let problems: Vec<String> = output.iter_errors(&result).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{name} {arguments}: {problems:?} in {result}");
        // What is declared is there, not only allowed.
        let declared = tool["outputSchema"]["properties"].as_object().unwrap();
        assert!(declared.keys().any(|key| result.get(key).is_some()), "{name}");
    }
}
