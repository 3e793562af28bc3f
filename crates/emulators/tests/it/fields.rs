//! What each field type takes and gives.

use serde_json::{Value, json};

use super::support::{BASE, TestApp, id, rec};

/// Writes a value and reads the cell back; null if the field is not there.
async fn round_trip(app: &TestApp, field: &str, value: &Value) -> Value {
    let record = app.create("Things", json!({field: value})).await;
    app.cells("Things", &record).await[field].clone()
}

#[tokio::test]
async fn plain_data_is_read_as_it_was_written() {
    let app = TestApp::spawn().await;
    for (field, value) in [
        ("Name", json!("x \u{1F600} é \"quoted\" \\ \n")),
        ("Notes", json!("# title\n\n* one")),
        ("Email", json!("not validated")),
        ("Number", json!(1)),
        ("Number", json!(0)),
        ("Number", json!(-2.5)),
        ("Number", json!(0.1)),
        ("Number", json!(1.7976931348623157e308)),
        ("Number", json!(123_456_789_012_345_i64)),
        ("Percent", json!(0.123)),
        ("Price", json!(9.99)),
        ("Length", json!(5400)),
        ("Stars", json!(3)),
        ("Done", json!(true)),
        ("Status", json!("Doing")),
        ("Tags", json!(["green", "a, b"])),
        ("Day", json!("2024-02-29")),
        ("When", json!("2024-02-29T12:34:56.789Z")),
        ("Local", json!("2024-07-01T00:00:00.000Z")),
        ("Others", json!([rec(1003), rec(1001)])),
        ("Code", json!({"text": "123", "type": "ean13"})),
        ("Code", json!({"text": "123", "type": null})),
    ] {
        let read = round_trip(&app, field, &value).await;
        assert_eq!(read.to_string(), value.to_string(), "{field}");
    }
}

#[tokio::test]
async fn values_are_normalised_to_one_form() {
    let app = TestApp::spawn().await;
    let ada = json!({"id": "usrAda00000000001", "email": "ada@example.com", "name": "Ada"});
    let grace = json!({"id": "usrGrace000000002", "email": "grace@example.com", "name": "Grace"});
    for (field, written, read) in [
        ("Number", json!(1.0), json!(1)),
        ("When", json!("2024-01-15"), json!("2024-01-15T00:00:00.000Z")),
        ("When", json!("2024-01-15T10:00:00+02:00"), json!("2024-01-15T08:00:00.000Z")),
        ("Local", json!("2024-07-15T14:30:00"), json!("2024-07-15T12:30:00.000Z")),
        ("Day", json!("2024-01-15T23:00:00.000Z"), json!("2024-01-15")),
        ("Person", json!({"email": "ADA@example.com"}), ada.clone()),
        ("Person", json!({"id": "usrGrace000000002"}), grace.clone()),
        ("People", json!(["usrGrace000000002", {"email": "ada@example.com"}]), json!([grace, ada])),
        ("Tags", json!(["red", "red"]), json!(["red"])),
        ("Others", json!([rec(1001), rec(1001)]), json!([rec(1001)])),
    ] {
        assert_eq!(
            round_trip(&app, field, &written).await.to_string(),
            read.to_string(),
            "{field} {written}"
        );
    }
}

#[tokio::test]
async fn wrong_json_types_are_refused() {
    let app = TestApp::spawn().await;
    for (field, value) in [
        ("Name", json!(1)),
        ("Name", json!(true)),
        ("Name", json!(["x"])),
        ("Email", json!(1)),
        ("Number", json!("1")),
        ("Number", json!("")),
        ("Number", json!(true)),
        ("Stars", json!(6)),
        ("Stars", json!(2.5)),
        ("Done", json!("true")),
        ("Done", json!(1)),
        ("Status", json!(1)),
        ("Status", json!(["Todo"])),
        ("Tags", json!("red")),
        ("Tags", json!([1])),
        ("Day", json!("tomorrow")),
        ("Day", json!("2024-02-30")),
        ("Day", json!(1)),
        ("When", json!("15.1.2024")),
        ("Others", json!("Other 1")),
        ("Others", json!(["Other 1"])),
        ("Person", json!("usrAda00000000001")),
        ("Person", json!({"id": id("usr", 9)})),
        ("People", json!([{"email": "nobody@example.com"}])),
        ("Code", json!("123")),
        ("Code", json!({"type": "ean13"})),
        ("Files", json!("https://example.com/a.png")),
    ] {
        let answer = app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {field: value.clone()}})).await;
        let message = answer.refused(422, "INVALID_VALUE_FOR_COLUMN");
        assert_eq!(message, format!("Field \"{field}\" cannot accept the provided value"), "{value}");
    }
}

