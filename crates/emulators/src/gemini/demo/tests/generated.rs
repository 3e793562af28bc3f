//! Questions over bases whose names no rule knows, with the truth computed beside.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Map, Value, json};

use super::world::{World, WorldTable, field, link, select};

/// Makes up words that no language has, each only once.
struct Words {
    random: StdRng,
    seen: Vec<String>,
}

impl Words {
    fn one(&mut self) -> String {
        const ONSETS: [&str; 14] =
            ["z", "fl", "gr", "m", "kw", "br", "v", "pl", "dr", "n", "qu", "sk", "tr", "h"];
        const VOWELS: [&str; 8] = ["a", "e", "i", "o", "u", "oo", "ä", "é"];
        const CODAS: [&str; 8] = ["b", "nk", "rt", "x", "m", "lp", "g", "zz"];
        loop {
            let mut word = String::new();
            for _ in 0..2 {
                word.push_str(ONSETS.choose(&mut self.random).unwrap());
                word.push_str(VOWELS.choose(&mut self.random).unwrap());
            }
            word.push_str(CODAS.choose(&mut self.random).unwrap());
            if !self.seen.contains(&word) {
                self.seen.push(word.clone());
                return word;
            }
        }
    }

    /// One or two words, the first with a capital.
    fn name(&mut self) -> String {
        let first = self.one();
        let mut name: String = first.chars().take(1).flat_map(char::to_uppercase).collect();
        name.extend(first.chars().skip(1));
        if self.random.random_bool(0.3) {
            name.push(' ');
            name.push_str(&self.one());
        }
        name
    }

    fn names(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.name()).collect()
    }
}

/// A base of two tables, and the names in it.
struct Made {
    world: World,
    main: String,
    other: String,
    choice: (String, Vec<String>),
    tags: (String, Vec<String>),
    number: String,
    flag: String,
    day: String,
    link: String,
    people: Vec<String>,
    random: StdRng,
}

fn make(seed: u64) -> Made {
    let mut random = StdRng::seed_from_u64(seed);
    let mut words = Words { random: StdRng::seed_from_u64(seed ^ 1), seen: Vec::new() };
    let (main, other, primary, number, second, flag, day) =
        (words.name(), words.name(), words.name(), words.name(), words.name(), words.name(), words.name());
    let link_name = words.name();
    let choice = (words.name(), words.names(4));
    let tags = (words.name(), words.names(3));
    let people = words.names(5);
    let texts = |names: &[String]| names.iter().map(String::clone).collect::<Vec<_>>();
    let as_refs = |names: &[String]| -> Vec<String> { texts(names) };
    let choices: Vec<String> = as_refs(&choice.1);
    let refs: Vec<&str> = choices.iter().map(String::as_str).collect();
    let tag_refs: Vec<&str> = tags.1.iter().map(String::as_str).collect();
    let count = random.random_range(0..60);
    let records = (0..count).map(|n| {
        let mut cells = Map::new();
        cells.insert(primary.clone(), json!(format!("Item {n}")));
        let mut put = |name: &str, chance: f64, value: Value, random: &mut StdRng| {
            if random.random_bool(chance) {
                cells.insert(name.to_owned(), value);
            }
        };
        let chosen = choice.1.choose(&mut random).unwrap().clone();
        put(&choice.0, 0.9, json!(chosen), &mut random);
        let some: Vec<&String> = tags.1.iter().filter(|_| random.random_bool(0.4)).collect();
        if !some.is_empty() {
            put(&tags.0, 1.0, json!(some), &mut random);
        }
        let amount = random.random_range(-20..200);
        put(&number, 0.8, json!(amount), &mut random);
        put(&second, 0.5, json!(7), &mut random);
        put(&flag, 0.4, json!(true), &mut random);
        let date = format!("2026-{:02}-{:02}", random.random_range(1..13), random.random_range(1..29));
        put(&day, 0.7, json!(date), &mut random);
        let linked: Vec<&String> = people.iter().filter(|_| random.random_bool(0.3)).collect();
        if !linked.is_empty() {
            put(&link_name, 1.0, json!(linked), &mut random);
        }
        (format!("rec{n:014}"), cells)
    });
    let records = records.collect();
    let own_primary = words.name();
    let tables = vec![
        WorldTable {
            name: other.clone(),
            fields: vec![field(&own_primary, "singleLineText")],
            records: people
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    (format!("rec{:014}", 5000 + n), Map::from_iter([(own_primary.clone(), json!(name))]))
                })
                .collect(),
        },
        WorldTable {
            name: main.clone(),
            fields: vec![
                field(&primary, "singleLineText"),
                select(&choice.0, "singleSelect", &refs),
                select(&tags.0, "multipleSelects", &tag_refs),
                field(&number, "number"),
                field(&second, "number"),
                field(&flag, "checkbox"),
                field(&day, "date"),
                link(&link_name, &other),
            ],
            records,
        },
    ];
    let mut world = World::new(tables);
    world.page = 7;
    Made { world, main, other, choice, tags, number, flag, day, link: link_name, people, random }
}

