//! Chats with the demo model, as who tries the system without a key has them: on bases whose names no rule knows, the numbers
//! of its answers are the truth.

use std::collections::BTreeMap;

use emulators::gemini::Mode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::agents::{Agents as _, ChatSystem};
use crate::support::chat::Chat;
use crate::support::seeds::{no_limits, seed};
use crate::support::world::{self, Condition, Kind, Metric, Size, Style, Table, World};

/// Of each table.
const QUESTIONS: usize = 12;

async fn started() -> (World, ChatSystem, StdRng) {
    let number = world::seed();
    let world = World::new(number, Style::Plain, &Size::PAGES);
    let system = ChatSystem::start(seed(vec![world.json()], no_limits()), Mode::Demo, &[]).await;
    (world, system, StdRng::seed_from_u64(number ^ 2))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_in_answers_about_bases_that_nobody_knows_are_true() {
    let (world, system, mut rng) = started().await;
    for table in &world.tables {
        for _ in 0..QUESTIONS {
            ask(&system.chat(), &world, table, &mut rng).await;
        }
    }
    system.stop().await;
}

/// How many, or how much of what, of which records, by what.
async fn ask(chat: &Chat, world: &World, table: &Table, rng: &mut StdRng) {
    let choice = *table.places(|kind| matches!(kind, Kind::Choice(_))).choose(rng).unwrap();
    let Kind::Choice(names) = &table.fields[choice].kind else { unreachable!("it is one") };
    let value = rng.random_range(0..names.len());
    let (condition, where_) = match rng.random_range(0..3) {
        0 => (Condition::Always, String::new()),
        1 => {
            let condition = Condition::Is { field: choice, choice: value };
            (condition, format!(" where {} is {}", table.fields[choice].name, names[value]))
        }
        _ => {
            let condition = Condition::Not(Box::new(Condition::Is { field: choice, choice: value }));
            (
                condition,
                format!(" where {} is not {}", table.fields[choice].name, names[value].to_lowercase()),
            )
        }
    };
    let number = *table.numbers().choose(rng).unwrap();
    let of = &table.fields[number].name;
    let (metric, what) = match rng.random_range(0..6) {
        0 | 1 => (Metric::Count, format!("how many {}", table.name)),
        2 => (Metric::Sum(number), format!("total {of} of {}", table.name)),
        3 => (Metric::Avg(number), format!("what is the average {of} of all {}", table.name)),
        4 => (Metric::Min(number), format!("lowest {of} of {}", table.name)),
        _ => (Metric::Max(number), format!("what is the highest {of} of {}", table.name)),
    };
    let groupable =
        table.places(|kind| matches!(kind, Kind::Choice(_) | Kind::Choices(_) | Kind::Link { .. }));
    let by = rng.random_bool(0.5).then(|| *groupable.choose(rng).unwrap());
    let by_ = by.map(|by| format!(" by {}", table.fields[by].name)).unwrap_or_default();
    let question = format!("{what}{by_}{where_}?");

    let answer = chat.ask(&question).await.text();
    let rows = world.rows(table, &condition);
    let Some(by) = by else {
        let truth = world.compute(table, &rows, metric);
        let line = answer.lines().next().unwrap();
        let right = match truth {
            Some(truth) => {
                numbers(line).iter().any(|shown| near(*shown, truth))
                    || (truth == 0.0 && line.contains(" no "))
            }
            None => ["no ", "none", "(empty)"].iter().any(|word| line.contains(word)),
        };
        assert!(right, "{question}\nexpected {truth:?} in: {answer}");
        return;
    };
    let mut truth = world.groups(table, &rows, by);
    let shown = groups(&answer);
    assert_eq!(shown.len(), truth.len(), "{question}: {answer}\n{:?}", truth.keys());
    for (key, shown) in shown {
        let rows = truth.remove(&key).unwrap_or_else(|| panic!("{question}: {key:?} is no group: {answer}"));
        match (world.compute(table, &rows, metric), shown) {
            (Some(truth), Some(shown)) => {
                assert!(near(shown, truth), "{question}: {key} is {truth}: {answer}")
            }
            (truth, shown) => assert_eq!(shown, truth, "{question}: {key}: {answer}"),
        }
    }
}

fn near(shown: f64, truth: f64) -> bool {
    (shown - truth).abs() <= truth.abs() * 1e-6
}

/// Every number of a text.
fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .filter_map(|word| word.trim_end_matches('.').parse().ok())
        .collect()
}