#[tokio::test]
async fn unknown_choices_are_refused_without_typecast() {
    let app = TestApp::spawn().await;
    for (field, value, shown) in [
        ("Status", json!("Nope"), "Nope"),
        ("Status", json!("todo"), "todo"),
        ("Status", json!(""), ""),
        ("Tags", json!(["red", "blue"]), "blue"),
    ] {
        let answer = app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {field: value}})).await;
        let message = answer.refused(422, "INVALID_MULTIPLE_CHOICE_OPTIONS");
        assert_eq!(message, format!("Insufficient permissions to create new select option \"{shown}\""));
    }
}

#[tokio::test]
async fn computed_fields_cannot_be_written() {
    let app = TestApp::spawn().await;
    for field in [
        "Double",
        "Other names",
        "Other count",
        "Weight",
        "Auto",
        "Created",
        "Changed",
        "Creator",
        "Changer",
        "Note on AI",
    ] {
        for value in [json!(1), Value::Null] {
            let answer = app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {field: value}})).await;
            let message = answer.refused(422, "INVALID_VALUE_FOR_COLUMN");
            assert_eq!(
                message,
                format!("Field \"{field}\" cannot accept a value because the field is computed")
            );
        }
    }
}

#[tokio::test]
async fn links_to_records_that_do_not_exist_are_refused() {
    let app = TestApp::spawn().await;
    let own = app.create("Things", json!({})).await;
    for missing in [rec(9), own] {
        let answer =
            app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {"Others": [missing.clone()]}})).await;
        let message = answer.refused(422, "ROW_DOES_NOT_EXIST");
        assert_eq!(message, format!("Record ID {missing} does not exist"));
    }
}

#[tokio::test]
async fn empty_values_clear_a_cell_and_empty_cells_are_left_out() {
    let app = TestApp::spawn().await;
    let full = json!({"Name": "x", "Number": 1, "Done": true, "Status": "Todo", "Tags": ["red"], "Others": [rec(1001)]});
    for clearing in [
        json!({"Name": null, "Number": null, "Done": null, "Status": null, "Tags": null, "Others": null}),
        json!({"Name": "", "Number": null, "Done": false, "Status": null, "Tags": [], "Others": []}),
    ] {
        let record = app.create("Things", full.clone()).await;
        let answer =
            app.patch(&format!("/v0/{BASE}/Things/{record}"), json!({"fields": clearing})).await.ok();
        for field in ["Name", "Number", "Done", "Status", "Tags", "Others", "Other names"] {
            assert!(answer["fields"].get(field).is_none(), "{field}: {answer}");
        }
    }
    let zero = app.create("Things", json!({"Number": 0})).await;
    assert_eq!(app.cells("Things", &zero).await["Number"], 0, "nought is a value");
}

