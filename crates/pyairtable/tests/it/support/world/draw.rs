//! Draws a base at random: one large table that links to two small ones.

use std::collections::HashSet;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::truth::Number;
use super::words::Words;
use super::{Cell, Field, Kind, Row, Size, Table, World};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

pub(super) fn base(rng: &mut StdRng, words: &mut Words, size: &Size) -> World {
    let counts =
        [size.records.clone(), size.others.clone(), size.others.clone()].map(|range| rng.random_range(range));
    let tables = counts
        .iter()
        .map(|_| Table {
            id: id(rng, "tbl"),
            name: words.name(rng),
            fields: vec![field(rng, words, Kind::Title)],
            view: id(rng, "viw"),
            rows: Vec::new(),
        })
        .collect();
    let mut world = World { id: id(rng, "app"), name: words.name(rng), tables };
    for table in 0..3 {
        for kind in kinds(rng, words, table == 0) {
            let field = field(rng, words, kind);
            world.tables[table].fields.push(field);
        }
    }
    for (to, single) in [(1, false), (2, true)] {
        let [mut link, mut back] = [Kind::Title, Kind::Title].map(|kind| field(rng, words, kind));
        link.kind = Kind::Link { to, single, inverse: back.id.clone() };
        back.kind = Kind::Back { from: 0, link: link.id.clone() };
        world.tables[0].fields.push(link);
        world.tables[to].fields.push(back);
    }
    for table in &mut world.tables {
        let computed = computed(rng, table);
        for kind in computed {
            let field = field(rng, words, kind);
            table.fields.push(field);
        }
    }
    for (table, count) in counts.iter().enumerate().rev() {
        let rows: Vec<Row> = (0..*count).map(|at| row(rng, words, &world, table, at)).collect();
        // Ids order the records of a listing; rows stand in that order here as well.
        world.tables[table].rows = rows;
    }
    world
}

/// What a table has beside its title: some of everything that numbers can be computed of.
fn kinds(rng: &mut StdRng, words: &mut Words, is_large: bool) -> Vec<Kind> {
    let mut choices = |rng: &mut StdRng| {
        let count = rng.random_range(3..6);
        (0..count).map(|_| words.name(rng)).collect::<Vec<_>>()
    };
    let mut kinds = vec![Kind::Number { places: rng.random_range(0..4) }, Kind::Choice(choices(rng))];
    if is_large {
        kinds.extend([
            Kind::Money { symbol: ["$", "€", "CHF"].choose(rng).unwrap() },
            Kind::Choices(choices(rng)),
            Kind::Check,
            Kind::Day,
        ]);
    }
    let mut more = [
        Kind::Note,
        Kind::Email,
        Kind::Percent,
        Kind::Stars { most: rng.random_range(3..10) },
        Kind::Instant,
        Kind::Choice(choices(rng)),
        Kind::Number { places: 0 },
    ];
    more.shuffle(rng);
    kinds.extend(more.into_iter().take(if is_large { 4 } else { 2 }));
    kinds.shuffle(rng);
    kinds
}

fn computed(rng: &mut StdRng, table: &Table) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if let Some(link) = table.places(|kind| matches!(kind, Kind::Link { .. } | Kind::Back { .. })).choose(rng)
    {
        kinds.push(Kind::LinkCount { link: *link });
    }
    let plain = table.places(|kind| matches!(kind, Kind::Number { .. }));
    if let Some(of) = plain.choose(rng) {
        let Kind::Number { places } = table.fields[*of].kind else { return kinds };
        kinds.push(Kind::Twice { of: *of, places });
    }
    kinds
}

fn row(rng: &mut StdRng, words: &mut Words, world: &World, table: usize, at: usize) -> Row {
    let title = format!("{} {at}", words.word(rng));
    let cells = world.tables[table].fields.iter().map(|field| cell(rng, words, world, &field.kind, &title));
    let cells = cells.collect();
    // Ascending, so that the order of ids is the order of rows.
    let mut id = format!("rec{at:05}");
    id.extend((0..9).map(|_| char::from(*LETTERS.choose(rng).unwrap())));
    Row { id, cells }
}

fn cell(rng: &mut StdRng, words: &mut Words, world: &World, kind: &Kind, title: &str) -> Cell {
    let is_blank = |rng: &mut StdRng| rng.random_bool(0.15);
    match kind {
        Kind::Title => Cell::Text(title.to_owned()),
        Kind::Back { .. } | Kind::LinkCount { .. } | Kind::Twice { .. } => Cell::Blank,
        Kind::Check => {
            if rng.random_bool(0.4) {
                Cell::Ticked
            } else {
                Cell::Blank
            }
        }
        _ if is_blank(rng) => Cell::Blank,
        Kind::Note => Cell::Text(words.prose(rng)),
        Kind::Email => Cell::Text(format!("{}@example.com", title.to_lowercase().replace(' ', "."))),
        Kind::Number { places } => number(rng, -20_000..100_000, *places),
        Kind::Money { .. } => number(rng, -5_000..900_000, 2),
        Kind::Percent => number(rng, 0..2_000, 3),
        Kind::Stars { most } => number(rng, 1..i64::from(*most) + 1, 0),
        Kind::Choice(names) => Cell::Choice(rng.random_range(0..names.len())),
        Kind::Choices(names) => {
            let count = rng.random_range(1..names.len());
            let mut all: Vec<usize> = (0..names.len()).collect();
            all.shuffle(rng);
            Cell::Choices(all.into_iter().take(count).collect())
        }
        Kind::Day => Cell::Date(day(rng)),
        Kind::Instant => {
            let (hour, minute) = (rng.random_range(0..24), rng.random_range(0..60));
            Cell::Date(format!("{}T{hour:02}:{minute:02}:00.000Z", day(rng)))
        }
        Kind::Link { to, single, .. } => {
            let rows = world.tables[*to].rows.len();
            let count = if *single { 1 } else { rng.random_range(1..4) };
            let chosen: HashSet<usize> = (0..count).map(|_| rng.random_range(0..rows)).collect();
            let mut chosen: Vec<usize> = chosen.into_iter().collect();
            chosen.sort_unstable();
            Cell::Links(chosen)
        }
    }
}

fn number(rng: &mut StdRng, range: std::ops::Range<i64>, places: u8) -> Cell {
    Cell::Number(Number::new(i128::from(rng.random_range(range)), places))
}

fn day(rng: &mut StdRng) -> String {
    format!("2025-{:02}-{:02}", rng.random_range(1..13), rng.random_range(1..29))
}

fn field(rng: &mut StdRng, words: &mut Words, kind: Kind) -> Field {
    Field { id: id(rng, "fld"), name: words.name(rng), kind }
}

fn id(rng: &mut StdRng, prefix: &str) -> String {
    let tail = (0..14).map(|_| char::from(*LETTERS.choose(rng).unwrap()));
    prefix.chars().chain(tail).collect()
}