/// The lines `- key: number`; the key of records without a value is empty, a number that there is not is `None`.
pub(crate) fn groups(answer: &str) -> BTreeMap<String, Option<f64>> {
    let lines = answer.lines().filter_map(|line| line.strip_prefix("- ")?.rsplit_once(": "));
    lines
        .map(|(key, number)| {
            let key = if key == "(empty)" { "" } else { key };
            (key.to_owned(), number.split(' ').next().and_then(|number| number.parse().ok()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_listed_counted_and_found() {
    let (world, system, mut rng) = started().await;
    let chat = system.chat();
    let tables = chat.ask("which tables are there?").await.text();
    for table in &world.tables {
        assert!(tables.contains(&table.name), "{tables}");
        let fields = chat.ask(&format!("what are the fields of {}?", table.name)).await.text();
        assert!(table.fields.iter().all(|field| fields.contains(&field.name)), "{fields}");
        let row = table.rows.choose(&mut rng).unwrap();
        let word = row.title().split(' ').next().unwrap();
        let found = chat.ask(&format!("find {word}")).await.text();
        assert!(found.contains(row.title()), "{found}");
        let choice = table.places(|kind| matches!(kind, Kind::Choice(_)))[0];
        let Kind::Choice(names) = &table.fields[choice].kind else { unreachable!("it is one") };
        let rows = world.rows(table, &Condition::Is { field: choice, choice: 0 });
        let question = format!("list {} where {} is {}", table.name, table.fields[choice].name, names[0]);
        let listed = chat.ask(&question).await.text();
        let shown = rows.iter().filter(|row| listed.contains(table.rows[**row].title())).count();
        let first = numbers(listed.lines().next().unwrap());
        assert!(
            rows.len() < 2 || first.contains(&(rows.len() as f64)),
            "{} of {question}: {listed}",
            rows.len()
        );
        assert!(shown == rows.len() || first.contains(&(shown as f64)), "{shown} shown: {listed}");
        for other in (0..table.rows.len()).filter(|row| !rows.contains(row)) {
            assert!(!listed.contains(&format!("- {} (", table.rows[other].title())), "{listed}");
        }
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_created_changed_and_deleted_in_words_with_the_users_yes() {
    let (world, system, _) = started().await;
    let table = &world.tables[1];
    let (title, name) = (table.title(), &table.name);
    let number = &table.fields[table.places(|kind| matches!(kind, Kind::Number { .. }))[0]].name;
    let chat = system.chat();
    let records = async || system.airtable().records(&world.id, &table.id).await;
    let ours = async || {
        let all = records().await;
        all.into_iter()
            .find(|record| record["fields"][title] == "Quovadis")
            .map(|record| record["fields"].clone())
    };
    chat.ask_in("s", &format!("add a {name} called Quovadis with {number} 12")).await.text();
    let cells = ours().await.expect("it is there");
    assert_eq!(cells[number], 12);

    let asked = chat.ask_in("s", &format!("set {number} of Quovadis in {name} to 13")).await;
    assert_eq!(ours().await.unwrap()[number], 12, "cells were read, so it asks: {}", asked.text());
    chat.ask_in("s", "yes").await.text();
    assert_eq!(ours().await.unwrap()[number], 13);

    let asked = chat.ask_in("s", &format!("delete the {name} Quovadis")).await;
    assert!(asked.text().contains("Quovadis") && ours().await.is_some(), "{}", asked.text());
    chat.ask_in("s", "no, keep it").await.text();
    assert!(ours().await.is_some());
    chat.ask_in("s", &format!("delete the {name} Quovadis")).await.approval();
    chat.ask_in("s", "yes").await.text();
    assert_eq!((ours().await, records().await.len()), (None, table.rows.len()));
    system.stop().await;
}
