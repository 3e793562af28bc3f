//! Questions to the tools about bases that were made up a moment ago, their answers compared with the truth.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::agents::ToolSystem;
use crate::support::mcp::Tools;
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Cell, Condition, Kind, Metric, Size, Style, Table, World};

/// Of each table.
const QUESTIONS: usize = 40;

async fn started(style: Style, size: &Size) -> (World, ToolSystem, StdRng) {
    let number = world::seed();
    let world = World::new(number, style, size);
    let system = ToolSystem::start(seed(vec![world.json()], no_limits()), &[("PACING", "off")]).await;
    (world, system, StdRng::seed_from_u64(number ^ 1))
}

/// The name or the id, as callers use both.
fn either<'a>(rng: &mut StdRng, name: &'a str, id: &'a str) -> &'a str {
    if rng.random_bool(0.5) { name } else { id }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bases_tables_and_fields_are_described_as_they_are() {
    let (world, system, mut rng) = started(Style::Awkward, &Size::SMALL).await;
    let tools = system.tools();
    let bases = tools.ok("list_bases", json!({})).await;
    assert_eq!(bases["bases"].as_array().unwrap().len(), 1, "{bases}");
    assert_eq!(
        (&bases["bases"][0]["id"], &bases["bases"][0]["name"]),
        (&json!(world.id), &json!(world.name))
    );

    let listed = tools.ok("list_tables", json!({"base": either(&mut rng, &world.name, &world.id)})).await;
    for (shown, table) in listed["tables"].as_array().unwrap().iter().zip(&world.tables) {
        assert_eq!((&shown["id"], &shown["name"]), (&json!(table.id), &json!(table.name)));
    }
    for table in &world.tables {
        let arguments = json!({"base": either(&mut rng, &world.name, &world.id), "table": either(&mut rng, &table.name, &table.id)});
        let described = tools.ok("describe_table", arguments.clone()).await;
        let text = tools.call("describe_table", arguments).await.text().to_owned();
        let fields = described["fields"].as_array().unwrap();
        assert_eq!(fields.len(), table.fields.len(), "{described}");
        for (shown, field) in fields.iter().zip(&table.fields) {
            assert_eq!((&shown["id"], &shown["name"]), (&json!(field.id), &json!(field.name)));
            match &field.kind {
                Kind::Choice(names) | Kind::Choices(names) => assert_eq!(shown["choices"], json!(names)),
                Kind::Link { to, .. } | Kind::Back { from: to, .. } => {
                    assert_eq!(shown["links_to"]["name"], json!(world.tables[*to].name), "{shown}");
                }
                Kind::LinkCount { .. } | Kind::Twice { .. } => {
                    assert_eq!(shown["writable"], false, "{shown}")
                }
                _ => {}
            }
            assert!(
                text.contains(&field.id) || text.contains(field.name.split(['"', '\\']).next().unwrap()),
                "{text}"
            );
        }
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_of_several_pages_equal_the_truth() {
    let (world, system, mut rng) = started(Style::Awkward, &Size::PAGES).await;
    let tools = system.tools();
    for table in &world.tables {
        for _ in 0..QUESTIONS {
            ask(&tools, &world, table, &mut rng).await;
        }
    }
    assert_eq!(system.airtable.violations().await, 0);
    system.stop().await;
}

/// Some metrics of the records that fulfil some condition, perhaps by groups.
async fn ask(tools: &Tools, world: &World, table: &Table, rng: &mut StdRng) {
    let condition = if rng.random_bool(0.3) { Condition::Always } else { Condition::draw(rng, table) };
    let rows = world.rows(table, &condition);
    let mut metrics = vec![Metric::Count];
    let numbers = table.numbers();
    for _ in 0..rng.random_range(1..4) {
        let field = *numbers.choose(rng).unwrap();
        metrics.push(
            *[Metric::Sum(field), Metric::Avg(field), Metric::Min(field), Metric::Max(field)]
                .choose(rng)
                .unwrap(),
        );
    }
    let groupable = table.places(|kind| {
        matches!(
            kind,
            Kind::Choice(_)
                | Kind::Choices(_)
                | Kind::Check
                | Kind::Day
                | Kind::Stars { .. }
                | Kind::Link { .. }
                | Kind::Back { .. }
        )
    });
    let by = rng.random_bool(0.7).then(|| *groupable.choose(rng).unwrap());
    metrics.shuffle(rng);
    let mut labels: Vec<String> = metrics.iter().map(|metric| metric.text(table)).collect();
    labels.dedup();
    let mut arguments = json!({
        "base": either(rng, &world.name, &world.id),
        "table": either(rng, &table.name, &table.id),
        "metrics": labels,
    });
    if let Some(by) = by {
        arguments["group_by"] = json!([either(rng, &table.fields[by].name, &table.fields[by].id)]);
    }
    if !matches!(condition, Condition::Always) || rng.random_bool(0.5) {
        arguments["filter"] = json!(condition.formula(table));
    }
    let answer = tools.ok("aggregate_records", arguments.clone()).await;
    assert_eq!((&answer["rows"], &answer["complete"]), (&json!(rows.len()), &json!(true)), "{arguments}");
    for metric in &metrics {
        same(&answer["totals"][metric.text(table)], world.compute(table, &rows, *metric), &arguments);
    }
    let Some(by) = by else { return };
    let label = &table.fields[by].name;
    let mut truth = world.groups(table, &rows, by);
    for group in answer["groups"].as_array().unwrap() {
        let key = key(&group["group"][label]);
        let rows =
            truth.remove(&key).unwrap_or_else(|| panic!("{arguments}: no group {key:?} in truth: {group}"));
        for metric in &metrics {
            same(
                &group["metrics"][metric.text(table)],
                world.compute(table, &rows, *metric),
                &json!([arguments, key]),
            );
        }
    }
    assert!(truth.is_empty(), "{arguments}: groups are missing: {:?}", truth.keys());
}

/// A group's key as a text.
fn key(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(linked) => {
            linked["name"].as_str().unwrap_or_else(|| panic!("no name: {value}")).to_owned()
        }
        other => other.to_string(),
    }
}

/// Numbers are equal to the last digit, averages to the tenth.
#[track_caller]
fn same(shown: &Value, truth: Option<f64>, what: &Value) {
    match (shown.as_f64(), truth) {
        (None, None) => assert!(shown.is_null(), "{what}: {shown}"),
        (Some(shown), Some(truth)) => {
            let near = (shown - truth).abs() <= truth.abs() * 1e-10;
            assert!(near, "{what}: {shown} is not {truth}");
        }
        _ => panic!("{what}: {shown} is not {truth:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_hold_every_record_once_in_order_with_every_cell() {
    let (world, system, mut rng) = started(Style::Awkward, &Size::PAGES).await;
    let tools = system.tools();
    for table in &world.tables {
        let condition = Condition::draw(&mut rng, table);
        let mut arguments = json!({"base": world.id, "table": table.name, "filter": condition.formula(table), "limit": rng.random_range(40..200)});
        let mut records = Vec::new();
        loop {
            let page = tools.ok("list_records", arguments.clone()).await;
            records.extend(page["records"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => arguments["cursor"] = json!(cursor),
                None => {
                    assert_eq!(page["total"], json!(records.len()));
                    break;
                }
            }
        }
        let truth = world.rows(table, &condition);
        let ids: Vec<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
        let expected: Vec<&str> = truth.iter().map(|row| table.rows[*row].id.as_str()).collect();
        assert_eq!(ids, expected, "{arguments}");
        for (record, row) in records.iter().zip(truth) {
            for (at, field) in table.fields.iter().enumerate() {
                let mut shown = texts(&record["fields"][&field.name]);
                let mut truth = world.texts(table, row, at);
                if field.kind == Kind::Check && record["fields"].get(&field.name).is_none() {
                    shown = vec!["false".to_owned()];
                }
                shown.sort();
                truth.sort();
                assert_eq!(shown, truth, "{} of {}", field.name, record["id"]);
            }
        }
    }
    system.stop().await;
}

/// A cell's values as texts; linked records by their names.
fn texts(cell: &Value) -> Vec<String> {
    match cell {
        Value::Array(items) if items.is_empty() => vec![String::new()],
        Value::Array(items) => items.iter().map(key).collect(),
        one => vec![key(one)],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorted_listings_and_searches_equal_the_truth() {
    let (world, system, mut rng) = started(Style::Awkward, &Size::PAGES).await;
    let tools = system.tools();
    let table = &world.tables[0];
    let number = *table.numbers().choose(&mut rng).unwrap();
    let sorted = tools
        .ok("list_records", json!({"base": world.id, "table": table.id, "sort": [format!("-{}", table.fields[number].name)], "limit": 1000, "fields": [table.fields[number].name]}))
        .await;
    let shown: Vec<Option<f64>> = sorted["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["fields"][&table.fields[number].name].as_f64())
        .collect();
    let mut truth: Vec<Option<f64>> = (0..table.rows.len())
        .map(|row| match world.cell(table, row, number) {
            Cell::Number(number) => Some(number.as_f64()),
            _ => None,
        })
        .collect();
    truth.sort_by(|a, b| b.partial_cmp(a).unwrap());
    assert_eq!(shown, truth, "by -{}", table.fields[number].name);

    for _ in 0..10 {
        let row = table.rows.choose(&mut rng).unwrap();
        let word = row.title().split(' ').next().unwrap().to_uppercase();
        let found = tools.ok("search_records", json!({"base": world.id, "query": word})).await;
        let ids: Vec<&Value> =
            found["matches"].as_array().unwrap().iter().map(|found| &found["id"]).collect();
        assert!(ids.contains(&&json!(row.id)), "{word}: {found}");
        let got =
            tools.ok("get_record", json!({"base": world.id, "table": table.name, "record_id": row.id})).await;
        let cells = &got["record"]["fields"];
        assert_eq!(cells[table.title()], json!(row.title()));
        let plain: BTreeMap<&String, Value> = world
            .cells_json(table, row)
            .iter()
            .filter(|(_, value)| !value.is_array())
            .map(|(name, value)| {
                (
                    table.fields.iter().find(|field| field.name == *name).map(|f| &f.name).unwrap(),
                    value.clone(),
                )
            })
            .collect();
        for (name, value) in plain {
            assert_eq!(&cells[name], &value, "{name}");
        }
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_is_answered_with_what_was_probably_meant() {
    let (world, system, _) = started(Style::Plain, &Size::SMALL).await;
    let tools = system.tools();
    let table = &world.tables[0];
    let wrong = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.swap(2, 3);
        letters.insert(3, 'y');
        letters.into_iter().collect::<String>()
    };
    let choice_field = table.places(|kind| matches!(kind, Kind::Choice(_)))[0];
    let Kind::Choice(names) = &table.fields[choice_field].kind else { unreachable!("it is one") };
    for (arguments, meant) in [
        (json!({"base": wrong(&world.name), "table": table.name}), &world.name),
        (json!({"base": world.name, "table": wrong(&table.name)}), &table.name),
        (
            json!({"base": world.name, "table": table.name, "fields": [wrong(table.title())]}),
            &table.fields[0].name,
        ),
        (
            json!({"base": world.name, "table": table.name, "filter": format!("{{{}}}=1", wrong(table.title()))}),
            &table.fields[0].name,
        ),
        (
            json!({"base": world.name, "table": table.name, "sort": [wrong(table.title())]}),
            &table.fields[0].name,
        ),
    ] {
        let message = tools.refused("list_records", arguments.clone()).await;
        assert!(message.contains(meant.as_str()), "{arguments}: {message}");
    }
    let arguments = json!({"base": world.name, "table": table.name, "filter": format!("{{{}}}='{}'", table.fields[choice_field].name, wrong(&names[0]))});
    let answer = tools.call("list_records", arguments).await;
    assert!(answer.text().contains(&names[0]), "{}", answer.text());
    let message = tools
        .refused(
            "aggregate_records",
            json!({"base": world.name, "table": table.name, "metrics": [format!("sum({})", table.title())]}),
        )
        .await;
    assert!(message.contains("sum"), "{message}");
    assert!(table.numbers().iter().any(|at| message.contains(&table.fields[*at].name)), "{message}");
    system.stop().await;
}
