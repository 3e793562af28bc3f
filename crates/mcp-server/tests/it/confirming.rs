//! Deletes and large changes wait for the user's word, however the client can give it.

use http::Method;
use serde_json::{Value, json};
use service_kit::auth::Bases;

use crate::support::{Answer, BASE, Server, World, job_id};

const JOBS: &str = "Aufträge";

fn delete(ids: &[usize]) -> Value {
    let ids: Vec<String> = ids.iter().map(|n| job_id(*n)).collect();
    json!({"base": BASE, "table": JOBS, "record_ids": ids})
}

async fn count(server: &Server) -> u64 {
    server.ok("aggregate_records", json!({"base": BASE, "table": JOBS})).await["rows"].as_u64().unwrap()
}

fn writes(server: &Server) -> usize {
    [Method::POST, Method::PATCH, Method::DELETE].iter().map(|method| server.gateway.count(method)).sum()
}

/// A call of a client that can ask its user.
async fn asking(server: &Server, tool: &str, arguments: &Value, extra: Value) -> Answer {
    let mut params = json!({"name": tool, "arguments": arguments});
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    server.modern_as(&server.key, "tools/call", params, json!({"elicitation": {}})).await
}

fn answered(state: &Value, action: &str, ticked: bool) -> Value {
    let response = match action {
        "accept" => json!({"action": "accept", "content": {"confirm": ticked}}),
        action => json!({"action": action}),
    };
    json!({"inputResponses": {"confirm": response}, "requestState": state})
}

#[tokio::test]
async fn a_delete_asks_and_is_done_once_the_user_accepts() {
    let server = World::new(5, 1).server().await;
    let asked = asking(&server, "delete_records", &delete(&[1, 3]), json!({})).await.json();
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required", "{asked}");
    let request = &result["inputRequests"]["confirm"];
    assert_eq!(request["method"], "elicitation/create");
    let message = request["params"]["message"].as_str().unwrap();
    assert!(
        message.contains("delete 2 records") && message.contains("\"Auftrag 0003\" (recJob00000000003)"),
        "{message}"
    );
    assert_eq!(request["params"]["requestedSchema"]["properties"]["confirm"]["type"], "boolean");
    assert_eq!((writes(&server), count(&server).await), (0, 5));

    let done = asking(
        &server,
        "delete_records",
        &delete(&[1, 3]),
        answered(&result["requestState"], "accept", true),
    )
    .await
    .json();
    assert_eq!(done["result"]["structuredContent"]["deleted"], json!([job_id(1), job_id(3)]), "{done}");
    assert_eq!(count(&server).await, 3);

    let again = asking(
        &server,
        "delete_records",
        &delete(&[1, 3]),
        answered(&result["requestState"], "accept", true),
    )
    .await
    .json();
    let text = again.to_string();
    assert!(text.contains("nothing was changed") || text.contains("used already"), "{text}");
    assert_eq!(server.gateway.count(&Method::DELETE), 1);
}

