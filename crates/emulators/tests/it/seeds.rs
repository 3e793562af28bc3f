//! Seed files: what is kept, what is filled in, and how problems are told.

use emulators::airtable::Seed;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{FULL, TestApp, rec, seed};

fn problems(seed: &Value) -> Vec<String> {
    let error = Seed::from_json(seed.to_string().as_bytes()).unwrap_err();
    error.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn every_problem_is_told_with_its_path() {
    let seed = json!({
        "bases": [{
            "id": "appX", "name": "", "permissionLevel": "owner",
            "tables": [{
                "id": "tbl00000000000001", "name": "T", "primaryFieldId": "fld00000000000009",
                "fields": [
                    {"id": "fld00000000000001", "name": "A", "type": "singleLineTxt"},
                    {"id": "fld00000000000002", "name": "A", "type": "number", "options": {"precision": 20}},
                    {"id": "fld00000000000003", "name": "L", "type": "multipleRecordLinks", "options": {"linkedTableId": "tbl00000000000009"}},
                    {"id": "fld00000000000004", "name": "F", "type": "formula", "options": {"formula": "{Nope} +"}},
                    {"id": "fld00000000000005", "name": "C", "type": "count", "options": {"recordLinkFieldId": "fld00000000000001"}},
                    {"id": "fld00000000000006", "name": "G", "type": "formula", "options": {"formula": "{H}"}},
                    {"id": "fld00000000000007", "name": "H", "type": "formula", "options": {"formula": "{G}"}},
                    {"id": "fld00000000000008", "name": "S", "type": "singleSelect", "options": {"choices": [{"name": "x"}, {"name": "x"}, {}]}},
                ],
                "views": [{"id": "viw1", "name": "V", "type": "sheet"}],
                "records": [
                    {"id": "rec1", "fields": {"A": "x"}},
                    {"id": "rec00000000000001", "createdTime": "yesterday", "fields": {"Nope": 1, "S": "y"}},
                    {"id": "rec00000000000001", "fields": {}},
                    {"id": "rec00000000000002", "fields": {"L": ["rec00000000000009"], "A": "1"}, "extra": true},
                    7,
                ],
            }],
        }],
        "users": [{"id": "ada"}],
        "tokens": [{"token": "t", "scopes": ["data.records:reed"], "bases": ["app00000000000001"], "user": "nobody"}],
        "limits": {"requestsPerSecondPerBase": 0, "penalty": 3},
        "extra": 1,
    });
    let problems = problems(&seed);
    for expected in [
        "extra: is not known here",
        "users[0].id: \"ada\" is not usr and 14 letters or digits",
        "bases[0].id: \"appX\" is not app and 14 letters or digits",
        "bases[0].name: must not be empty",
        "bases[0].permissionLevel: \"owner\" is none of",
        "bases[0].tables[0].primaryFieldId: the table has no field",
        "bases[0].tables[0].fields[0].type: \"singleLineTxt\" is no field type",
        "bases[0].tables[0].fields[1].name: another field is called \"A\"",
        "bases[0].tables[0].fields[1].options.precision: must be a whole number from 0 to 8",
        "bases[0].tables[0].fields[2].options.linkedTableId: the base has no table",
        "bases[0].tables[0].fields[3].options.formula: ",
        "bases[0].tables[0].fields[4].options.recordLinkFieldId: names a field that is not multipleRecordLinks",
        "bases[0].tables[0].fields[5]: depends on itself",
        "bases[0].tables[0].fields[6]: depends on itself",
        "bases[0].tables[0].fields[7].options.choices[1].name: another choice",
        "bases[0].tables[0].fields[7].options.choices[2]: must be an object with a name",
        "bases[0].tables[0].views[0].id: \"viw1\" is not",
        "bases[0].tables[0].views[0].type: \"sheet\" is none of",
        "bases[0].tables[0].records[0].id: \"rec1\" is not rec",
        "bases[0].tables[0].records[1].createdTime: \"yesterday\" is not an ISO date",
        "bases[0].tables[0].records[1].fields[\"Nope\"]: the table has no such field",
        "bases[0].tables[0].records[1].fields[\"S\"]: \"y\" is not among the field's choices",
        "bases[0].tables[0].records[2].id: rec00000000000001 is already the id of another record",
        "bases[0].tables[0].records[3].fields[\"L\"][0]: the linked table has no record rec00000000000009",
        "bases[0].tables[0].records[3].extra: is not known here",
        "bases[0].tables[0].records[4]: must be an object",
        "tokens[0].scopes[0]: \"data.records:reed\" is no scope",
        "tokens[0].bases[0]: there is no base",
        "tokens[0].user: there is no user \"nobody\"",
        "limits.requestsPerSecondPerBase: must be a whole number above 0",
        "limits.penalty: is not known here",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected}\n{problems:#?}");
    }
}

#[test]
fn a_key_that_nobody_would_read_is_told_wherever_it_stands() {
    let seed = json!({
        "bases": [{"name": "B", "tabels": [], "tables": [{
            "name": "T", "recrods": [], "dateDependencySettings": {"isEnabled": false},
            "fields": [
                {"id": "fldA0000000000001", "name": "A", "type": "singleLineText", "optoins": {}},
                {"name": "S", "type": "singleSelect", "options": {"choices": [
                    {"id": "selA0000000000001", "name": "x"}, {"id": "selA0000000000001", "name": "y"},
                ]}},
            ],
            "views": [{"name": "V", "kind": "grid", "visibleFieldIds": ["fldA0000000000001", "fldB0000000000001", "A"]}],
        }]}],
        "limits": {"penaltySeconds": 1e18},
    });
    let problems = problems(&seed);
    let expected = [
        "bases[0].tabels: is not known here",
        "bases[0].tables[0].recrods: is not known here",
        "bases[0].tables[0].fields[0].optoins: is not known here",
        "bases[0].tables[0].fields[1].options.choices[1].id: selA0000000000001 is already",
        "bases[0].tables[0].views[0].kind: is not known here",
        "bases[0].tables[0].views[0].visibleFieldIds[1]: the table has no field",
        "bases[0].tables[0].views[0].visibleFieldIds[2]: the table has no field",
        "limits.penaltySeconds: must be a number of seconds, from 0 to a year",
    ];
    for expected in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected}\n{problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn a_byte_order_mark_before_a_seed_is_passed_over() {
    assert!(Seed::from_json("\u{feff}{\"bases\": []}".as_bytes()).is_ok());
}

#[test]
fn what_is_not_json_is_told_with_line_and_column() {
    let error = Seed::from_json(b"{\"bases\": [}").unwrap_err();
    assert!(error.to_string().contains("line 1 column 12"), "{error}");
    assert!(Seed::from_json(b"\xff").is_err());
    assert!(Seed::from_json(b"[]").is_err());
}

#[tokio::test]
async fn ids_are_kept_and_links_completed_from_either_side() {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = json!([
        {"id": rec(1), "createdTime": "2020-01-02T03:04:05.000Z", "fields": {"Name": "a", "Others": [rec(2002)]}},
        {"id": rec(2), "fields": {"Name": "b", "Auto": 40, "Creator": {"id": "usrNew00000000009", "name": "New"}}},
        {"id": rec(3), "fields": {"Note on AI": {"state": "generated", "isStale": false, "value": "x"}}},
    ]);
    seed["bases"][0]["tables"][1]["records"] = json!([
        {"id": rec(2001), "fields": {"Things": [rec(2), rec(1)]}},
        {"id": rec(2002), "fields": {}},
    ]);
    let app = TestApp::with_seed(&seed).await;
    let first = app.get(&format!("/v0/appTest0000000001/Things/{}", rec(1))).await.ok();
    assert_eq!(first["createdTime"], "2020-01-02T03:04:05.000Z");
    assert_eq!(first["fields"]["Others"], json!([rec(2002), rec(2001)]));
    assert_eq!(app.cells("tblOthers00000002", &rec(2002)).await["Things"], json!([rec(1)]));
    let second = app.cells("Things", &rec(2)).await;
    assert_eq!((&second["Auto"], &second["Creator"]["name"]), (&json!(40), &json!("New")));
    let third = app.cells("Things", &rec(3)).await;
    assert_eq!((&third["Auto"], &third["Note on AI"]["value"]), (&json!(41), &json!("x")));
}

#[tokio::test]
async fn a_seed_may_be_short() {
    let short = json!({
        "users": [{}],
        "tokens": [{"token": FULL, "scopes": ["data.records:read", "data.records:write", "schema.bases:read"], "bases": "*"}],
        "bases": [{"name": "Short", "tables": [{"name": "T", "fields": [
            {"name": "Name", "type": "singleLineText"}, {"name": "N", "type": "number"}, {"name": "D", "type": "dateTime"},
            {"name": "S", "type": "singleSelect"}, {"name": "R", "type": "rating"}, {"name": "C", "type": "checkbox"},
        ], "records": [{"fields": {"Name": "x"}}]}]}],
    });
    let app = TestApp::with_seed(&short).await;
    let base = app.get("/v0/meta/bases").await.ok()["bases"][0]["id"].as_str().unwrap().to_owned();
    let schema = app.get(&format!("/v0/meta/bases/{base}/tables")).await.ok();
    assert_eq!(schema["tables"][0]["fields"][4]["options"]["max"], 5);
    assert_eq!(schema["tables"][0]["views"][0]["name"], "Grid view");
    assert_eq!(app.get(&format!("/v0/{base}/T")).await.ok()["records"][0]["fields"], json!({"Name": "x"}));
}

#[test]
fn attachments_are_served_as_seeded() {
    let mut seed = seed();
    let file = json!([{"id": "att00000000000001", "url": "https://example.com/a.png", "filename": "a.png", "size": 7}]);
    seed["bases"][0]["tables"][0]["records"] = json!([{"id": rec(1), "fields": {"Files": file}}]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = TestApp::with_seed(&seed).await;
        assert_eq!(app.cells("Things", &rec(1)).await["Files"], file);
        let target = format!("/v0/appTest0000000001/Things/{}", rec(1));
        let kept = json!({"fields": {"Files": [{"id": "att00000000000001"}]}});
        assert_eq!(app.patch(&target, kept).await.ok()["fields"]["Files"], file);
        let foreign = json!({"fields": {"Files": [{"id": "att00000000000009"}]}});
        app.patch(&target, foreign).await.refused(422, "INVALID_ATTACHMENT_OBJECT");
    });
}

/// Each formula adds one to the one before it.
fn with_chain(length: usize) -> Value {
    let mut seed = seed();
    let fields = seed["bases"][0]["tables"][1]["fields"].as_array_mut().unwrap();
    for n in 0..length {
        let before = if n == 0 { "Weight".to_owned() } else { format!("F{}", n - 1) };
        let formula = format!("{{{before}}} + 1");
        fields.push(json!({"name": format!("F{n}"), "type": "formula", "options": {"formula": formula}}));
    }
    seed
}

#[tokio::test]
async fn formulas_may_stand_on_a_hundred_others_and_not_on_more() {
    let app = TestApp::with_seed(&with_chain(100)).await;
    assert_eq!(app.cells("tblOthers00000002", &rec(1001)).await["F99"], 101);
    let problems = problems(&with_chain(101));
    assert_eq!(
        problems,
        ["bases[0].tables[1].fields[105]: depends on too many other computed fields in a row"]
    );
}

#[tokio::test]
async fn formulas_that_name_one_another_often_cost_each_once() {
    let mut seed = with_chain(60);
    for field in seed["bases"][0]["tables"][1]["fields"].as_array_mut().unwrap() {
        if let Some(formula) = field["options"]["formula"].as_str() {
            let name = formula.trim_end_matches(" + 1").to_owned();
            field["options"]["formula"] = format!("{name} + {name} * 0 + 1").into();
        }
    }
    let app = TestApp::with_seed(&seed).await;
    assert_eq!(app.cells("tblOthers00000002", &rec(1001)).await["F59"], 61);
}

/// The places of all values in a JSON document, as pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), found));
        }
        Value::Object(object) => object.iter().for_each(|(key, item)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            pointers(item, &format!("{at}/{key}"), found);
        }),
        _ => {}
    }
}

