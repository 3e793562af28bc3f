//! Seeds that are written out: they read back as what they were, and are written the same again. So does the state of a running
//! emulator.

use emulators::airtable::Seed;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::process;
use super::support::{BASE, FULL, TestApp, id, rec, seed};

fn written(seed: &Seed) -> String {
    let mut bytes = Vec::new();
    seed.write_json(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn read(text: &str) -> Seed {
    Seed::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Writes a seed, reads it, and checks that it is written the same again.
#[track_caller]
fn round_trip(seed: &Value) -> String {
    let first = written(&read(&seed.to_string()));
    assert_eq!(written(&read(&first)), first);
    first
}

#[test]
fn the_sample_is_written_the_same_again_and_each_record_on_a_line() {
    let first = written(&Seed::sample().with_full_token("patTest.secret"));
    assert_eq!(written(&read(&first)), first);
    assert!(!first.contains("patTest.secret"), "that token is nobody else's");
    let records = first.lines().filter(|line| line.starts_with("{\"id\":\"rec")).count();
    assert_eq!(records, Seed::sample().record_count());
}

/// A record with a past of its own.
fn remembered() -> Value {
    let mut seed = seed();
    let scopes = json!(["data.recordComments:read", "data.recordComments:write"]);
    let commenter = json!({"token": COMMENTER, "bases": "*", "user": "usrAda00000000001", "scopes": scopes});
    seed["tokens"].as_array_mut().unwrap().push(commenter);
    seed["bases"][0]["tables"][0]["lastNumber"] = json!(90);
    seed["bases"][0]["tables"][0]["records"] = json!([
        {"id": rec(1), "createdTime": "2024-01-02T03:04:05.678Z", "number": 7,
         "fields": {"Name": "a", "Number": 1, "Others": [rec(1003), rec(1001)]},
         "history": {"createdBy": "grace@example.com", "modifiedBy": "usrAda00000000001",
                     "modifiedTime": "2024-02-04T04:05:06.000Z", "edits": {"Number": "2024-02-03T04:05:06.000Z"}},
         "comments": [
            {"id": id("com", 9), "author": "usrAda00000000001", "text": "first, @[usrGrace000000002]",
             "createdTime": "2024-03-01T00:00:00.123Z", "lastUpdatedTime": "2024-03-02T00:00:00.000Z"},
            {"id": id("com", 3), "author": "grace@example.com", "text": "second",
             "createdTime": "2024-03-03T00:00:00.000Z", "parentCommentId": id("com", 9)},
         ]},
        {"id": rec(2), "fields": {"Name": "b", "Others": [rec(1001)]}, "history": {"createdBy": null, "modifiedTime": null}},
        {"id": rec(3), "fields": {}, "number": 50},
    ]);
    seed
}

#[tokio::test]
async fn a_seed_tells_who_made_and_changed_a_record_its_number_and_its_comments() {
    let app = TestApp::with_seed(&remembered()).await;
    let first = app.cells("Things", &rec(1)).await;
    assert_eq!((&first["Auto"], &first["Creator"]["name"]), (&json!(7), &json!("Grace")));
    assert_eq!(first["Changer"]["name"], "Ada");
    assert_eq!(first["Changed"], "2024-02-04T04:05:06.000Z");
    assert_eq!(first["Number changed"], "2024-02-03T04:05:06.000Z");
    let second = app.cells("Things", &rec(2)).await;
    assert_eq!(
        (&second["Creator"], &second["Changed"], &second["Auto"]),
        (&Value::Null, &Value::Null, &json!(8))
    );
    let third = app.cells("Things", &rec(3)).await;
    assert_eq!(
        (&third["Changed"], &third["Changer"], &third["Auto"]),
        (&Value::Null, &Value::Null, &json!(50))
    );
    let next = app.create("Things", json!({})).await;
    assert_eq!(
        app.cells("Things", &next).await["Auto"],
        91,
        "numbers of records that are gone are not given again"
    );
}

#[test]
fn what_a_seed_remembers_is_written_the_same_again() {
    let first = round_trip(&remembered());
    for kept in [
        r#""lastNumber":90"#,
        r#""number":7"#,
        r#""number":50"#,
        r#""createdBy":"usrGrace000000002","modifiedBy":"usrAda00000000001","modifiedTime":"2024-02-04T04:05:06.000Z""#,
        r#""createdBy":null"#,
        r#""modifiedTime":null"#,
        r#""lastUpdatedTime":"2024-03-02T00:00:00.000Z""#,
        r#""parentCommentId":"com00000000000009""#,
    ] {
        assert!(first.contains(kept), "{kept}\n{first}");
    }
    assert_eq!(
        first.matches(&rec(1003)).count(),
        2,
        "a link stands on one side: the record itself, and one cell"
    );
}

#[test]
fn links_keep_the_order_of_both_sides() {
    let mut seed = seed();
    let others = &mut seed["bases"][0]["tables"][1]["records"];
    others[0]["fields"]["Things"] = json!([rec(3), rec(1), rec(2)]); // not the order of their creation
    others[1]["fields"]["Things"] = json!([rec(1), rec(2)]);
    others[2]["fields"]["Parent"] = json!([rec(1003), rec(1001)]);
    seed["bases"][0]["tables"][0]["records"] = (1..=3).map(|n| json!({"id": rec(n)})).collect();
    let first = round_trip(&seed);
    let own_order = json!({id("fld", 102): [rec(3), rec(1), rec(2)]}).to_string();
    assert!(first.contains(own_order.trim_matches(['{', '}'])), "{first}");
    let key = format!("\"{}\":", id("fld", 102));
    assert_eq!(first.matches(&key).count(), 1, "the other cells are in the order of their records");
}

#[test]
fn what_is_wrong_in_history_and_comments_is_told_with_its_path() {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["lastNumber"] = json!("x");
    seed["bases"][0]["tables"][0]["records"] = json!([
        {"number": 0, "history": {"createdBy": "nobody", "modifiedTime": "yesterday", "made": 1,
                                  "edits": {"Nope": "2024-01-01", "Name": 3}}},
        {"history": 1, "comments": [
            {"text": "x"}, {"author": "usrAda00000000001", "text": ""}, 5,
            {"id": "com1", "author": "usrAda00000000001", "text": "x", "likes": 1, "createdTime": 4},
            {"id": id("com", 1), "author": "usrAda00000000001", "text": "x", "parentCommentId": "com2"},
            {"id": id("com", 1), "author": "usrAda00000000001", "text": "x"},
        ]},
        {"comments": {}},
    ]);
    let error = Seed::from_json(seed.to_string().as_bytes()).unwrap_err();
    let problems: Vec<_> =
        error.problems().iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
    let at = "bases[0].tables[0].";
    let expected = [
        "lastNumber: must be a whole number from 1 to 2147483647",
        "records[0].number: must be a whole number from 1 to 2147483647",
        "records[0].history.createdBy: must be the id or e-mail address",
        "records[0].history.modifiedTime: must be an ISO date",
        "records[0].history.made: is not known here",
        "records[0].history.edits[\"Nope\"]: the table has no such field",
        "records[0].history.edits[\"Name\"]: must be an ISO date",
        "records[1].history: must be an object",
        "records[1].comments[0].author: is missing",
        "records[1].comments[1].text: must be a text that is not empty",
        "records[1].comments[2]: must be an object",
        "records[1].comments[3].id: \"com1\" is not com",
        "records[1].comments[3].likes: is not known here",
        "records[1].comments[3].createdTime: must be an ISO date",
        "records[1].comments[4].parentCommentId: must be com and 14 letters or digits",
        "records[1].comments[5].id: com00000000000001 is already",
        "records[2].comments: must be an array",
    ];
    for expected in expected {
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("{at}{expected}"))),
            "{expected}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[tokio::test]
async fn times_of_fields_that_share_some_are_all_kept() {
    let mut seed = seed();
    let things = &mut seed["bases"][0]["tables"][0];
    let watching = |n: usize, name: &str, fields: &[usize]| {
        json!({"id": id("fld", n), "name": name, "type": "lastModifiedTime",
        "options": {"referencedFieldIds": fields.iter().map(|n| id("fld", *n)).collect::<Vec<_>>()}})
    };
    things["fields"].as_array_mut().unwrap().push(watching(61, "Name or number", &[1, 4]));
    things["fields"].as_array_mut().unwrap().push(watching(62, "Number or price", &[4, 6]));
    things["records"] = json!([{"id": rec(1), "createdTime": "2024-01-01T00:00:00.000Z", "fields": {
        "Name": "a", "Number": 1, "Price": 2,
        "Name or number": "2024-01-02T00:00:00.000Z", "Number or price": "2024-01-05T00:00:00.000Z",
        "Number changed": "2024-01-01T12:00:00.000Z",
    }}]);
    let app = TestApp::with_seed(&seed).await;
    let cells = app.cells("Things", &rec(1)).await;
    assert_eq!(cells["Name or number"], "2024-01-02T00:00:00.000Z");
    assert_eq!(cells["Number or price"], "2024-01-05T00:00:00.000Z");
    assert_eq!(cells["Number changed"], "2024-01-01T12:00:00.000Z");
    assert_eq!(cells["Changed"], "2024-01-05T00:00:00.000Z", "the latest of them");
}

/// Any cell of a field of the table of all types, or none.
fn cell(field: usize) -> BoxedStrategy<Value> {
    let text = || any::<String>().prop_map(Value::from);
    let time = (0_i64..4_000_000_000_000).prop_map(|millis| {
        let time = jiff::Timestamp::from_millisecond(millis).unwrap();
        Value::from(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
    });
    match field {
        1..=3 => text().boxed(),
        4..=7 => prop_oneof![
            any::<f64>().prop_filter("JSON has no other", |number| number.is_finite()).prop_map(Value::from),
            any::<i32>().prop_map(Value::from)
        ]
        .boxed(),
        8 => (0..=5).prop_map(Value::from).boxed(),
        9 => any::<bool>().prop_map(Value::from).boxed(),
        10 => prop_oneof!["Todo", "Doing", "Done"].prop_map(Value::from).boxed(),
        11 => prop::sample::subsequence(vec!["red", "green", "a, b"], 0..=3)
            .prop_shuffle()
            .prop_map(Value::from)
            .boxed(),
        12 => (0..20_000_i32)
            .prop_map(|day| {
                let day = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
                Value::from(day.to_string())
            })
            .boxed(),
        13 | 14 => time.boxed(),
        15 => any::<String>()
            .prop_map(|name| json!([{"url": "https://example.com/a", "filename": name, "size": 7}]))
            .boxed(),
        16 => prop::sample::subsequence((1001..=1003).map(rec).collect::<Vec<_>>(), 0..=3)
            .prop_shuffle()
            .prop_map(Value::from)
            .boxed(),
        17 => Just(json!({"id": "usrGrace000000002"})).boxed(),
        18 => Just(json!([{"id": "usrGrace000000002"}, {"email": "ada@example.com"}])).boxed(),
        19 => any::<String>()
            .prop_filter("no text is no barcode", |text| !text.is_empty())
            .prop_map(|text| json!({"text": text, "type": "ean13"}))
            .boxed(),
        _ => text().prop_map(|text| json!({"state": "generated", "isStale": false, "value": text})).boxed(),
    }
}

fn record() -> impl Strategy<Value = Value> {
    let cells: Vec<_> = (1..=19)
        .chain([32])
        .map(|field| prop::option::of(cell(field).prop_map(move |cell| (field, cell))))
        .collect();
    (cells, prop::option::of(1..500_u32), any::<bool>(), 0..2_000_000_000_i64).prop_map(
        |(cells, number, by_grace, created)| {
            let cells: serde_json::Map<_, _> =
                cells.into_iter().flatten().map(|(field, cell)| (id("fld", field), cell)).collect();
            let created = jiff::Timestamp::from_second(created).unwrap().to_string();
            let mut record = json!({"fields": cells, "createdTime": created});
            if let Some(number) = number {
                record["number"] = number.into();
            }
            if by_grace {
                record["history"] = json!({"createdBy": "usrGrace000000002"});
            }
            record
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_are_written_the_same_again(records in prop::collection::vec(record(), 0..8)) {
        let mut seed = seed();
        seed["bases"][0]["tables"][0]["records"] = records.into_iter().enumerate().map(|(n, mut record)| {
            record["id"] = rec(n).into();
            record
        }).collect();
        round_trip(&seed);
    }
}

#[test]
fn all_bases_of_a_seed_are_written_with_its_tokens() {
    let first = round_trip(&seed());
    assert!(first.contains(BASE) && first.contains("patSchemaOnly") && first.contains("appNone0000000004"));
}

const COMMENTER: &str = "patCommenter.y";

const SNAPSHOT: &str = "/__emulator/snapshot";

/// Everything that the API shows of a base, or of as many pages of it as there are.
pub(crate) async fn seen(app: &TestApp, base: &str) -> Vec<Value> {
    let mut seen = vec![app.get("/v0/meta/bases").await.ok()];
    let schema = app.get(&format!("/v0/meta/bases/{base}/tables?include[]=visibleFieldIds")).await.ok();
    for table in schema["tables"].as_array().unwrap() {
        let views = table["views"].as_array().unwrap().iter().filter(|view| view["type"] == "grid");
        let views: Vec<_> = views.map(|view| format!("&view={}", view["id"].as_str().unwrap())).collect();
        let ways = std::iter::once(String::new()).chain(views);
        for way in ways.chain(["&cellFormat=string&timeZone=Europe/Zurich&userLocale=de".to_owned()]) {
            let mut offset = String::new();
            loop {
                let target = format!(
                    "/v0/{base}/{}?recordMetadata[]=commentCount{way}{offset}",
                    table["id"].as_str().unwrap()
                );
                let mut page = app.get(&target).await.ok();
                let next = page.as_object_mut().unwrap().remove("offset");
                for record in page["records"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|record| record["commentCount"] != Value::Null)
                {
                    let comments = format!(
                        "/v0/{base}/{}/{}/comments",
                        table["id"].as_str().unwrap(),
                        record["id"].as_str().unwrap()
                    );
                    seen.push(app.call_as(COMMENTER, "GET", &comments, None).await.ok());
                }
                seen.push(page);
                match next {
                    Some(next) => offset = format!("&offset={}", next.as_str().unwrap().replace('/', "%2F")),
                    None => break,
                }
            }
        }
    }
    seen.push(schema);
    seen
}

/// Tells the first record, comment or table that differs.
#[track_caller]
fn same(seen: &[Value], before: &[Value]) {
    assert_eq!(seen.len(), before.len());
    for (seen, before) in seen.iter().zip(before) {
        for key in ["records", "tables", "comments"] {
            let all = |page: &Value| page[key].as_array().cloned().unwrap_or_default();
            all(seen).iter().zip(&all(before)).for_each(|(seen, before)| assert_eq!(seen, before));
        }
        assert_eq!(seen, before);
    }
}

/// The snapshot, byte for byte.
async fn taken(app: &TestApp) -> String {
    app.text("GET", SNAPSHOT, "").await
}

#[tokio::test]
async fn a_snapshot_that_is_put_back_gives_the_same_answers_and_the_same_snapshot() {
    let app = TestApp::with_seed(&remembered()).await;
    let things = format!("/v0/{BASE}/Things");
    let one = app.create("Things", json!({"Name": "one", "Number": 1.5, "Others": [rec(1002)]})).await;
    app.patch(&format!("{things}/{one}"), json!({"fields": {"Number": 2}})).await.ok();
    app.delete(&format!("{things}/{}", rec(3))).await.ok();
    let comment = json!({"text": "hello @[grace@example.com]"});
    let comments = format!("{things}/{one}/comments");
    app.call_as(COMMENTER, "POST", &comments, Some(comment)).await.ok();
    let (before, snapshot) = (seen(&app, BASE).await, taken(&app).await);

    // Whatever happens in between is undone.
    app.post(&things, json!({"typecast": true, "fields": {"Status": "Unheard of", "Others": ["new one"]}}))
        .await
        .ok();
    let field = json!({"name": "Late", "type": "singleLineText"});
    app.post(&format!("/v0/meta/bases/{BASE}/tables/{}/fields", "Things"), field).await.ok();
    assert_ne!(taken(&app).await, snapshot);
    let put = app.text("PUT", SNAPSHOT, &snapshot).await;
    assert_eq!(serde_json::from_str::<Value>(&put).unwrap()["bases"], 4, "{put}");
    assert_eq!(taken(&app).await, snapshot);
    same(&seen(&app, BASE).await, &before);

    let other = TestApp::with_seed(&serde_json::from_str(&snapshot).unwrap()).await;
    same(&seen(&other, BASE).await, &before); // as the seed of another emulator, too
    let next = other.create("Things", json!({})).await;
    let again = app.create("Things", json!({})).await;
    assert_eq!(other.cells("Things", &next).await["Auto"], app.cells("Things", &again).await["Auto"]);
}

#[tokio::test]
async fn a_bad_snapshot_is_refused_with_all_its_problems_and_changes_nothing() {
    let app = TestApp::spawn().await;
    let before = taken(&app).await;
    let mut bad = seed();
    bad["bases"][0]["name"] = json!("");
    bad["bases"][0]["tables"][0]["records"] = json!([{"fields": {"Nope": 1}}]);
    let answer = app.put(SNAPSHOT, bad).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let pointers: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, [json!("bases[0].name"), json!("bases[0].tables[0].records[0].fields[\"Nope\"]")]);
    for nonsense in ["", "{", "[]", "null", "\"x\""] {
        let answer =
            app.raw("PUT", SNAPSHOT, "Content-Type: application/json\r\n", nonsense.as_bytes()).await;
        assert_eq!(answer.status, 422, "{nonsense}");
    }
    assert_eq!(taken(&app).await, before);
}

#[tokio::test]
async fn tokens_and_users_of_a_snapshot_take_the_place_of_those_before_but_for_the_operators_token() {
    let app = TestApp::with_full_token().await;
    let mut other = seed();
    other["tokens"] = json!([{"token": "patNew.y", "bases": "*", "user": "usrGrace000000002", "scopes": ["data.records:read"]}]);
    other["users"].as_array_mut().unwrap().reverse();
    app.text("PUT", SNAPSHOT, &other.to_string()).await;
    let me = |token: &'static str| app.call_as(token, "GET", "/v0/meta/whoami", None);
    assert_eq!(me(FULL).await.status, 401);
    assert_eq!(me("patNew.y").await.ok()["id"], "usrGrace000000002");
    assert_eq!(me(TestApp::OPERATOR).await.ok()["id"], "usrGrace000000002", "the first user");
    assert!(!taken(&app).await.contains(TestApp::OPERATOR));
    // No users: somebody has to be the operator's.
    app.text("PUT", SNAPSHOT, "{}").await;
    assert_eq!(me(TestApp::OPERATOR).await.status, 200);
    let (first, second) = (taken(&app).await, app.text("PUT", SNAPSHOT, &taken(&app).await).await);
    assert_eq!((taken(&app).await, second.contains("true")), (first, true));
}

#[tokio::test]
async fn numbers_of_a_seed_leave_room_for_more() {
    let mut seed = seed();
    seed["bases"][0]["tables"][0]["records"] = json!([{"number": 2_147_483_648_u32, "fields": {}}]);
    seed["bases"][0]["tables"][1]["lastNumber"] = json!(u32::MAX);
    let error = Seed::from_json(seed.to_string().as_bytes()).unwrap_err().to_string();
    for place in ["tables[0].records[0].number", "tables[1].lastNumber"] {
        let problem = format!("bases[0].{place}: must be a whole number from 1 to 2147483647");
        assert!(error.contains(&problem), "{error}");
    }
    seed["bases"][0]["tables"][0]["records"][0]["number"] = json!(2_147_483_647);
    seed["bases"][0]["tables"][1]["lastNumber"] = json!(2_147_483_647);
    let app = TestApp::with_seed(&seed).await;
    let new = app.create("Things", json!({})).await;
    assert_eq!(app.cells("Things", &new).await["Auto"], 2_147_483_648_u32);
}

#[tokio::test]
async fn limits_of_the_command_line_win_over_those_of_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--rate-per-base", "0", "--penalty-seconds", "1", "--retry-after-header"];
    let (_child, address, _) = process::start(dir.path(), &options);
    let app = TestApp::at(address.parse().unwrap());
    let mut other = seed();
    other["limits"] = json!({"requestsPerSecondPerBase": 3, "requestsPerSecondPerUser": 7});
    app.put(SNAPSHOT, other).await.ok();
    let limits = app.get("/__emulator/limits").await.ok();
    assert_eq!(limits["requestsPerSecondPerBase"], Value::Null);
    assert_eq!((&limits["penaltySeconds"], &limits["retryAfterHeader"]), (&json!(1), &json!(true)));
    assert_eq!(limits["requestsPerSecondPerUser"], 7, "nothing was said of it");
}

/// One change of the base, or an attempt at one: what it makes of these numbers, and whether it is carried out, does not matter.
async fn change(app: &TestApp, (what, one, other): (u8, usize, usize)) {
    let tables = ["Things", "tblOthers00000002"];
    let (table, linked) = (tables[one % 2], tables[(one + 1) % 2]);
    let target = |table: &str| format!("/v0/{BASE}/{table}");
    let ids = async |table: &str| -> Vec<String> {
        let page = app.get(&target(table)).await.ok();
        page["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let own = ids(table).await;
    let Some(record) = own.get(other % own.len().max(1)).cloned() else {
        app.create(table, json!({"Name": "again"})).await;
        return;
    };
    let path = format!("{}/{record}", target(table));
    match what {
        0 | 1 => drop(app.create(table, json!({"Name": format!("new {one}")})).await),
        2 => drop(app.delete(&path).await),
        3 => {
            let mut links = ids(linked).await;
            let places = links.len().max(1);
            links.rotate_left(one / 2 % places);
            links.truncate(other % 4);
            let field = if table == "Things" { "Others" } else { "Things" };
            app.patch(&path, json!({"fields": {field: links}})).await.ok();
        }
        4 => drop(app.patch(&path, json!({"fields": {"Name": format!("changed {other}")}})).await),
        5 if table == "Things" => {
            let fields = json!({"Number": other as f64 / 7.0, "Status": format!("State {}", other % 5), "Day": "2026-01-31",
                "Tags": ["red", format!("tag {}", one % 3)], "Others": [format!("named {}", one % 4)]});
            app.patch(&path, json!({"typecast": true, "fields": fields})).await.ok();
        }
        6 => drop(app.put(&path, json!({"fields": {"Name": null}})).await),
        7 => {
            let comment = json!({"text": format!("said {one} @[grace@example.com]")});
            app.call_as(COMMENTER, "POST", &format!("{path}/comments"), Some(comment)).await.ok();
        }
        8 => {
            let formula = json!({"formula": "LEN({Name}) & LAST_MODIFIED_TIME()"});
            let field = json!({"name": format!("Field {other}"), "type": "formula", "options": formula});
            app.post(&format!("/v0/meta/bases/{BASE}/tables/{table}/fields"), field).await;
        }
        _ => {
            let parents: Vec<String> =
                ids("tblOthers00000002").await.into_iter().rev().take(other % 3).collect();
            let records = json!([{"fields": {"Name": format!("n{}", other % 3), "Parent": parents}}]);
            let upsert = json!({"performUpsert": {"fieldsToMergeOn": ["Name"]}, "records": records});
            app.patch(&target("tblOthers00000002"), upsert).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn after_any_changes_a_snapshot_gives_the_same_answers_and_goes_on_in_the_same_way(
        changes in prop::collection::vec((0..10_u8, 0..1000_usize, 0..1000_usize), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = TestApp::with_seed(&remembered()).await;
            for wanted in changes {
                change(&app, wanted).await;
            }
            let (before, snapshot) = (seen(&app, BASE).await, taken(&app).await);
            let other = TestApp::with_seed(&serde_json::from_str(&snapshot).unwrap()).await;
            same(&seen(&other, BASE).await, &before);
            assert_eq!(taken(&other).await, snapshot);
            app.text("PUT", SNAPSHOT, &snapshot).await;
            same(&seen(&app, BASE).await, &before);
            let number = async |app: &TestApp| {
                let record = app.create("Things", json!({"Name": "next"})).await;
                app.cells("Things", &record).await["Auto"].clone()
            };
            assert_eq!(number(&other).await, number(&app).await);
        });
    }
}
