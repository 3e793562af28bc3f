//! Changes by tools: what is in Airtable afterwards is what was asked for, and nothing changes before the user's word.

use serde_json::{Value, json};

use crate::support::agents::ToolSystem;
use crate::support::mcp::Tools;
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Cell, Kind, Size, Style, World};

async fn started() -> (World, ToolSystem) {
    let world = World::new(world::seed(), Style::Awkward, &Size::SMALL);
    let system = ToolSystem::start(seed(vec![world.json()], no_limits()), &[("PACING", "off")]).await;
    (world, system)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_created_changed_and_merged_as_asked() {
    let (world, system) = started().await;
    let tools = system.tools();
    let table = &world.tables[0];
    let place = |more: Value| {
        let mut arguments = json!({"base": world.name, "table": table.name});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    // The cells of rows that are there, under new titles: every kind of cell is written, links by id.
    let rows: Vec<Value> = table
        .rows
        .iter()
        .take(11)
        .enumerate()
        .map(|(at, row)| {
            let mut cells = world.cells_json(table, row);
            cells.insert(table.title().to_owned(), json!(format!("Copy {at}")));
            Value::Object(cells)
        })
        .collect();
    let created = tools.ok("create_records", place(json!({"records": rows}))).await;
    assert_eq!((&created["status"], &created["count"]), (&json!("done"), &json!(rows.len())), "{created}");
    let ids = created["created"].as_array().unwrap();
    for (id, row) in ids.iter().zip(&rows) {
        let cells = system.airtable.cells(&world.id, &table.id, id.as_str().unwrap()).await;
        for (name, value) in row.as_object().unwrap() {
            assert_eq!(&cells[name], value, "{name}");
        }
    }

    // Links by name.
    let link = table.places(|kind| matches!(kind, Kind::Link { single: false, .. }))[0];
    let other = &world.tables[1].rows[0];
    let one = json!({table.title(): "By name", table.fields[link].name.clone(): [other.title()]});
    let created = tools.ok("create_records", place(json!({"fields": one}))).await;
    let by_name = created["created"][0].as_str().unwrap();
    let cells = system.airtable.cells(&world.id, &table.id, by_name).await;
    assert_eq!(cells[&table.fields[link].name], json!([other.id]));

    let number = table.places(|kind| matches!(kind, Kind::Number { .. }))[0];
    let number = &table.fields[number].name;
    let updated = tools
        .ok("update_records", place(json!({"record_ids": [ids[0], ids[1]], "fields": {number: 7}})))
        .await;
    assert_eq!(updated["count"], 2, "{updated}");
    assert_eq!(system.airtable.cells(&world.id, &table.id, ids[1].as_str().unwrap()).await[number], json!(7));
    tools.ok("update_records", place(json!({"record_id": ids[1], "fields": {number: null}}))).await;
    assert!(
        system.airtable.cells(&world.id, &table.id, ids[1].as_str().unwrap()).await.get(number).is_none()
    );

    let merged = json!([{table.title(): "Copy 2", number: 8}, {table.title(): "Copy new", number: 9}]);
    let merged =
        tools.ok("upsert_records", place(json!({"records": merged, "merge_on": [table.title()]}))).await;
    assert_eq!(
        (&merged["updated"], merged["created"].as_array().map(Vec::len)),
        (&json!([ids[2]]), Some(1)),
        "{merged}"
    );
    assert_eq!(system.airtable.count(&world.id, &table.id).await, table.rows.len() + rows.len() + 2);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletes_and_large_changes_happen_after_a_yes_and_never_otherwise() {
    let (world, system) = started().await;
    let table = &world.tables[0];
    let tools = system.tools().with_user();
    let ids: Vec<&str> = table.rows.iter().map(|row| row.id.as_str()).collect();
    let number = table.fields[table.places(|kind| matches!(kind, Kind::Number { .. }))[0]].name.as_str();
    let delete = json!({"base": world.id, "table": table.id, "record_ids": [ids[0], ids[1]]});
    let update =
        json!({"base": world.id, "table": table.id, "record_ids": ids[..11], "fields": {number: 12_345}});
    for (tool, arguments) in [("delete_records", &delete), ("update_records", &update)] {
        for no in ["decline", "cancel"] {
            let asked = tools.call(tool, arguments.clone()).await;
            let (_, message) = asked.question();
            assert!(message.contains(table.rows[0].title()), "{message}");
            let answer = tools.call_with(tool, asked.continued(arguments, no)).await;
            assert!(!answer.is_error() && answer.text().contains("nothing was changed"), "{}", answer.text());
        }
    }
    assert_eq!(system.airtable.count(&world.id, &table.id).await, ids.len());

    // A yes of somebody else, to something else, or given twice, is none.
    let asked = tools.call("delete_records", delete.clone()).await;
    let yes = asked.continued(&delete, "accept");
    let other_key = system.gateway.key(&["records:read", "records:write", "schema:read"], None).await;
    let other = system.tools_with(&other_key).with_user();
    let mut elsewhere = yes.clone();
    elsewhere["arguments"]["record_ids"] = json!([ids[2]]);
    for (who, params) in [(&other, &yes), (&tools, &elsewhere)] {
        let mut params = params.clone();
        params["name"] = json!("delete_records");
        let answer = who.message("tools/call", params).await.json();
        assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{answer}");
    }
    assert_eq!(system.airtable.count(&world.id, &table.id).await, ids.len());
    let done = tools.call_with("delete_records", yes.clone()).await;
    assert_eq!(done.result["structuredContent"]["count"], 2, "{}", done.text());
    let again = tools.call_with("delete_records", yes).await;
    assert!(again.is_error() || again.result["resultType"] == "input_required", "{}", again.result);
    assert_eq!(system.airtable.count(&world.id, &table.id).await, ids.len() - 2);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_asked_confirms_exactly_what_was_shown() {
    let (world, system) = started().await;
    let table = &world.tables[1];
    let tools = system.tools();
    let row = &table.rows[0];
    let mut arguments = json!({"base": world.name, "table": table.name, "record_ids": [row.id]});
    let preview = tools.call("delete_records", arguments.clone()).await;
    assert!(preview.text().contains(row.title()), "{}", preview.text());
    let token = preview.result["structuredContent"]["confirm"].clone();
    assert_eq!(system.airtable.count(&world.id, &table.id).await, table.rows.len());

    // What would change is not what was shown any more.
    let number = table.places(|kind| matches!(kind, Kind::Number { .. }))[0];
    assert!(matches!(row.cells[number], Cell::Number(_) | Cell::Blank));
    arguments["confirm"] = token;
    let other_key = system.gateway.key(&["records:read", "records:write", "schema:read"], None).await;
    system.tools_with(&other_key).refused("delete_records", arguments.clone()).await;
    tools.ok("delete_records", arguments.clone()).await;
    assert_eq!(system.airtable.count(&world.id, &table.id).await, table.rows.len() - 1);
    let message = tools.refused("delete_records", arguments).await;
    assert!(!message.is_empty());

    let rows: Vec<Value> = (0..12).map(|at| json!({table.title(): format!("Row {at}")})).collect();
    let many = json!({"base": world.id, "table": table.id, "records": rows, "merge_on": [table.title()]});
    let preview = tools.ok("upsert_records", many.clone()).await;
    assert_eq!(preview["status"], "preview", "{preview}");
    assert_eq!(system.airtable.count(&world.id, &table.id).await, table.rows.len() - 1);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_one_base_reaches_no_other_by_any_tool_and_is_told_nothing_of_it() {
    let number = world::seed();
    let ours = World::new(number, Style::Plain, &Size::SMALL);
    let theirs = World::new(number ^ 0xABCD, Style::Plain, &Size::SMALL);
    let system =
        ToolSystem::start(seed(vec![ours.json(), theirs.json()], no_limits()), &[("PACING", "off")]).await;
    let scopes = ["records:read", "records:write", "schema:read", "schema:write", "llm:chat"];
    let key = system.gateway.key(&scopes, Some(&[&ours.id])).await;
    // Everything is known to the caches before.
    let full = system.tools();
    for table in &theirs.tables {
        full.ok("list_records", json!({"base": theirs.id, "table": table.id})).await;
        full.ok("search_records", json!({"base": theirs.id, "query": table.rows[0].title()})).await;
    }
    for limited in [system.tools_with(&key), system.tools_with(&key).with_user()] {
        for (tool, arguments) in attempts(&ours, &theirs) {
            let said = everything_said(&limited, &tool, &arguments).await;
            let given = arguments.to_string();
            for mark in theirs.marks() {
                // What the caller said itself may be repeated.
                assert!(
                    given.contains(mark) || !said.contains(mark),
                    "{tool} {arguments} told {mark}: {said}"
                );
            }
        }
        let bases = limited.ok("list_bases", json!({})).await;
        assert_eq!(bases["bases"].as_array().map(Vec::len), Some(1), "{bases}");
    }
    for table in &theirs.tables {
        assert_eq!(
            system.airtable.count(&theirs.id, &table.id).await,
            table.rows.len(),
            "nothing was written"
        );
    }
    system.stop().await;
}

async fn everything_said(tools: &Tools, tool: &str, arguments: &Value) -> String {
    let answer = tools.message("tools/call", json!({"name": tool, "arguments": arguments})).await;
    let told = answer.text();
    let is_refused = told.contains("\"isError\":true") || told.contains("\"error\"");
    assert!(is_refused || tool == "list_bases" || tool == "search_records", "{tool} {arguments}: {told}");
    told
}

/// Every tool, with the other base by id, by name, nearly by name; and its tables and records within ours.
fn attempts(ours: &World, theirs: &World) -> Vec<(String, Value)> {
    let table = &theirs.tables[0];
    let near = |name: &str| format!("{}x", &name[..name.len() - 1]);
    let (mut attempts, row) = (Vec::new(), &table.rows[0]);
    for base in [
        theirs.id.clone(),
        theirs.name.clone(),
        theirs.name.to_lowercase(),
        near(&theirs.name),
        ours.id.clone(),
    ] {
        for called in [table.id.clone(), table.name.clone(), near(&table.name)] {
            let place = json!({"base": base, "table": called});
            let mut push = |tool: &str, more: Value| {
                let mut arguments = place.clone();
                arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                attempts.push((tool.to_owned(), arguments));
            };
            push("describe_table", json!({}));
            push("list_records", json!({}));
            push("search_records", json!({"query": row.title()}));
            push("get_record", json!({"record_id": row.id}));
            push("aggregate_records", json!({"metrics": ["count"]}));
            push("create_records", json!({"fields": {"Name": "intruder"}}));
            push("create_records", json!({"fields": {}, "preview": true}));
            push("update_records", json!({"record_id": row.id, "fields": {"Name": "intruder"}}));
            push("upsert_records", json!({"records": [{"Name": "intruder"}], "merge_on": ["Name"]}));
            push("delete_records", json!({"record_ids": [row.id]}));
        }
        if base != ours.id {
            attempts.push(("list_tables".to_owned(), json!({"base": base})));
            attempts.push(("search_records".to_owned(), json!({"base": base, "query": row.title()})));
        }
    }
    // Records of theirs within tables of ours.
    let own = &ours.tables[0];
    let place = |more: Value| {
        let mut arguments = json!({"base": ours.id, "table": own.id});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    attempts.push(("get_record".to_owned(), place(json!({"record_id": row.id}))));
    attempts.push((
        "update_records".to_owned(),
        place(json!({"record_id": row.id, "fields": {own.title(): "intruder"}})),
    ));
    attempts.push(("delete_records".to_owned(), place(json!({"record_ids": [row.id]}))));
    attempts.push(("list_bases".to_owned(), json!({})));
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_is_shown_no_tool_that_writes_and_may_call_none() {
    let (world, system) = started().await;
    let readers = system.tools_with(&system.gateway.key(&["records:read", "schema:read"], None).await);
    let names = |tools: Vec<Value>| -> Vec<String> {
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let (all, shown) = (names(system.tools().list().await), names(readers.list().await));
    let writing: Vec<&String> = all.iter().filter(|name| !shown.contains(name)).collect();
    assert_eq!(writing, ["create_records", "update_records", "upsert_records", "delete_records"]);
    let table = &world.tables[1];
    let arguments = json!({"base": world.id, "table": table.id, "fields": {table.title(): "intruder"}});
    let message = readers.refused("create_records", arguments).await;
    assert!(message.contains("records:write"), "{message}");
    assert_eq!(system.airtable.count(&world.id, &table.id).await, table.rows.len());
    system.stop().await;
}
