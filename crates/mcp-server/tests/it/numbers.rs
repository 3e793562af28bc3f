//! Numbers that Airtable itself computed, and questions asked in a clumsy way.

use serde_json::{Value, json};

use crate::support::{BASE, World};

const JOBS: &str = "Aufträge";

/// A table in which `Doppelt` is this formula of `Kosten (€)`, which are these.
fn computed(formula: &str, costs: &[f64]) -> World {
    let mut world = World::new(costs.len(), 0);
    let table = &mut world.seed["bases"][0]["tables"][0];
    let field = table["fields"].as_array_mut().unwrap().iter_mut().find(|field| field["name"] == "Doppelt");
    field.unwrap()["options"]["formula"] = json!(formula);
    for (record, cost) in table["records"].as_array_mut().unwrap().iter_mut().zip(costs) {
        record["fields"]["Kosten (€)"] = json!(cost);
    }
    world
}

#[tokio::test]
async fn what_airtable_computed_has_no_more_digits_than_a_double() {
    let world = computed("{Kosten (€)}+0.2", &[0.1, 0.1, 0.5, 0.6]);
    let server = world.server().await;
    let arguments = json!({"base": BASE, "table": JOBS, "group_by": ["Doppelt"],
        "metrics": ["count", "sum(Doppelt)", "distinct(Doppelt)", "min(Doppelt)", "max(Doppelt)"]});
    let result = server.ok("aggregate_records", arguments.clone()).await;
    assert_eq!(
        result["totals"],
        json!({"count": 4, "sum(Doppelt)": 2.1, "distinct(Doppelt)": 3, "min(Doppelt)": 0.3, "max(Doppelt)": 0.8})
    );
    assert_eq!(result["groups"][0]["group"], json!({"Doppelt": 0.3}));
    let text = server.text("aggregate_records", arguments).await;
    assert!(text.contains("\n0.3,2,0.6,1,0.3,0.3\n"), "{text}");

    let world = computed("{Kosten (€)}/3", &[0.1, 19.99, 1_000_000.01]);
    let server = world.server().await;
    let arguments =
        json!({"base": BASE, "table": JOBS, "metrics": ["sum(Doppelt)", "sum(Kosten (€))", "avg(Doppelt)"]});
    let text = server.text("aggregate_records", arguments).await;
    assert!(
        text.contains(
            "sum(Doppelt) = 333340.033333333, sum(Kosten (€)) = 1000020.1, avg(Doppelt) = 111113.344444444"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_list_written_as_one_text_is_not_answered_in_part() {
    let server = World::new(5, 1).server().await;
    for metrics in ["sum(Kosten (€)), count", "count, sum(Kosten (€))", "sum(Kosten (€)) as total"] {
        let error =
            server.error("aggregate_records", json!({"base": BASE, "table": JOBS, "metrics": metrics})).await;
        assert!(error.starts_with("metrics: "), "{error}");
    }
}

#[tokio::test]
async fn a_field_named_twice_is_grouped_by_once() {
    let server = World::new(60, 1).server().await;
    let groups = async |by: Value| {
        let arguments = json!({"base": BASE, "table": JOBS, "group_by": by, "metrics": ["count", "count"]});
        server.ok("aggregate_records", arguments).await["groups"].clone()
    };
    assert_eq!(groups(json!(["Marken", "marken"])).await, groups(json!(["Marken"])).await);
}