impl Made {
    fn count(&self, keep: impl Fn(&Map<String, Value>) -> bool) -> i64 {
        self.world.table(&self.main).records.iter().filter(|(_, cells)| keep(cells)).count() as i64
    }

    fn values(&self, keep: impl Fn(&Map<String, Value>) -> bool) -> Vec<i64> {
        let records = self.world.table(&self.main).records.iter().filter(|(_, cells)| keep(cells));
        records.filter_map(|(_, cells)| cells.get(&self.number)?.as_i64()).collect()
    }

    /// As people write names: in quotes, in lower case, with an s.
    fn written(&mut self, name: &str) -> String {
        match self.random.random_range(0..4) {
            0 => format!("\"{name}\""),
            1 => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    fn many(&mut self) -> String {
        let main = self.main.clone();
        match self.random.random_range(0..3) {
            0 => main,
            1 => format!("{}s", main.to_lowercase()),
            _ => format!("{main}s"),
        }
    }
}

fn holds(cells: &Map<String, Value>, field: &str, value: &str) -> bool {
    match cells.get(field) {
        Some(Value::String(text)) => text == value,
        Some(Value::Array(items)) => items.iter().any(|item| item == value),
        _ => false,
    }
}

/// The number that the answer gives: the first of a count, or the one behind the last colon.
fn number_of(answer: &str) -> Option<f64> {
    if answer.starts_with("There are no records") {
        return Some(0.0);
    }
    let first = answer.split(' ').next()?.parse().ok();
    first.or_else(|| {
        let line = answer.lines().next()?;
        line.rsplit_once(": ")?.1.split(' ').next()?.parse().ok()
    })
}

#[track_caller]
fn check(made: &mut Made, question: &str, expected: f64) {
    let answer = made.world.ask(question);
    let said = number_of(&answer);
    assert!(
        said.is_some_and(|said| (said - expected).abs() < 1e-6),
        "{question}\nexpected {expected}, said {said:?}: {answer}\n{:?}",
        made.world.calls.last()
    );
}

/// The groups of an answer by their keys.
fn groups_of(answer: &str) -> BTreeMap<String, i64> {
    answer
        .lines()
        .filter_map(|line| line.strip_prefix("- ")?.rsplit_once(": "))
        .map(|(key, number)| (key.to_owned(), number.parse().unwrap_or(i64::MIN)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_right_on_any_base(seed in any::<u64>()) {
        let mut made = make(seed);
        let (choice, tags, flag, day, number) =
            (made.choice.clone(), made.tags.clone(), made.flag.clone(), made.day.clone(), made.number.clone());
        let all = made.count(|_| true) as f64;
        let question = format!("How many {} are there?", made.many());
        check(&mut made, &question, all);

        let one = choice.1[0].clone();
        let two = choice.1[1].clone();
        let is_one = made.count(|cells| holds(cells, &choice.0, &one)) as f64;
        let is_either = made.count(|cells| holds(cells, &choice.0, &one) || holds(cells, &choice.0, &two)) as f64;
        let (many, field, value, other) =
            (made.many(), made.written(&choice.0), made.written(&one), made.written(&two));
        for question in [
            format!("how many {many} where {field} is {value}?"),
            format!("How many {many} have {field} {value}?"),
            format!("count {many} with {field} = {value}"),
            format!("how many {value} {many} are there"),
            format!("how many {many} are {value}?"),
        ] {
            check(&mut made, &question, is_one);
        }
        check(&mut made, &format!("how many {many} where {field} is not {value}"), all - is_one);
        check(&mut made, &format!("how many {many} where {field} is {value} or {other}?"), is_either);
        let empty = made.count(|cells| !cells.contains_key(&choice.0)) as f64;
        check(&mut made, &format!("how many {many} without {field}"), empty);
        check(&mut made, &format!("how many {many} where {field} is empty"), empty);

        let tag = tags.1[2].clone();
        let tagged = made.count(|cells| holds(cells, &tags.0, &tag)) as f64;
        check(&mut made, &format!("how many {many} where {} is {tag}", tags.0), tagged);

        let flagged = made.count(|cells| cells.contains_key(&flag)) as f64;
        check(&mut made, &format!("how many {many} where {flag} is checked"), flagged);
        check(&mut made, &format!("how many {flag} {many}"), flagged);
        check(&mut made, &format!("how many {many} are not {flag}?"), all - flagged);

        let amount = |cells: &Map<String, Value>| cells.get(&number).and_then(Value::as_i64);
        let over = made.count(|cells| amount(cells).is_some_and(|amount| amount > 50)) as f64;
        let under = made.count(|cells| amount(cells).is_some_and(|amount| amount < 10)) as f64;
        let between = made.count(|cells| amount(cells).is_some_and(|amount| (10..=50).contains(&amount))) as f64;
        let zero = made.count(|cells| amount(cells) == Some(0)) as f64;
        check(&mut made, &format!("how many {many} have {number} over 50"), over);
        check(&mut made, &format!("how many {many} have more than 50 {number}"), over);
        check(&mut made, &format!("how many {many} with {number} < 10?"), under);
        check(&mut made, &format!("how many {many} have {number} between 10 and 50"), between);
        check(&mut made, &format!("how many {many} have {number} 0"), zero);

        let date = |cells: &Map<String, Value>| cells.get(&day).and_then(Value::as_str).map(str::to_owned);
        let before = made.count(|cells| date(cells).is_some_and(|day| day.as_str() < "2026-06-15")) as f64;
        let in_march = made.count(|cells| date(cells).is_some_and(|day| day.starts_with("2026-03"))) as f64;
        let undated = made.count(|cells| !cells.contains_key(&day)) as f64;
        check(&mut made, &format!("how many {many} with {day} before 2026-06-15"), before);
        check(&mut made, &format!("how many {many} with {day} in March 2026"), in_march);
        check(&mut made, &format!("how many {many} have no {day}"), undated);
        let both = made.count(|cells| holds(cells, &choice.0, &one) && date(cells).is_some_and(|day| day.as_str() < "2026-06-15")) as f64;
        check(&mut made, &format!("how many {value} {many} have {day} before 2026-06-15"), both);
    }

    #[test]
    fn sums_groups_and_linked_names_are_right_on_any_base(seed in any::<u64>()) {
        let mut made = make(seed);
        let (many, number, link, other) = (made.many(), made.number.clone(), made.link.clone(), made.other.clone());
        let choice = made.choice.clone();
        let values = made.values(|_| true);
        let sum: i64 = values.iter().sum();
        check(&mut made, &format!("what is the total {number} of all {many}?"), sum as f64);
        check(&mut made, &format!("sum of {number} of {many}"), sum as f64);
        let one = choice.1[0].clone();
        let of_one = made.values(|cells| holds(cells, &choice.0, &one));
        check(&mut made, &format!("total {number} of {many} where {} is {one}", choice.0), of_one.iter().sum::<i64>() as f64);
        if !values.is_empty() {
            check(&mut made, &format!("average {number} of {many}"), sum as f64 / values.len() as f64);
            check(&mut made, &format!("what is the highest {number} of all {many}"), *values.iter().max().unwrap() as f64);
            check(&mut made, &format!("minimum {number} of {many}"), *values.iter().min().unwrap() as f64);
        }

        let mut by_choice: BTreeMap<String, i64> = BTreeMap::new();
        let mut by_link: BTreeMap<String, i64> = BTreeMap::new();
        for (_, cells) in &made.world.table(&made.main).records {
            let key = cells.get(&choice.0).and_then(Value::as_str).unwrap_or("(empty)");
            *by_choice.entry(key.to_owned()).or_default() += 1;
            match cells.get(&link).and_then(Value::as_array) {
                Some(names) => names.iter().for_each(|name| *by_link.entry(name.as_str().unwrap().to_owned()).or_default() += 1),
                None => *by_link.entry("(empty)".to_owned()).or_default() += 1,
            }
        }
        for question in [
            format!("how many {many} per {}", choice.0),
            format!("How many {many} are there for each {}?", made.written(&choice.0)),
            format!("{many} by {}", choice.0),
        ] {
            let answer = made.world.ask(&question);
            prop_assert_eq!(groups_of(&answer), by_choice.clone(), "{}\n{}", question, answer);
        }
        for question in [format!("how many {many} per {link}"), format!("how many {many} does each {other} have?")] {
            let answer = made.world.ask(&question);
            prop_assert_eq!(groups_of(&answer), by_link.clone(), "{}\n{}", question, answer);
        }
        let name = made.people[1].clone();
        let linked = made.count(|cells| holds(cells, &link, &name)) as f64;
        for question in [
            format!("how many {many} where {link} is {name}"),
            format!("how many {many} does {name} have?"),
            format!("how many {many} of \"{name}\""),
        ] {
            check(&mut made, &question, linked);
        }
        let total = made.count(|_| true);
        let answer = made.world.ask(&format!("list all {many}"));
        let starts = match total {
            0 => "There are no records".to_owned(),
            1 => "Item".to_owned(),
            2..=7 => format!("{total} records"),
            more => format!("7 of {more} records"),
        };
        prop_assert!(answer.starts_with(&starts), "{answer}");
    }

    #[test]
    fn nothing_that_is_asked_breaks_it_and_unknown_words_get_no_number(seed in any::<u64>(), text in "\\PC{0,60}") {
        let mut made = make(seed);
        made.world.ask(&text);
        let many = made.many();
        let answer = made.world.ask(&format!("how many {many} are wubbeldy?"));
        prop_assert!(answer.starts_with("I do not know what \"wubbeldy\" is"), "{answer}");
    }
}
