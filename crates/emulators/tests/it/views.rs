//! Views that show some records only, in an order of their own.

use emulators::airtable::Seed;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::support::{BASE, THINGS, TestApp, column, id, rec, seed};

const OPEN: &str = "viwOpen0000000003";

/// Twenty records whose ids run against the order of their creation, and a view of those with an even number that are
/// not done, greatest number first.
fn with_open_view() -> Value {
    let mut seed = seed();
    let things = &mut seed["bases"][0]["tables"][0];
    things["records"] = (0..20)
        .map(|n| {
            json!({"id": rec(20 - n), "fields": {
                "Name": format!("Thing {n:02}"), "Number": n, "Status": (["Todo", "Doing", "Done"][n % 3]),
            }})
        })
        .collect();
    things["views"].as_array_mut().unwrap().push(json!({
        "id": OPEN, "name": "Open", "type": "grid",
        "filterByFormula": "AND(MOD({Number}, 2) = 0, {fld00000000000010} != 'Done')",
        "sort": [{"field": "Status", "direction": "desc"}, {"field": id("fld", 4)}],
    }));
    seed
}

/// All pages of a listing.
async fn names(app: &TestApp, query: &str) -> Vec<Value> {
    let (mut names, mut offset) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v0/{BASE}/Things?{query}&offset={offset}")).await.ok();
        names.extend(column(&page, "Name"));
        match page["offset"].as_str() {
            Some(next) => offset = next.replace('/', "%2F"),
            None => return names,
        }
        assert!(names.len() < 100, "it goes on and on");
    }
}

fn things(numbers: &[usize]) -> Vec<Value> {
    numbers.iter().map(|n| json!(format!("Thing {n:02}"))).collect()
}

/// Doing (4, 10, 16), then Todo (0, 6, 12, 18).
const SHOWN: [usize; 7] = [4, 10, 16, 0, 6, 12, 18];

#[tokio::test]
async fn a_view_shows_its_records_in_its_order_page_by_page() {
    let app = TestApp::with_seed(&with_open_view()).await;
    for query in ["view=Open", "view=Open&pageSize=2", &format!("view={OPEN}&pageSize=3")] {
        assert_eq!(names(&app, query).await, things(&SHOWN), "{query}");
    }
    assert_eq!(names(&app, "view=Open&maxRecords=4&pageSize=3").await, things(&SHOWN[..4]));
    let first = app.get(&format!("/v0/{BASE}/Things?view=Open&pageSize=3")).await.ok();
    assert!(first["offset"].as_str().unwrap().ends_with(&rec(20)), "{}", first["offset"]);
    let strings = "view=Open&cellFormat=string&timeZone=utc&userLocale=en";
    assert_eq!(names(&app, strings).await, things(&SHOWN));
}

#[tokio::test]
async fn a_sort_overrides_the_order_of_the_view_and_a_filter_meets_its_records() {
    let app = TestApp::with_seed(&with_open_view()).await;
    assert_eq!(names(&app, "view=Open&sort[0][field]=Name").await, things(&[0, 4, 6, 10, 12, 16, 18]));
    let filter = "view=Open&pageSize=2&filterByFormula=%7BNumber%7D%3E5";
    assert_eq!(names(&app, filter).await, things(&[10, 16, 6, 12, 18]));
    let both = format!("{filter}&sort[0][field]=Number&sort[0][direction]=desc");
    assert_eq!(names(&app, &both).await, things(&[18, 16, 12, 10, 6]));
    let body = json!({"view": "Open", "filterByFormula": "{Number}>5", "fields": ["Name"]});
    let found = app.post(&format!("/v0/{BASE}/Things/listRecords"), body).await.ok();
    assert_eq!(column(&found, "Name"), things(&[10, 16, 6, 12, 18]));
    assert_eq!(names(&app, "view=Open&filterByFormula=%7BNumber%7D%3D1").await, things(&[]));
}