#[tokio::test]
async fn computed_cells_follow_what_they_are_computed_from() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({"Number": 21, "Others": [rec(1002), rec(1003)]})).await;
    let cells = app.cells("Things", &record).await;
    assert_eq!(cells["Double"], 42);
    assert_eq!(cells["Other names"], json!(["Other 2", "Other 3"]));
    assert_eq!((&cells["Other count"], &cells["Weight"]), (&json!(2), &json!(5)));
    assert_eq!(cells["Auto"], 1);
    assert_eq!(cells["Creator"]["id"], "usrAda00000000001");

    app.patch(
        &format!("/v0/{BASE}/tblOthers00000002/{}", rec(1002)),
        json!({"fields": {"Name": "New", "Weight": 10}}),
    )
    .await
    .ok();
    let cells = app.cells("Things", &record).await;
    assert_eq!((&cells["Other names"], &cells["Weight"]), (&json!(["New", "Other 3"]), &json!(13)));

    let empty = app.create("Things", json!({})).await;
    let cells = app.cells("Things", &empty).await;
    assert_eq!((&cells["Other count"], &cells["Auto"]), (&json!(0), &json!(2)), "a count of none is 0");
    assert!(cells.get("Changed").is_none(), "it was never edited: {cells}");
}

#[tokio::test]
async fn values_that_json_has_no_words_for_are_objects() {
    let app = TestApp::spawn().await;
    for (number, value) in [(0, "NaN"), (1, "Infinity"), (-1, "-Infinity")] {
        let record = app.create("Things", json!({"Number": number, "Others": [rec(1001)]})).await;
        let cells = app.cells("Things", &record).await;
        assert_eq!(cells["Ratio"], json!({"specialValue": value}));
        assert_eq!(cells["Broken"], json!({"error": "#ERROR!"}));
        let other = app.cells("tblOthers00000002", &rec(1001)).await;
        assert_eq!(other["Ratios"], json!([{"error": "#ERROR!"}]), "a lookup of an errored formula");
        app.delete(&format!("/v0/{BASE}/Things/{record}")).await.ok();
    }
}

#[tokio::test]
async fn times_of_change_follow_edits() {
    let app = TestApp::spawn().await;
    let target = format!("/v0/{BASE}/tblOthers00000002/{}", rec(1001));
    app.patch(&target, json!({"fields": {"Weight": 1}})).await.ok();
    let record = app.create("Things", json!({"Name": "x"})).await;
    let cells = app.cells("Things", &record).await;
    assert_eq!(cells["Changed"], cells["Created"], "created with a value");
    assert!(cells.get("Number changed").is_none(), "{cells}");
    let cells =
        app.patch(&format!("/v0/{BASE}/Things/{record}"), json!({"fields": {"Number": 2}})).await.ok();
    assert!(cells["fields"]["Number changed"].is_string(), "{cells}");
    assert!(cells["fields"]["Changed"].as_str().unwrap().ends_with(".000Z"), "{cells}");
}

#[tokio::test]
async fn a_file_is_attached_by_its_url_and_kept_by_its_id() {
    let app = TestApp::spawn().await;
    let record = app.create("Things", json!({"Files": [{"url": "https://example.com/a.png"}]})).await;
    let first = app.cells("Things", &record).await["Files"][0].clone();
    assert!(first["id"].as_str().unwrap().starts_with("att"));
    assert_eq!((&first["url"], &first["filename"]), (&json!("https://example.com/a.png"), &json!("a.png")));
    assert_eq!(first.as_object().unwrap().len(), 3, "not fetched: no size, type or thumbnails");
    // The list replaces the cell: what stays is named by its id, as whole as it was read.
    let second = json!({"url": "http://example.com/b?c", "filename": "c.txt"});
    let one = format!("/v0/{BASE}/Things/{record}");
    app.patch(&one, json!({"fields": {"Files": [first, second]}})).await.ok();
    let files = app.cells("Things", &record).await["Files"].clone();
    assert_eq!((&files[0], &files[1]["filename"]), (&first, &json!("c.txt")));
    assert_ne!(files[1]["id"], first["id"]);
    app.patch(&one, json!({"fields": {"Files": [{"id": files[1]["id"]}]}})).await.ok();
    assert_eq!(app.cells("Things", &record).await["Files"], json!([files[1]]));
    // Another record's file is attached by its URL, not by its id.
    let copied =
        app.post(&format!("/v0/{BASE}/Things"), json!({"fields": {"Files": [{"id": first["id"]}]}})).await;
    copied.refused(422, "INVALID_ATTACHMENT_OBJECT");
}
