//! The predecessor's routes, `/api/v1/airtable/**`, from the gateway through to the emulator and back.

use crate::support::client::{Answer, Call, Client};
use crate::support::seeds::{BASE, PEOPLE, PEOPLE_NAME, TASKS, TASKS_NAME, linked_base, no_limits, seed};
use crate::support::system::System;
use http::Method;
use serde_json::{Value, json};

async fn system() -> System {
    System::start(seed(vec![linked_base(BASE)], no_limits()), &[("PACING", "off")]).await
}

fn records(table: &str) -> String {
    format!("/api/v1/airtable/bases/{BASE}/tables/{}/records", crate::support::client::encode(table))
}

#[track_caller]
fn rows(answer: &Answer) -> Vec<Value> {
    assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
    answer.json()["records"].as_array().unwrap_or_else(|| panic!("no records in {}", answer.text())).clone()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["fields"]["Name"].as_str().unwrap_or_default()).collect()
}

#[track_caller]
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    let body = answer.json();
    assert_eq!(body["status"], status, "{body}");
    for member in ["type", "title", "detail", "code", "request_id"] {
        assert!(body[member].is_string(), "{member} is missing: {body}");
    }
    body
}

/// A hundred and twenty people, numbered by age.
async fn with_people(client: &Client) -> Vec<Value> {
    let people: Vec<Value> =
        (0..120).map(|age| json!({"Name": format!("person {age:03}"), "Age": age})).collect();
    rows(&client.post(records(PEOPLE), Value::Array(people)).await.ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bases_come_as_an_array_or_in_an_envelope() {
    let system = system().await;
    let client = system.gateway.client();
    let expected = json!([{"id": BASE, "name": "System", "permissionLevel": "create"}]);
    assert_eq!(client.get("/api/v1/airtable/bases").await.ok().json(), expected);
    assert_eq!(
        client.get("/api/v1/airtable/bases?envelope=true").await.ok().json(),
        json!({"bases": expected, "total": 1})
    );
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_complete_and_tables_are_summed_up() {
    let system = system().await;
    let client = system.gateway.client();
    let schema = client.get(format!("/api/v1/airtable/bases/{BASE}/schema")).await.ok().json();
    let direct = client.get(format!("/v0/meta/bases/{BASE}/tables")).await.ok().json();
    assert_eq!(schema["total"], 2);
    for (table, original) in
        schema["tables"].as_array().unwrap().iter().zip(direct["tables"].as_array().unwrap())
    {
        for member in ["id", "name", "primaryFieldId", "fields", "views"] {
            assert_eq!(table[member], original[member], "{member}");
        }
    }
    let tables = client.get(format!("/api/v1/airtable/bases/{BASE}/tables")).await.ok().json();
    assert_eq!(tables["total"], 2);
    let listed: Vec<_> = tables["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| (table["id"].clone(), table["name"].clone()))
        .collect();
    assert_eq!(listed, [(json!(TASKS), json!(TASKS_NAME)), (json!(PEOPLE), json!(PEOPLE_NAME))]);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_rows_is_created_changed_replaced_and_deleted() {
    let system = system().await;
    let client = system.gateway.client();
    let made = with_people(&client).await;
    assert_eq!(made.len(), 120);
    assert_eq!(made[77]["fields"], json!({"Name": "person 077", "Age": 77, "Load": 0}));
    assert!(made[77]["createdTime"].is_string());

    let flat: Vec<Value> = made.iter().take(25).map(|row| json!({"id": row["id"], "Age": 200})).collect();
    let changed =
        rows(&client.send(Call::new(Method::PATCH, records(PEOPLE)).json(Value::Array(flat))).await.ok());
    assert_eq!(changed.len(), 25);
    assert_eq!(changed[24]["fields"], json!({"Name": "person 024", "Age": 200, "Load": 0}));

    let nested: Vec<Value> =
        made.iter().take(12).map(|row| json!({"id": row["id"], "fields": {"Age": 201}})).collect();
    let changed =
        rows(&client.send(Call::new(Method::PATCH, records(PEOPLE)).json(Value::Array(nested))).await.ok());
    assert_eq!(changed[11]["fields"], json!({"Name": "person 011", "Age": 201, "Load": 0}));

    let replaced: Vec<Value> =
        made.iter().take(11).map(|row| json!({"id": row["id"], "Name": "replaced"})).collect();
    let replaced =
        rows(&client.send(Call::new(Method::PUT, records(PEOPLE)).json(Value::Array(replaced))).await.ok());
    assert_eq!(replaced[10]["fields"], json!({"Name": "replaced", "Load": 0}));

    let query: Vec<String> =
        made.iter().take(23).map(|row| format!("record_ids={}", row["id"].as_str().unwrap())).collect();
    let gone = rows(
        &client
            .send(Call::new(Method::DELETE, format!("{}?{}", records(PEOPLE), query.join("&"))))
            .await
            .ok(),
    );
    assert_eq!(gone.len(), 23);
    assert!(gone.iter().zip(&made).all(|(gone, made)| gone["deleted"] == true && gone["id"] == made["id"]));
    let left = system.emulator.client().get(format!("/v0/{BASE}/{PEOPLE}")).await.ok().json();
    assert_eq!(left["records"].as_array().unwrap().len(), 97);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_accepted_in_airtables_own_form_too_and_typecast_is_asked_for() {
    let system = system().await;
    let client = system.gateway.client();
    let body = json!({"records": [{"fields": {"Name": "from text", "Number": "17"}}], "typecast": true});
    let answer = client.post(records(TASKS), body).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    assert_eq!(rows(&answer)[0]["fields"]["Number"], 17);
    let answer = client
        .post(format!("{}?typecast=true", records(TASKS_NAME)), json!([{"Name": "again", "Number": "18"}]))
        .await
        .ok();
    assert_eq!(rows(&answer)[0]["fields"]["Number"], 18);
    problem(&client.post(records(TASKS), json!([{"Name": "again", "Number": "18"}])).await, 422);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_take_every_option_of_the_predecessor() {
    let system = system().await;
    let client = system.gateway.client();
    let made = with_people(&client).await;
    let list = async |query: &str| client.get(format!("{}?{query}", records(PEOPLE))).await.ok();

    let page = list("view=Grid+view&page_size=50").await.json();
    assert_eq!(page["records"].as_array().unwrap().len(), 50);
    assert_eq!(page["hasMore"], true);
    let offset = crate::support::client::encode(page["offset"].as_str().expect("more follows"));
    let next = list(&format!("view=Grid+view&page_size=50&offset={offset}")).await;
    assert_eq!(rows(&next)[0]["fields"], made[50]["fields"]);

    let all = list("max_records=115&view=Grid+view").await;
    assert_eq!(rows(&all).len(), 115, "the limit of a page does not hold here");
    let all = all.json();
    assert_eq!((&all["hasMore"], &all["offset"]), (&json!(false), &Value::Null), "nothing to go on with");

    let sorted = list("sort_field=Age&sort_direction=desc&max_records=2").await;
    assert_eq!(names(&rows(&sorted)), ["person 119", "person 118"]);
    let sorted =
        list("sort_field=Load&sort_direction=asc&sort_field=Name&sort_direction=desc&max_records=2").await;
    assert_eq!(names(&rows(&sorted)), ["person 119", "person 118"]);
    let sorted = list("sort=Load,-Age&max_records=2").await;
    assert_eq!(names(&rows(&sorted)), ["person 119", "person 118"]);

    let found = list(&format!(
        "filter_by_formula={}&sort_field=Age",
        crate::support::client::encode("AND({Age}>10, {Age}<13)")
    ))
    .await;
    assert_eq!(names(&rows(&found)), ["person 011", "person 012"]);
    let some = list("fields=Age&fields=Load&max_records=1&sort_field=Age&sort_direction=desc").await;
    assert_eq!(rows(&some)[0]["fields"], json!({"Age": 119, "Load": 0}));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_is_found_or_missing() {
    let system = system().await;
    let client = system.gateway.client();
    let made = rows(&client.post(records(PEOPLE_NAME), json!([{"Name": "one"}])).await.ok());
    let id = made[0]["id"].as_str().unwrap();
    let one = client.get(format!("{}/{id}", records(PEOPLE_NAME))).await.ok().json();
    assert_eq!((&one["id"], &one["fields"]["Name"]), (&json!(id), &json!("one")));
    let missing = problem(&client.get(format!("{}/recNotThere000000", records(PEOPLE))).await, 404);
    assert!(!missing["detail"].as_str().unwrap().contains("127.0.0.1"));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_problems_with_airtables_status() {
    let system = system().await;
    let client = system.gateway.client();
    problem(&client.get(format!("{}?filter_by_formula=%7BNope%7D", records(PEOPLE))).await, 422);
    problem(&client.get(format!("{}?page_size=101", records(PEOPLE))).await, 422);
    problem(&client.get(format!("{}?max_records=none", records(PEOPLE))).await, 422);
    problem(&client.post(records(PEOPLE), json!([{"Nope": 1}])).await, 422);
    problem(
        &client.send(Call::new(Method::PATCH, records(PEOPLE)).json(json!([{"Name": "no id"}]))).await,
        400,
    );
    problem(&client.get("/api/v1/airtable/nothing").await, 404);
    let missing_table = client.get(records("No such table")).await;
    assert!(matches!(missing_table.status, 403 | 404), "{}", missing_table.text());
    problem(&missing_table, missing_table.status);
    let wrong_method = client.send(Call::new(Method::DELETE, "/api/v1/airtable/bases")).await;
    problem(&wrong_method, 405);
    assert!(wrong_method.header("allow").contains("GET"));
    let unauthenticated = Client::new(system.gateway.address, "").get("/api/v1/airtable/bases").await;
    problem(&unauthenticated, 401);
    assert!(unauthenticated.header("www-authenticate").starts_with("Bearer"));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dialects_see_each_others_writes_at_once() {
    let system = system().await;
    let client = system.gateway.client();
    let drop_in = format!("/v0/{BASE}/{PEOPLE}?view=Grid%20view");
    let own = format!("{}?view=Grid%20view", records(PEOPLE_NAME));
    for number in 0..5 {
        client.post(records(PEOPLE), json!([{"Name": format!("own {number}")}])).await.ok();
        let (left, right) = (rows(&client.get(&drop_in).await), rows(&client.get(&own).await));
        assert_eq!(left.len(), 2 * number + 1);
        assert_eq!(left, right);
        client
            .post(format!("/v0/{BASE}/{PEOPLE}"), json!({"fields": {"Name": format!("drop-in {number}")}}))
            .await
            .ok();
        let (left, right) = (rows(&client.get(&drop_in).await), rows(&client.get(&own).await));
        assert_eq!(left.len(), 2 * number + 2);
        assert_eq!(left, right);
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_headers_for_keys_are_accepted() {
    let system = system().await;
    let nobody = Client::new(system.gateway.address, "");
    for header in ["x-api-key", "x-internal-api-key"] {
        nobody.send(Call::get("/api/v1/airtable/bases").header(header, &system.gateway.full_key)).await.ok();
        let wrong =
            nobody.send(Call::get("/api/v1/airtable/bases").header(header, "pya_live_00000000_wrong")).await;
        assert_eq!(wrong.status, 401, "{header}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_stats_test_and_invalidation_answer_truly() {
    let system = system().await;
    let client = system.gateway.client();
    client.get(format!("/v0/{BASE}/{PEOPLE}")).await.ok();
    assert!(client.get(format!("/v0/{BASE}/{PEOPLE}")).await.ok().is_cache_hit());
    let invalidated =
        client.post("/api/v1/airtable/cache/invalidate", json!({"base_id": BASE})).await.ok().json();
    assert!(invalidated["status"].is_string() && invalidated["message"].is_string(), "{invalidated}");
    assert!(!client.get(format!("/v0/{BASE}/{PEOPLE}")).await.ok().is_cache_hit());
    let tested = client.get("/api/v1/airtable/test").await.ok().json();
    assert!(tested["status"].is_string() && tested["message"].is_string(), "{tested}");
    assert!(client.get("/api/v1/airtable/status").await.ok().json().is_object());
    assert!(client.get("/api/v1/airtable/stats").await.ok().json().is_object());
    system.emulator.stop().await;
    let failed = client.get("/api/v1/airtable/test").await;
    assert!(failed.status >= 500, "the upstream is away, yet: {} {}", failed.status, failed.text());
    system.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_needs_no_key_and_names_the_service() {
    let system = system().await;
    let nobody = Client::new(system.gateway.address, "");
    let health = nobody.get("/health").await.ok().json();
    assert_eq!(health["service"], "airtable-gateway");
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(nobody.get("/ready").await.ok().json()["status"], "ready");
    let openapi = nobody.get("/openapi.json").await.ok().json();
    for path in ["/api/v1/airtable/bases", "/api/v1/airtable/test"] {
        assert!(openapi["paths"][path].is_object(), "{path} is not described");
    }
    let docs = nobody.get("/docs").await.ok();
    assert!(docs.header("content-type").starts_with("text/html"));
    assert!(!docs.text().contains("https://cdn"), "the page needs nothing from outside");
    let metrics = nobody.get("/metrics").await.ok().text();
    assert!(!metrics.contains(BASE) && metrics.contains("http_server_request_duration_seconds"), "{metrics}");
    assert_eq!(
        Client::new(system.emulator.address, "").get("/health").await.ok().json()["service"],
        "airtable-emulator"
    );
    system.stop().await;
}