#[tokio::test]
async fn a_view_follows_what_is_written_also_in_tables_that_it_sees_over_links() {
    let mut seed = with_open_view();
    let views = seed["bases"][0]["tables"][0]["views"].as_array_mut().unwrap();
    views.push(
        json!({"name": "Heavy", "filterByFormula": "{Weight} > 2", "sort": [{"field": "Other names"}]}),
    );
    let app = TestApp::with_seed(&seed).await;
    let set = async |number: usize, fields: Value| {
        let target = format!("/v0/{BASE}/Things/{}", rec(20 - number));
        app.patch(&target, json!({"fields": fields})).await.ok();
    };
    assert_eq!(names(&app, "view=Open").await, things(&SHOWN));
    set(4, json!({"Status": "Done"})).await;
    set(12, json!({"Status": "Doing"})).await;
    assert_eq!(names(&app, "view=Open").await, things(&[10, 12, 16, 0, 6, 18]));
    app.delete(&format!("/v0/{BASE}/Things/{}", rec(10))).await.ok();
    app.create("Things", json!({"Name": "Thing 20", "Number": 2, "Status": "Doing"})).await;
    assert_eq!(names(&app, "view=Open").await, things(&[20, 12, 16, 0, 6, 18]));

    assert_eq!(names(&app, "view=Heavy").await, things(&[]));
    set(1, json!({"Others": [rec(1001)]})).await;
    set(2, json!({"Others": [rec(1003)]})).await;
    assert_eq!(names(&app, "view=Heavy").await, things(&[2]));
    let other = format!("/v0/{BASE}/tblOthers00000002/{}", rec(1001));
    app.patch(&other, json!({"fields": {"Weight": 9}})).await.ok();
    assert_eq!(names(&app, "view=Heavy").await, things(&[1, 2]));
    app.patch(&other, json!({"fields": {"Name": "Z"}})).await.ok();
    assert_eq!(names(&app, "view=Heavy").await, things(&[2, 1]));
}

#[tokio::test]
async fn pages_of_a_view_are_those_of_the_moment_when_the_listing_began() {
    let app = TestApp::with_seed(&with_open_view()).await;
    let first = app.get(&format!("/v0/{BASE}/Things?view=Open&pageSize=3")).await.ok();
    for (number, status) in [(4, "Todo"), (2, "Todo"), (0, "Doing")] {
        let target = format!("/v0/{BASE}/Things/{}", rec(20 - number));
        app.patch(&target, json!({"fields": {"Status": status}})).await.ok();
    }
    app.delete(&format!("/v0/{BASE}/Things/{}", rec(14))).await.ok();
    let offset = first["offset"].as_str().unwrap().replace('/', "%2F");
    let rest = app.get(&format!("/v0/{BASE}/Things?view=Open&offset={offset}")).await.ok();
    assert_eq!(column(&rest, "Name"), things(&[0, 12, 18]), "each once, the deleted one left out");
}

