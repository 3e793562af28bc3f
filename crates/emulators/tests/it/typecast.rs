//! `typecast`: conversion from text, new choices, new linked records.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{BASE, TestApp, rec};

async fn cast(app: &TestApp, field: &str, value: &Value) -> Value {
    let body = json!({"fields": {field: value}, "typecast": true});
    app.post(&format!("/v0/{BASE}/Things"), body).await.ok()["fields"][field].clone()
}

#[tokio::test]
async fn text_becomes_what_the_field_wants() {
    let app = TestApp::spawn().await;
    for (field, written, read) in [
        ("Number", json!("1,234.5"), json!(1234.5)),
        ("Percent", json!("12.3%"), json!(0.123)),
        ("Price", json!("$5"), json!(5)),
        ("Length", json!("1:30:00"), json!(5400)),
        ("Stars", json!("4"), json!(4)),
        ("Done", json!("true"), json!(true)),
        ("Done", json!("checked"), json!(true)),
        ("Done", json!("no"), Value::Null),
        ("Name", json!(12), json!("12")),
        ("Name", json!(true), json!("true")),
        ("Day", json!("March 14, 2024"), json!("2024-03-14")),
        ("When", json!("3/14/2024 9:26"), json!("2024-03-14T09:26:00.000Z")),
        ("Tags", json!("red, green"), json!(["red", "green"])),
        ("Tags", json!("\"a, b\""), json!(["a, b"])),
        ("Code", json!("123"), json!({"text": "123"})),
        (
            "Person",
            json!("grace@example.com"),
            json!({"id": "usrGrace000000002", "email": "grace@example.com", "name": "Grace"}),
        ),
        (
            "Person",
            json!("Grace"),
            json!({"id": "usrGrace000000002", "email": "grace@example.com", "name": "Grace"}),
        ),
        ("Others", json!(rec(1001)), json!([rec(1001)])),
        ("Tags", json!(2024), json!(["2024"])),
        ("Others", json!({"id": rec(1001)}), json!([rec(1001)])),
        ("Others", json!("Other 2"), json!([rec(1002)])),
        ("Others", json!(["Other 3", rec(1001)]), json!([rec(1003), rec(1001)])),
        ("Number", json!(""), Value::Null),
        ("Status", json!(""), Value::Null),
    ] {
        assert_eq!(cast(&app, field, &written).await, read, "{field} {written}");
    }
}

#[tokio::test]
async fn what_cannot_be_parsed_is_quoted() {
    let app = TestApp::spawn().await;
    for (field, value) in
        [("Number", "twelve"), ("Day", "soon"), ("Stars", "9"), ("Done", "perhaps"), ("Person", "Nobody")]
    {
        let body = json!({"fields": {field: value}, "typecast": true});
        let message =
            app.post(&format!("/v0/{BASE}/Things"), body).await.refused(422, "INVALID_VALUE_FOR_COLUMN");
        assert_eq!(message, format!("Cannot parse value \"{value}\" for field {field}"));
    }
}

#[tokio::test]
async fn missing_choices_are_created_once_and_appear_in_the_schema() {
    let app = TestApp::spawn().await;
    let records = json!([
        {"fields": {"Status": "New", "Tags": ["new", "red"]}},
        {"fields": {"Status": "New", "Tags": ["newer", "new"]}},
    ]);
    let created =
        app.post(&format!("/v0/{BASE}/Things"), json!({"records": records, "typecast": true})).await.ok();
    assert_eq!(created["records"][1]["fields"]["Tags"], json!(["newer", "new"]));
    let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    let choices = |index: usize| {
        let choices = schema["tables"][0]["fields"][index]["options"]["choices"].as_array().unwrap().clone();
        choices.into_iter().map(|choice| choice["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(choices(9), ["Todo", "Doing", "Done", "New"]);
    assert_eq!(choices(10), ["red", "green", "a, b", "new", "newer"]);
    let new = &schema["tables"][0]["fields"][9]["options"]["choices"][3];
    assert!(new["id"].as_str().unwrap().starts_with("sel") && new["color"] == "greenLight2", "{new}");
    app.create("Things", json!({"Status": "New"})).await;
}

#[tokio::test]
async fn missing_linked_records_are_created_once() {
    let app = TestApp::spawn().await;
    let records =
        json!([{"fields": {"Others": ["Brand new", "Other 1"]}}, {"fields": {"Others": "Brand new"}}]);
    let created =
        app.post(&format!("/v0/{BASE}/Things"), json!({"records": records, "typecast": true})).await.ok();
    let first = &created["records"][0];
    assert_eq!(first["fields"]["Other names"], json!(["Brand new", "Other 1"]));
    let new = first["fields"]["Others"][0].as_str().unwrap();
    assert_eq!(created["records"][1]["fields"]["Others"], json!([new]));
    let cells = app.cells("tblOthers00000002", new).await;
    assert_eq!(cells["Name"], "Brand new");
    assert_eq!(cells["Things"], json!([first["id"], created["records"][1]["id"]]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[0-9/.:, TZ+%$-]{0,24}",
        "\\PC{0,8}",
        "(Mar|14|3|2024|th|,| |/|:|pm|é){0,7}",
        Just("rec00000000001001".to_owned()),
        Just("\"a, b\", red".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("id|email|text|type|url|name", inner, 0..3)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// One emulator a case, and every field gets every value.
    #[test]
    fn any_value_in_any_field_is_taken_or_refused_in_airtables_way(values in prop::collection::vec(any_json(), 6), typecast: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = TestApp::spawn().await;
            let schema = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
            for field in schema["tables"][0]["fields"].as_array().unwrap() {
                let name = field["name"].as_str().unwrap();
                for value in &values {
                    let body = json!({"fields": {name: value}, "typecast": typecast});
                    let answer = app.post(&format!("/v0/{BASE}/Things"), body).await;
                    assert!(matches!(answer.status, 200 | 403 | 422 | 501), "{name} {value}: {answer:?}");
                    if answer.status == 200 {
                        let id = answer.body["id"].as_str().unwrap();
                        let read = app.get(&format!("/v0/{BASE}/Things/{id}")).await.ok();
                        assert_eq!(read, answer.body);
                        // What was read can be written again, and is the same then.
                        let cell = &read["fields"][name];
                        let again = app.patch(&format!("/v0/{BASE}/Things/{id}"), json!({"fields": {name: cell}})).await;
                        if again.status != 422 {
                            assert_eq!(&again.ok()["fields"][name], cell, "{name}");
                        }
                    }
                }
            }
            for table in ["Things", "tblOthers00000002"] {
                let query = "cellFormat=string&timeZone=Asia%2FTokyo&userLocale=ja";
                app.get(&format!("/v0/{BASE}/{table}?{query}")).await.ok();
                for field in ["Name", "Number", "Day", "Tags", "Others", "Changed"] {
                    app.get(&format!("/v0/{BASE}/Things?sort[0][field]={field}")).await.ok();
                }
            }
        });
    }
}

/// Counting what is planned already, once for each name, took minutes for this.
#[tokio::test]
async fn a_hundred_thousand_new_names_take_no_longer_than_they_must() {
    let app = TestApp::spawn().await;
    let names: Vec<String> = (0..100_000).map(|n| format!("name {n}")).collect();
    let started = std::time::Instant::now();
    let tags = cast(&app, "Tags", &json!(names)).await;
    let others = cast(&app, "Others", &json!(names)).await;
    assert_eq!((tags.as_array().unwrap().len(), others.as_array().unwrap().len()), (100_000, 100_000));
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
}