/// A seed with records in it, of which one value is replaced by another.
fn damaged() -> impl Strategy<Value = Value> {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = json!([
        {"id": rec(1), "createdTime": "2020-01-02T03:04:05.000Z", "fields": {"Name": "a", "Others": [rec(1001)], "Tags": ["red"],
         "Person": {"id": "usrAda00000000001"}, "Day": "2024-01-01", "Number": 1, "Files": [{"url": "https://example.com/a.png"}]}},
    ]);
    let mut places = Vec::new();
    pointers(&seed, "", &mut places);
    let values = [
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!("x"),
        json!(7),
        json!(-0.5),
        json!(true),
        json!([[]]),
        json!(rec(1001)),
        json!(super::support::id("fld", 16)),
        json!(super::support::id("fld", 20)),
        json!("formula"),
        json!("multipleRecordLinks"),
        json!("{Other names} & {Double}"),
        json!(super::support::THINGS),
    ];
    (0..places.len(), 0..values.len()).prop_map(move |(place, value)| {
        let mut seed = seed.clone();
        if let Some(target) = seed.pointer_mut(&places[place]) {
            *target = values[value].clone();
        }
        seed
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_seed_is_served_or_its_problems_are_told(seed in damaged()) {
        match Seed::from_json(seed.to_string().as_bytes()) {
            Err(error) => assert!(!error.problems().is_empty()),
            Ok(parsed) if parsed.has_tokens() => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let app = TestApp::with_seed(&seed).await;
                    for base in seed["bases"].as_array().into_iter().flatten() {
                        for table in base["tables"].as_array().into_iter().flatten() {
                            let (Some(base), Some(table)) = (base["id"].as_str(), table["id"].as_str()) else { continue };
                            for query in ["", "cellFormat=string&timeZone=utc&userLocale=de"] {
                                let status = app.get(&format!("/v0/{base}/{table}?{query}")).await.status;
                                assert!(matches!(status, 200 | 401 | 403 | 429), "{status}");
                            }
                        }
                    }
                });
            }
            Ok(_) => {}
        }
    }
}