#[tokio::test]
async fn after_any_changes_a_view_shows_what_it_would_if_it_were_looked_at_anew() {
    let mut seed = with_open_view();
    let sum = json!({"field": "Weight", "direction": "desc"});
    let of_others =
        json!({"name": "Heavy", "filterByFormula": "{Weight} >= 0", "sort": [sum, {"field": "Other names"}]});
    let plain = json!({"name": "Small", "filterByFormula": "{Number} < 10"});
    seed["bases"][0]["tables"][0]["views"].as_array_mut().unwrap().extend([of_others, plain]);
    let parents = json!({"name": "By parent", "sort": [{"field": "Parent"}]});
    seed["bases"][0]["tables"][1]["views"].as_array_mut().unwrap().push(parents);
    let app = TestApp::with_seed(&seed).await;
    let (things, others) = (format!("/v0/{BASE}/Things"), format!("/v0/{BASE}/tblOthers00000002"));
    let views = [(&things, "Open"), (&things, "Heavy"), (&things, "Small"), (&others, "By%20parent")];
    let shown = async || {
        let mut shown = Vec::new();
        for (table, view) in views {
            shown.push(app.get(&format!("{table}?view={view}&pageSize=100")).await.ok()["records"].take());
        }
        shown
    };
    let ids = async |table: &str| -> Vec<String> {
        let page = app.get(table).await.ok();
        page["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for round in 0..150 {
        let (some_things, some_others) = (ids(&things).await, ids(&others).await);
        for _ in 0..random.random_range(1..4) {
            let thing = some_things.choose(&mut random).unwrap();
            let (other, parent) = (some_others.choose(&mut random), some_others.choose(&mut random));
            let number = random.random_range(0..20);
            let status = ["Todo", "Doing", "Done"].choose(&mut random).unwrap();
            let fields = match random.random_range(0..8) {
                0..=2 => json!({"Number": number, "Status": status}),
                3 => json!({"Others": other.into_iter().collect::<Vec<_>>()}),
                _ => json!({"Number": number, "Name": format!("changed in {round}")}),
            };
            let weight = json!({"fields": {"Name": number.to_string(), "Weight": number, "Parent": parent.into_iter().collect::<Vec<_>>()}});
            // What is gone already is refused, which is as well.
            match random.random_range(0..10) {
                0 => app.post(&things, json!({"fields": fields})).await,
                1 => app.post(&others, weight).await,
                2 if some_things.len() > 10 => app.delete(&format!("{things}/{thing}")).await,
                3 if some_others.len() > 3 => app.delete(&format!("{others}/{}", other.unwrap())).await,
                4 if !some_others.is_empty() => {
                    app.patch(&format!("{others}/{}", other.unwrap()), weight).await
                }
                _ => app.patch(&format!("{things}/{thing}"), json!({"fields": fields})).await,
            };
        }
        let seen = shown().await;
        // With another definition of the base, nothing that was worked out before counts.
        let table = format!("/v0/meta/bases/{BASE}/tables/{THINGS}");
        app.patch(&table, json!({"description": format!("round {round}")})).await.ok();
        assert_eq!(shown().await, seen, "round {round}");
    }
}

#[tokio::test]
async fn a_view_that_depends_on_the_hour_is_looked_at_anew() {
    let mut seed = with_open_view();
    let views = seed["bases"][0]["tables"][0]["views"].as_array_mut().unwrap();
    views.push(json!({"name": "New", "filterByFormula": "DATETIME_DIFF(NOW(), {Created}, 'days') < 1"}));
    let app = TestApp::with_seed(&seed).await;
    assert_eq!(names(&app, "view=New").await.len(), 20);
    assert_eq!(names(&app, "view=New").await.len(), 20);
}

#[tokio::test]
async fn a_view_goes_on_meaning_the_same_fields_under_other_names() {
    let app = TestApp::with_seed(&with_open_view()).await;
    let fields = format!("/v0/meta/bases/{BASE}/tables/{THINGS}/fields");
    app.patch(&format!("{fields}/{}", id("fld", 4)), json!({"name": "Status"}))
        .await
        .refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME");
    app.patch(&format!("{fields}/{}", id("fld", 4)), json!({"name": "Size"})).await.ok();
    app.patch(&format!("{fields}/{}", id("fld", 10)), json!({"name": "Number"})).await.ok();
    assert_eq!(names(&app, "view=Open").await, things(&SHOWN));
    app.post(&fields, json!({"name": "Late", "type": "email"})).await.ok();
    assert_eq!(names(&app, "view=Open").await, things(&SHOWN));
    let shown = app.get(&format!("/v0/meta/bases/{BASE}/tables")).await.ok();
    assert_eq!(
        shown["tables"][0]["views"][2],
        json!({"id": OPEN, "name": "Open", "type": "grid"}),
        "metadata does not tell what a view shows"
    );
}

#[test]
fn what_a_view_cannot_show_is_a_problem_with_its_path() {
    let mut seed = with_open_view();
    let views = seed["bases"][0]["tables"][0]["views"].as_array_mut().unwrap();
    views.push(json!({"name": "A", "filterByFormula": "{Nothing} = 1"}));
    views.push(json!({"name": "B", "filterByFormula": "IF("}));
    views.push(json!({"name": "C", "filterByFormula": 1}));
    views.push(json!({"name": "D", "sort": [{"field": "Name"}, {"field": "Nothing"}, {"field": "Name", "direction": "up"}]}));
    views.push(json!({"name": "E", "sort": {"field": "Name"}}));
    views.push(json!({"name": "F", "sort": [{"direction": "asc"}, {"field": "Name", "descending": true}]}));
    let error = Seed::from_json(seed.to_string().as_bytes()).unwrap_err();
    let paths: Vec<_> = error.problems().iter().map(|problem| problem.path.as_str()).collect();
    let at = |view: usize, rest: &str| format!("bases[0].tables[0].views[{view}].{rest}");
    assert_eq!(
        paths,
        [
            at(3, "filterByFormula"),
            at(4, "filterByFormula"),
            at(5, "filterByFormula"),
            at(6, "sort[1].field"),
            at(6, "sort[2].direction"),
            at(7, "sort"),
            at(8, "sort[0].field"),
            at(8, "sort[1].descending"),
        ]
    );
}
