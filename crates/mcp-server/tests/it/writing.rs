//! The writing tools: what they refuse before anything is sent, and how far they came when something fails.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{BASE, Fault, Server, What, World, job_id, person_id};

const JOBS: &str = "Aufträge";

async fn cells(server: &Server, id: &str) -> Value {
    server.ok("get_record", json!({"base": BASE, "table": JOBS, "record_id": id})).await["record"]["fields"]
        .clone()
}

#[tokio::test]
async fn records_are_created_with_names_for_links_and_values_in_plain_form() {
    let world = World::new(2, 3);
    let server = world.server().await;
    let result = server
        .ok("create_records", json!({"base": BASE, "table": JOBS, "records": [
            {"Titel": "Neu", "stand": "läuft", "Kosten (€)": "12.50", "Fertig?": true, "Fällig": "2025-12-31",
             "Marken": ["α"], "Bearbeiter": ["person 1 o'neill", person_id(2)], "Beginn": "2025-12-31T09:00:00", "Güte": 3},
            {"fields": {"Titel": "Zwei", "Notiz": 5}},
        ]}))
        .await;
    assert_eq!((&result["status"], &result["count"]), (&json!("done"), &json!(2)));
    let fields = cells(&server, result["created"][0].as_str().unwrap()).await;
    assert_eq!(fields["Stand"], "Läuft");
    assert_eq!(fields["Kosten (€)"], 12.5);
    let linked = &fields["Bearbeiter"];
    assert_eq!((&linked[0]["id"], &linked[1]["id"]), (&json!(person_id(1)), &json!(person_id(2))));
    assert_eq!(fields["Beginn"], "2025-12-31T00:00:00.000Z", "without offset it is in the field's zone");
    let two = cells(&server, result["created"][1].as_str().unwrap()).await;
    assert_eq!(two["Notiz"], "5");
    let one =
        server.ok("create_records", json!({"base": BASE, "table": JOBS, "fields": {"Titel": "Drei"}})).await;
    assert_eq!(one["count"], 1);
}

