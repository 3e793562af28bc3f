//! The catalogue of errors, and the order of checks.

use serde_json::{Value, json};

use super::support::{BASE, FULL, TestApp, id, rec};

const NOT_THERE: &str = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND";

#[tokio::test]
async fn a_path_without_route_or_with_a_malformed_id_is_the_bare_string_even_without_token() {
    let app = TestApp::spawn().await;
    for (method, path) in [
        ("GET", "/v0/meta/nothing".to_owned()),
        ("GET", "/v0/appShort/Things".to_owned()),
        ("GET", format!("/v0/{BASE}/Things/recShort")),
        ("POST", format!("/v0/{BASE}/Things/{}", rec(1))),
        ("GET", format!("/v0/{BASE}")),
        ("GET", "/v0".to_owned()),
        ("GET", "/v0/".to_owned()),
    ] {
        app.raw(method, &path, "", b"").await.is(404, json!({"error": "NOT_FOUND"}));
    }
}

#[tokio::test]
async fn a_missing_malformed_or_unknown_token_is_one_and_the_same_401() {
    let app = TestApp::spawn().await;
    let expected =
        json!({"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}});
    for headers in [
        "",
        "Authorization: Bearer nope\r\n",
        "Authorization: patFull.secret\r\n",
        "Authorization: Basic cGF0\r\n",
    ] {
        app.raw("GET", &format!("/v0/{BASE}/Things"), headers, b"").await.is(401, expected.clone());
        app.raw("GET", &format!("/v0/{BASE}/Things?pageSize=0"), headers, b"")
            .await
            .is(401, expected.clone());
    }
    let query = format!("/v0/{BASE}/Things?api_key={FULL}");
    app.raw("GET", &query, "", b"").await.is(401, expected);
}

#[tokio::test]
async fn unknown_bases_tables_and_records_are_indistinguishable_from_forbidden_ones() {
    let app = TestApp::spawn().await;
    for path in [
        format!("/v0/{}/Things", id("app", 9)),
        format!("/v0/{BASE}/Nothing"),
        format!("/v0/{BASE}/{}", id("tbl", 9)),
        format!("/v0/{BASE}/Things/{}", rec(9)),
        format!("/v0/meta/bases/{}/tables", id("app", 9)),
    ] {
        let message = app.get(&path).await.refused(403, NOT_THERE);
        assert!(
            message.starts_with("Invalid permissions, or the requested model was not found. Check that both")
        );
    }
}

#[tokio::test]
async fn parameters_are_checked_before_base_and_table() {
    let app = TestApp::spawn().await;
    let nowhere = format!("/v0/{}/Nothing", id("app", 9));
    app.get(&format!("{nowhere}?pageSize=101")).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    app.post(&nowhere, json!({"nonsense": 1})).await.refused(422, "INVALID_REQUEST_UNKNOWN");
    app.post(&nowhere, json!({"fields": {"Nonsense": 1}})).await.refused(403, NOT_THERE);
}

#[tokio::test]
async fn a_single_write_of_a_missing_record_is_404_and_a_batch_names_the_row() {
    let app = TestApp::spawn().await;
    let missing = format!("/v0/{BASE}/Things/{}", rec(9));
    for (method, body) in
        [("PATCH", Some(json!({"fields": {}}))), ("PUT", Some(json!({"fields": {}}))), ("DELETE", None)]
    {
        let message = app.call(method, &missing, body).await.refused(404, "MODEL_ID_NOT_FOUND");
        assert_eq!(message, "Record not found");
    }
    let batch = json!({"records": [{"id": rec(9), "fields": {}}]});
    let message = app.patch(&format!("/v0/{BASE}/Things"), batch).await.refused(422, "ROW_DOES_NOT_EXIST");
    assert_eq!(message, format!("Record ID {} does not exist in this table", rec(9)));
}

#[tokio::test]
async fn bodies_must_be_json_objects_and_say_so() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let auth = format!("Authorization: Bearer {FULL}\r\n");
    let json_type = format!("{auth}Content-Type: application/json\r\n");
    let form_type = format!("{auth}Content-Type: application/x-www-form-urlencoded\r\n");
    for (headers, body) in [
        (&json_type, "{\"fields\": {"),
        (&json_type, ""),
        (&json_type, "{\"fields\": {\"Number\": NaN}}"),
        (&form_type, "{\"fields\": {}}"),
        (&auth, "{\"fields\": {}}"),
    ] {
        let answer = app.raw("POST", &target, headers, body.as_bytes()).await;
        assert_eq!(answer.refused(422, "INVALID_REQUEST_BODY"), "Could not parse request body", "{body}");
    }
    app.raw("POST", &target, &json_type, b"[]").await.refused(422, "INVALID_REQUEST_UNKNOWN");
}

#[tokio::test]
async fn a_body_of_20_mb_is_refused_and_the_emulator_goes_on() {
    let app = TestApp::spawn().await;
    let body = json!({"fields": {"Notes": "x".repeat(20 << 20)}});
    assert_eq!(app.post(&format!("/v0/{BASE}/Things"), body).await.status, 413);
    app.get(&format!("/v0/{BASE}/Things")).await.ok();
}

#[tokio::test]
async fn the_shape_of_a_write_is_checked() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let unknown = "INVALID_REQUEST_UNKNOWN";
    let message = app.post(&target, json!({})).await.refused(422, "INVALID_REQUEST_MISSING_FIELDS");
    assert_eq!(message, "Could not find field \"fields\" in the request body");
    let record = rec(1);
    app.patch(&format!("{target}/{record}"), json!({"typecast": true}))
        .await
        .refused(422, "INVALID_REQUEST_MISSING_FIELDS");
    app.post(&target, json!({"fields": {}, "recrods": []})).await.refused(422, unknown);
    app.post(&target, json!({"fields": {}, "typecast": "true"})).await.refused(422, unknown);
    app.post(&target, json!({"fields": [], "typecast": true})).await.refused(422, unknown);
    app.post(&target, json!({"fields": {}, "records": [{"fields": {}}]})).await.refused(422, unknown);
    app.post(&target, json!({"fields": {}, "performUpsert": {"fieldsToMergeOn": ["Name"]}}))
        .await
        .refused(422, unknown);

    let many = |count: usize| vec![json!({"fields": {}}); count];
    let message = app.post(&target, json!({"records": many(11)})).await.refused(422, "INVALID_RECORDS");
    assert_eq!(message, "A maximum of 10 records can be created per request but you have provided 11.");
    app.post(&target, json!({"records": []})).await.refused(422, "INVALID_RECORDS");
    app.post(&target, json!({"records": [{}]})).await.refused(422, "INVALID_RECORDS");

    let update = "You must provide an array of up to 10 record objects, each with an \"id\" ID field and a \"fields\" object for cell values.";
    for records in [
        json!([{"fields": {}}]),
        json!([{"id": "recX", "fields": {}}]),
        json!([{"id": rec(1)}]),
        json!([{"id": 1, "fields": {}}]),
        json!([]),
        json!({}),
        Value::Array(vec![json!({"id": rec(1), "fields": {}}); 11]),
    ] {
        let answer = app.patch(&target, json!({"records": records.clone()})).await;
        assert_eq!(answer.refused(422, "INVALID_RECORDS"), update, "{records}");
    }
}