#[tokio::test]
async fn a_no_of_any_kind_changes_nothing() {
    let server = World::new(3, 1).server().await;
    let asked = asking(&server, "delete_records", &delete(&[0]), json!({})).await.json();
    let state = &asked["result"]["requestState"];
    for (action, ticked) in [("decline", false), ("cancel", false), ("accept", false)] {
        let result =
            asking(&server, "delete_records", &delete(&[0]), answered(state, action, ticked)).await.json();
        assert_eq!(result["result"]["structuredContent"]["status"], "declined", "{action}: {result}");
        assert_eq!(result["result"]["isError"], false);
    }
    assert_eq!(writes(&server), 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_asked_for_again() {
    let server = World::new(3, 1).server().await;
    let asked = asking(&server, "delete_records", &delete(&[0]), json!({})).await.json();
    let state = asked["result"]["requestState"].clone();
    for extra in [
        json!({"requestState": state}),
        json!({"requestState": state, "inputResponses": {}}),
        json!({"requestState": state, "inputResponses": {"confirm": {"action": "perhaps"}}}),
        json!({"requestState": state, "inputResponses": {"confirm": {"action": "accept"}, "other": 1}}),
        json!({"inputResponses": {"confirm": {"action": "accept", "content": {"confirm": true}}}}),
    ] {
        let result = asking(&server, "delete_records", &delete(&[0]), extra.clone()).await.json();
        assert_eq!(result["result"]["resultType"], "input_required", "{extra}: {result}");
    }
    assert_eq!(writes(&server), 0);
}

#[tokio::test]
async fn a_state_is_good_for_its_own_call_and_caller_only() {
    let server = World::new(6, 1).server().await;
    let asked = asking(&server, "delete_records", &delete(&[0]), json!({})).await.json();
    let state = &asked["result"]["requestState"];
    let refused = |answer: Value| {
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert_eq!(answer["error"]["message"], "requestState did not verify");
    };
    refused(asking(&server, "delete_records", &delete(&[1]), answered(state, "accept", true)).await.json());
    let tampered = json!(format!("{}A", state.as_str().unwrap()));
    refused(
        asking(&server, "delete_records", &delete(&[0]), answered(&tampered, "accept", true)).await.json(),
    );
    let other = server.mint("*", Bases::All).await;
    let mut params = json!({"name": "delete_records", "arguments": delete(&[0])});
    params.as_object_mut().unwrap().extend(answered(state, "accept", true).as_object().unwrap().clone());
    refused(server.modern_as(&other, "tools/call", params, json!({"elicitation": {}})).await.json());
    assert_eq!(writes(&server), 0);
}

#[tokio::test]
async fn two_answers_at_once_make_one_change() {
    let server = World::new(3, 1).server().await;
    let update = json!({"base": BASE, "table": JOBS, "records": (0..11).map(|n| json!({"Titel": format!("N{n}")})).collect::<Vec<_>>(), "merge_on": ["Titel"]});
    let asked = asking(&server, "upsert_records", &update, json!({})).await.json();
    let yes = answered(&asked["result"]["requestState"], "accept", true);
    let (one, two) = tokio::join!(
        asking(&server, "upsert_records", &update, yes.clone()),
        asking(&server, "upsert_records", &update, yes)
    );
    let errors = [one.json(), two.json()].iter().filter(|answer| answer["result"]["isError"] == true).count();
    assert_eq!(errors, 1);
    assert_eq!(count(&server).await, 14);
}

#[tokio::test]
async fn without_a_way_to_ask_a_token_of_the_preview_is_the_word() {
    let server = World::new(25, 1).server().await;
    let preview = server.call("delete_records", delete(&[2])).await;
    let structured = &preview["structuredContent"];
    assert_eq!((&structured["status"], &preview["isError"]), (&json!("preview"), &json!(false)));
    assert!(
        preview["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("repeat the call with the same arguments and confirm")
    );
    let token = structured["confirm"].as_str().unwrap();
    assert_eq!(writes(&server), 0);

    let with = |mut arguments: Value, token: &str| {
        arguments["confirm"] = json!(token);
        arguments
    };
    for (arguments, token) in
        [(delete(&[3]), token), (delete(&[2]), "rs1.nonsense"), (delete(&[2]), &token[1..])]
    {
        let message = server.error("delete_records", with(arguments, token)).await;
        assert!(message.contains("not one for exactly this call"), "{message}");
    }
    let other = server.mint("*", Bases::All).await;
    let message = server.error_as(&other, "delete_records", with(delete(&[2]), token)).await;
    assert!(message.contains("not one for exactly this call"), "{message}");
    assert_eq!(writes(&server), 0);

    let done = server.ok("delete_records", with(delete(&[2]), token)).await;
    assert_eq!(done["deleted"], json!([job_id(2)]));
    let missing = server.error("delete_records", with(delete(&[2]), token)).await;
    assert!(missing.contains("used already"), "{missing}");
    assert_eq!((server.gateway.count(&Method::DELETE), count(&server).await), (1, 24));
}

#[tokio::test]
async fn many_changes_need_the_word_and_few_do_not() {
    let server = World::new(25, 1).server().await;
    let update = |rows: usize| {
        let records: Vec<Value> =
            (0..rows).map(|n| json!({"id": job_id(n), "fields": {"Titel": format!("T{n}")}})).collect();
        json!({"base": BASE, "table": JOBS, "records": records})
    };
    assert_eq!(server.ok("update_records", update(10)).await["status"], "done");
    let preview = server.ok("update_records", update(23)).await;
    assert_eq!((&preview["status"], preview["changes"].as_array().unwrap().len()), (&json!("preview"), 20));
    let text = server.text("update_records", update(23)).await;
    assert!(
        text.contains("Titel \"T0\" → \"T0\"")
            && text.contains("Titel \"Auftrag 0012\" → \"T12\"")
            && text.contains("and 3 more"),
        "{text}"
    );
    let mut confirmed = update(23);
    confirmed["confirm"] = preview["confirm"].clone();
    assert_eq!(server.ok("update_records", confirmed).await["count"], 23);
    // A token of another change is none for a small one either: who brings it believes that this was agreed to.
    let mut swapped = update(2);
    swapped["confirm"] = preview["confirm"].clone();
    let message = server.error("update_records", swapped).await;
    assert!(
        message.contains("not one for exactly this call") && message.contains("needs no token"),
        "{message}"
    );
    // Creating takes nothing away.
    let rows: Vec<Value> = (0..15).map(|n| json!({"Titel": format!("C{n}")})).collect();
    assert_eq!(
        server.ok("create_records", json!({"base": BASE, "table": JOBS, "records": rows})).await["status"],
        "done"
    );
}

#[tokio::test]
async fn a_caller_can_have_the_user_asked_before_every_change() {
    let server = World::new(3, 1).server().await;
    let create = json!({"base": BASE, "table": JOBS, "fields": {"Titel": "Neu"}});
    let always = json!({"_meta": {"pyairtable/ask": "always"}});
    let asked = asking(&server, "create_records", &create, always.clone()).await.json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    // A preview gives a client that can ask no token to go around the question, and one is of no use to it.
    let mut preview = create.clone();
    preview["preview"] = json!(true);
    let shown = asking(&server, "create_records", &preview, always.clone()).await.json();
    assert_eq!(shown["result"]["structuredContent"]["status"], "preview");
    assert_eq!(shown["result"]["structuredContent"].get("confirm"), None, "{shown}");
    let token = server
        .modern_as(
            &server.key,
            "tools/call",
            json!({"name": "create_records", "arguments": create, "_meta": {"pyairtable/ask": "always"}}),
            json!({}),
        )
        .await
        .json()["result"]["structuredContent"]["confirm"]
        .clone();
    let mut with_token = create.clone();
    with_token["confirm"] = token;
    let asked = asking(&server, "create_records", &with_token, always.clone()).await.json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert_eq!(writes(&server), 0);
    let mut yes = answered(&asked["result"]["requestState"], "accept", true);
    yes["_meta"] = always["_meta"].clone();
    let done = asking(&server, "create_records", &with_token, yes).await.json();
    assert_eq!(done["result"]["structuredContent"]["status"], "done", "{done}");
}

#[tokio::test]
async fn records_that_are_not_there_are_told_before_anyone_is_asked() {
    let server = World::new(2, 1).server().await;
    let asked = asking(&server, "delete_records", &delete(&[0, 77]), json!({})).await.json();
    let text = asked["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("no record \"recJob00000000077\""), "{asked}");
}