#[tokio::test]
async fn wrong_rows_are_refused_together_before_anything_is_sent() {
    let server = World::new(2, 2).server().await;
    let message = server
        .error("create_records", json!({"base": BASE, "table": JOBS, "records": [
            {"Titl": "x"}, {"Stand": "Fertig"}, {"Doppelt": 1}, {"Fällig": "morgen"}, {"Güte": 9}, {"id": "rec1", "Titel": "x"},
        ]}))
        .await;
    for expected in [
        "row 1: there is no field \"Titl\" in table \"Aufträge\"; did you mean \"Titel\"?",
        "row 2: \"Stand\": there is no choice \"Fertig\"",
        "set typecast",
        "row 3: \"Doppelt\": is computed by Airtable",
        "row 4: \"Fällig\": must be a date such as",
        "row 5: \"Güte\": must be a whole number from 1 to 5",
        "row 6: a new record has no id",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    for (tool, arguments, expected) in [
        (
            "create_records",
            json!({"records": [{"Bearbeiter": "Niemand"}]}),
            "no record of table \"Leute\" is called \"Niemand\"",
        ),
        ("create_records", json!({"records": []}), "there are no rows"),
        ("create_records", json!({}), "records is missing"),
        ("create_records", json!({"records": vec![json!({"Titel": "x"}); 1001]}), "1000 at most"),
        ("update_records", json!({"records": [{"Titel": "x"}]}), "row 1: has no id"),
        (
            "update_records",
            json!({"records": [{"id": job_id(0), "Titel": "x"}, {"id": job_id(0), "Titel": "y"}]}),
            "repeats record",
        ),
        ("update_records", json!({"record_id": job_id(0), "fields": {}}), "changes nothing"),
        ("update_records", json!({"record_id": "7", "fields": {"Titel": "x"}}), "search_records"),
        (
            "upsert_records",
            json!({"records": [{"Titel": "a"}], "merge_on": ["Doppelt"]}),
            "matches by text, number",
        ),
        (
            "upsert_records",
            json!({"records": [{"Stand": "Läuft"}], "merge_on": ["Titel"]}),
            "lacks \"Titel\"",
        ),
        (
            "upsert_records",
            json!({"records": [{"Titel": "a"}, {"Titel": "a"}], "merge_on": "Titel"}),
            "row 2: has the same values",
        ),
        ("delete_records", json!({}), "record_ids is missing"),
    ] {
        let mut arguments = arguments;
        arguments["base"] = json!(BASE);
        arguments["table"] = json!(JOBS);
        let message = server.error(tool, arguments.clone()).await;
        assert!(message.contains(expected), "{tool}: {message}");
    }
    for method in [Method::POST, Method::PATCH, Method::DELETE] {
        assert_eq!(server.gateway.count(&method), 0, "{method}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_not_called_empty_as_well() {
    let server = World::new(1, 1).server().await;
    let update =
        |fields: Value| json!({"base": BASE, "table": JOBS, "record_id": job_id(0), "fields": fields});
    let error = server.error("update_records", update(json!({"Stand": "Irgendwo"}))).await;
    assert!(error.contains("there is no choice \"Irgendwo\". Choices: "), "{error}");
    assert!(!error.contains("changes nothing"), "{error}");
    let error = server.error("update_records", update(json!({}))).await;
    assert!(error.contains("changes nothing"), "{error}");
}

#[tokio::test]
async fn a_name_that_several_linked_records_have_is_asked_back() {
    let mut world = World::new(1, 3);
    for person in world.seed["bases"][0]["tables"][1]["records"].as_array_mut().unwrap().iter_mut().take(2) {
        person["fields"]["Wer"] = json!("Alex");
    }
    let server = world.server().await;
    let message = server
        .error("create_records", json!({"base": BASE, "table": JOBS, "fields": {"Bearbeiter": "Alex"}}))
        .await;
    assert!(message.contains(&person_id(0)) && message.contains(&person_id(1)), "{message}");
}

#[tokio::test]
async fn few_records_are_changed_at_once() {
    let server = World::new(12, 2).server().await;
    let result = server
        .ok("update_records", json!({"base": BASE, "table": JOBS, "records": [
            {"id": job_id(0), "fields": {"Stand": "Erledigt", "Notiz": null}}, {"id": job_id(1), "Titel": "Anders"},
        ]}))
        .await;
    assert_eq!(result["updated"], json!([job_id(0), job_id(1)]));
    let fields = cells(&server, &job_id(0)).await;
    assert_eq!((&fields["Stand"], fields.get("Notiz")), (&json!("Erledigt"), None));
    assert_eq!(fields["Titel"], "Auftrag 0000", "other cells stay");
    let ids: Vec<String> = (2..5).map(job_id).collect();
    let result = server
        .ok(
            "update_records",
            json!({"base": BASE, "table": JOBS, "record_ids": ids, "fields": {"Fertig?": true}}),
        )
        .await;
    assert_eq!(result["count"], 3);
    assert_eq!(cells(&server, &job_id(4)).await["Fertig?"], true);
}

#[tokio::test]
async fn an_upsert_says_what_was_created_and_what_changed() {
    let server = World::new(3, 1).server().await;
    let result = server
        .ok(
            "upsert_records",
            json!({"base": BASE, "table": JOBS, "merge_on": ["titel"], "records": [
                {"Titel": "Auftrag 0001", "Kosten (€)": 1}, {"Titel": "Ganz neu", "Kosten (€)": 2},
            ]}),
        )
        .await;
    assert_eq!(result["updated"], json!([job_id(1)]));
    assert_eq!(result["created"].as_array().unwrap().len(), 1);
    assert_eq!(cells(&server, &job_id(1)).await["Kosten (€)"], 1);
}

#[tokio::test]
async fn a_preview_changes_nothing_and_shows_old_and_new() {
    let world = World::new(3, 2);
    let server = world.server().await;
    let text = server
        .text("update_records", json!({"base": BASE, "table": JOBS, "preview": true, "records": [{"id": job_id(0), "Titel": "Neu", "Bearbeiter": [person_id(1)]}]}))
        .await;
    assert!(text.contains("Preview, nothing was changed"), "{text}");
    assert!(text.contains("Titel \"Auftrag 0000\" → \"Neu\""), "{text}");
    assert!(text.contains("→ \"Person 1 O'Neill\""), "{text}");
    let text = server
        .text(
            "create_records",
            json!({"base": BASE, "table": JOBS, "preview": true, "fields": {"Titel": "Neu"}}),
        )
        .await;
    assert!(text.contains("would create 1 record") && !text.contains("confirm"), "{text}");
    for method in [Method::POST, Method::PATCH, Method::DELETE] {
        assert_eq!(server.gateway.count(&method), 0, "{method}");
    }
}

#[tokio::test]
async fn a_half_done_write_says_which_rows_are_there() {
    let server = World::new(1, 1).server().await;
    let what = What::Answer(
        StatusCode::UNPROCESSABLE_ENTITY,
        json!({"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "no such luck"}}),
    );
    server.gateway.strike(Fault { method: Method::POST, within: "tblJobs", after: 2, what });
    let rows: Vec<Value> = (0..35).map(|n| json!({"Titel": format!("Zeile {n}")})).collect();
    let result = server.call("create_records", json!({"base": BASE, "table": JOBS, "records": rows})).await;
    assert_eq!(result["isError"], true);
    assert_eq!(result["_meta"]["pyairtable/error"]["code"], "partly_done");
    let structured = &result["structuredContent"];
    assert_eq!((&structured["status"], &structured["count"]), (&json!("partial"), &json!(20)));
    assert_eq!(structured["created"].as_array().unwrap().len(), 20);
    assert_eq!(structured["failed_rows"], json!({"from": 21, "to": 30}));
    let text = result["content"][0]["text"].as_str().unwrap();
    for expected in [
        "Only 20 of 35 rows",
        "Rows 21 to 30: Airtable refuses this",
        "no such luck",
        "Rows 31 to 35 were not tried",
        "call again with rows 21 to 35 only",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let count = server
        .ok("aggregate_records", json!({"base": BASE, "table": JOBS, "filter": "FIND('Zeile',{Titel})"}))
        .await;
    assert_eq!(count["rows"], 20);
}

#[tokio::test]
async fn a_refused_write_of_few_rows_wrote_nothing() {
    let server = World::new(1, 1).server().await;
    let what =
        What::Answer(StatusCode::UNPROCESSABLE_ENTITY, json!({"error": {"type": "T", "message": "no"}}));
    server.gateway.strike(Fault { method: Method::POST, within: "tblJobs", after: 0, what });
    let message =
        server.error("create_records", json!({"base": BASE, "table": JOBS, "fields": {"Titel": "x"}})).await;
    assert_eq!(message, "Airtable refuses this: T: no");
}

#[tokio::test]
async fn a_lost_answer_is_no_invitation_to_write_again() {
    let server = World::new(1, 1).server().await;
    let what = What::DoneThenAnswer(
        StatusCode::CONFLICT,
        json!({"error": {"type": "OUTCOME_UNKNOWN", "message": "m"}}),
    );
    server.gateway.strike(Fault { method: Method::POST, within: "tblJobs", after: 0, what });
    let result = server
        .call("create_records", json!({"base": BASE, "table": JOBS, "fields": {"Titel": "Einmal"}}))
        .await;
    assert_eq!(result["_meta"]["pyairtable/error"], json!({"code": "outcome_unknown", "retryable": false}));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Do not repeat it") && !text.contains("call again"), "{text}");
    assert_eq!(server.gateway.count(&Method::POST), 1);
}