#[tokio::test]
async fn a_batch_delete_wants_up_to_ten_record_ids_in_brackets() {
    let app = TestApp::spawn().await;
    let eleven: String = (0..11).map(|n| format!("&records[]={}", rec(n))).collect();
    for query in ["", "records[]=recX", &format!("records={}", rec(1)), &eleven] {
        let answer = app.delete(&format!("/v0/{BASE}/Things?{query}")).await;
        let message = answer.refused(422, "INVALID_RECORDS");
        assert_eq!(message, "\"records\" must be an array of up to 10 record IDs.", "{query}");
    }
}

#[tokio::test]
async fn unknown_fields_are_named_wherever_they_stand() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    for answer in [
        app.post(&target, json!({"fields": {"Nope": 1}})).await,
        app.get(&format!("{target}?fields[]=Nope")).await,
        app.get(&format!("{target}?sort[0][field]=Nope")).await,
        app.patch(
            &target,
            json!({"performUpsert": {"fieldsToMergeOn": ["Nope"]}, "records": [{"fields": {}}]}),
        )
        .await,
    ] {
        assert_eq!(answer.refused(422, "UNKNOWN_FIELD_NAME"), "Unknown field name: \"Nope\"");
    }
    app.post(&target, json!({"fields": {"name": 1}})).await.refused(422, "UNKNOWN_FIELD_NAME");
}

