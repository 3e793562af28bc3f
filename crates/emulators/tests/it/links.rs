//! Links agree on both sides, whatever is written.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{BASE, TestApp, rec};

const OTHERS: &str = "tblOthers00000002";

#[tokio::test]
async fn the_other_side_follows_create_update_and_delete() {
    let app = TestApp::spawn().await;
    let other = async |n: usize| app.cells(OTHERS, &rec(1000 + n)).await["Things"].clone();
    let first = app.create("Things", json!({"Others": [rec(1001), rec(1002)]})).await;
    let second = app.create("Things", json!({"Others": [rec(1001)]})).await;
    assert_eq!((other(1).await, other(2).await), (json!([first, second]), json!([first])));
    app.patch(&format!("/v0/{BASE}/Things/{first}"), json!({"fields": {"Others": [rec(1002), rec(1003)]}}))
        .await
        .ok();
    assert_eq!((other(1).await, other(3).await), (json!([second]), json!([first])));
    app.patch(&format!("/v0/{BASE}/{OTHERS}/{}", rec(1003)), json!({"fields": {"Things": [second, first]}}))
        .await
        .ok();
    assert_eq!(app.cells("Things", &second).await["Others"], json!([rec(1001), rec(1003)]));
    app.delete(&format!("/v0/{BASE}/Things/{second}")).await.ok();
    assert_eq!((other(1).await, other(3).await), (Value::Null, json!([first])));
    app.delete(&format!("/v0/{BASE}/{OTHERS}/{}", rec(1002))).await.ok();
    assert_eq!(app.cells("Things", &first).await["Others"], json!([rec(1003)]));
}

#[tokio::test]
async fn a_link_without_inverse_forgets_deleted_records() {
    let app = TestApp::spawn().await;
    let child = app.create(OTHERS, json!({"Name": "child", "Parent": [rec(1001), rec(1002)]})).await;
    let own = app.create(OTHERS, json!({"Name": "own parent"})).await;
    app.patch(&format!("/v0/{BASE}/{OTHERS}/{own}"), json!({"fields": {"Parent": [own]}})).await.ok();
    app.delete(&format!("/v0/{BASE}/{OTHERS}/{}", rec(1001))).await.ok();
    assert_eq!(app.cells(OTHERS, &child).await["Parent"], json!([rec(1002)]));
    app.delete(&format!("/v0/{BASE}/{OTHERS}/{own}")).await.ok();
    app.delete(&format!("/v0/{BASE}/{OTHERS}/{child}")).await.ok();
    app.delete(&format!("/v0/{BASE}/{OTHERS}/{}", rec(1002))).await.ok();
    assert_eq!(app.get(&format!("/v0/{BASE}/{OTHERS}")).await.ok()["records"].as_array().unwrap().len(), 1);
}

/// One random write; numbers are reduced to what exists.
#[derive(Debug, Clone)]
enum Op {
    Create { things: bool, links: Vec<usize> },
    Set { things: bool, record: usize, links: Vec<usize>, replace: bool },
    Delete { things: bool, record: usize },
    Parent { record: usize, parents: Vec<usize> },
}

fn op() -> impl Strategy<Value = Op> {
    let links = || prop::collection::vec(0..20usize, 0..5);
    prop_oneof![
        (any::<bool>(), links()).prop_map(|(things, links)| Op::Create { things, links }),
        (any::<bool>(), 0..20usize, links(), any::<bool>())
            .prop_map(|(things, record, links, replace)| Op::Set { things, record, links, replace }),
        (any::<bool>(), 0..20usize).prop_map(|(things, record)| Op::Delete { things, record }),
        (0..20usize, links()).prop_map(|(record, parents)| Op::Parent { record, parents }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_agree_after_any_writes(ops in prop::collection::vec(op(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agree_after(ops));
    }
}

async fn agree_after(ops: Vec<Op>) {
    let app = TestApp::spawn().await;
    let table = |things: bool| if things { "Things" } else { OTHERS };
    let field = |things: bool| if things { "Others" } else { "Things" };
    for op in ops {
        let (things, others) = (records(&app, "Things").await, records(&app, OTHERS).await);
        let own = |is_things: bool| if is_things { &things } else { &others };
        let pick = |is_things: bool, numbers: &[usize]| -> Vec<String> {
            let all: Vec<_> = own(is_things).keys().cloned().collect();
            if all.is_empty() {
                Vec::new()
            } else {
                numbers.iter().map(|n| all[n % all.len()].clone()).collect()
            }
        };
        match op {
            Op::Create { things, links } => {
                app.create(table(things), json!({field(things): pick(!things, &links)})).await;
            }
            Op::Set { things, record, links, replace } => {
                for id in pick(things, &[record]) {
                    let body = json!({"fields": {field(things): pick(!things, &links)}});
                    let method = if replace { "PUT" } else { "PATCH" };
                    app.call(method, &format!("/v0/{BASE}/{}/{id}", table(things)), Some(body)).await.ok();
                }
            }
            Op::Delete { things, record } => {
                for id in pick(things, &[record]) {
                    app.delete(&format!("/v0/{BASE}/{}/{id}", table(things))).await.ok();
                }
            }
            Op::Parent { record, parents } => {
                for id in pick(false, &[record]) {
                    let body = json!({"fields": {"Parent": pick(false, &parents)}});
                    app.patch(&format!("/v0/{BASE}/{OTHERS}/{id}"), body).await.ok();
                }
            }
        }
    }
    let (things, others) = (records(&app, "Things").await, records(&app, OTHERS).await);
    let pairs = |records: &BTreeMap<String, Value>, field: &str| -> BTreeSet<(String, String)> {
        let links = |(id, cells): (&String, &Value)| {
            let linked: Vec<_> = cells[field].as_array().cloned().unwrap_or_default();
            let id = id.clone();
            let count = linked.len();
            let unique: BTreeSet<_> = linked.iter().map(|link| link.as_str().unwrap().to_owned()).collect();
            assert_eq!(unique.len(), count, "each record once: {cells}");
            unique.into_iter().map(move |linked| (id.clone(), linked)).collect::<Vec<_>>()
        };
        records.iter().flat_map(links).collect()
    };
    let forwards = pairs(&things, "Others");
    let backwards: BTreeSet<_> = pairs(&others, "Things").into_iter().map(|(a, b)| (b, a)).collect();
    assert_eq!(forwards, backwards);
    assert!(
        pairs(&others, "Parent").iter().all(|(_, parent)| others.contains_key(parent)),
        "no dangling parent"
    );
}

async fn records(app: &TestApp, table: &str) -> BTreeMap<String, Value> {
    let answer = app.get(&format!("/v0/{BASE}/{table}")).await.ok();
    let records = answer["records"].as_array().unwrap().iter();
    records.map(|record| (record["id"].as_str().unwrap().to_owned(), record["fields"].clone())).collect()
}