#[tokio::test]
async fn formulas_that_cannot_be_used_are_refused_with_airtables_words() {
    let app = TestApp::spawn().await;
    for (formula, tail) in [
        ("AND(", "Invalid formula. Please check your formula text."),
        ("{Nope} = {Other Nope}", "Unknown field names: nope, other nope"),
        ("FOO(1)", "Unknown function names: foo"),
    ] {
        let encoded: String = formula.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = app.get(&format!("/v0/{BASE}/Things?filterByFormula={encoded}")).await;
        let message = answer.refused(422, "INVALID_FILTER_BY_FORMULA");
        assert_eq!(message, format!("The formula for filtering records is invalid: {tail}"));
        let answer =
            app.post(&format!("/v0/{BASE}/Things/listRecords"), json!({"filterByFormula": formula})).await;
        answer.refused(422, "INVALID_FILTER_BY_FORMULA");
    }
}

#[tokio::test]
async fn views_that_are_not_of_this_table_are_refused() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things?view=");
    let message = app.get(&format!("{target}Nope")).await.refused(422, "VIEW_NAME_NOT_FOUND");
    assert_eq!(message, "View Nope not found");
    app.get(&format!("{target}{}", id("viw", 9))).await.refused(422, "VIEW_ID_NOT_FOUND");
    let elsewhere = app.get(&format!("{target}viwOthers00000003")).await;
    elsewhere.is(422, json!({"error": {"type": "FAILED_STATE_CHECK"}}));
}

#[tokio::test]
async fn a_refused_batch_writes_nothing() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/Things");
    let kept = app.create("Things", json!({"Name": "kept", "Status": "Todo"})).await;
    let records = json!([{"fields": {"Name": "a", "Status": "New", "Others": ["New other"]}}, {"fields": {"Number": "x"}}]);
    app.post(&target, json!({"records": records, "typecast": true}))
        .await
        .refused(422, "INVALID_VALUE_FOR_COLUMN");
    let updates = json!([{"id": kept, "fields": {"Name": "changed"}}, {"id": rec(9), "fields": {}}]);
    app.patch(&target, json!({"records": updates})).await.refused(422, "ROW_DOES_NOT_EXIST");
    app.delete(&format!("{target}?records[]={kept}&records[]={}", rec(9)))
        .await
        .refused(422, "ROW_DOES_NOT_EXIST");
    let things = app.get(&target).await.ok();
    assert_eq!(things["records"].as_array().unwrap().len(), 1);
    assert_eq!(things["records"][0]["fields"]["Name"], "kept");
    let others = app.get(&format!("/v0/{BASE}/tblOthers00000002")).await.ok();
    assert_eq!(others["records"].as_array().unwrap().len(), 3, "no linked record was created");
    let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    assert!(!schema.to_string().contains("\"New\""), "no choice was created");
}

#[tokio::test]
async fn a_formula_function_that_is_not_built_is_501_and_named() {
    let app = TestApp::spawn().await;
    let body = json!({"filterByFormula": "DATEDIF({Day}, TODAY(), 'days')"});
    let answer = app.post(&format!("/v0/{BASE}/Things/listRecords"), body).await;
    let message = answer.refused(501, "EMULATOR_NOT_BUILT");
    assert!(message.contains("the formula function DATEDIF"), "{message}");
}
