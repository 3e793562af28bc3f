//! What formulas cost: `cargo run --release -p airtable-formula --example bench`
//!
//! One core, typed rows in memory. The first line is the target case with its compilation included.

use std::hint::black_box;
use std::time::{Duration, Instant};

use airtable_formula::{
    Context, Date, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Tree, Value,
};

const RECORDS: usize = 100_000;

/// How often each measurement is repeated; the median counts.
const ROUNDS: usize = 9;

const TARGET: &str = "AND({Status}='Open', {Amount}>100, IS_AFTER({Due}, '2026-01-01'))";

struct Record {
    id: String,
    name: String,
    status: &'static str,
    amount: f64,
    quantity: f64,
    discount: Option<f64>,
    due: Option<Date>,
    created: Timestamp,
    done: bool,
    tags: Vec<&'static str>,
    owner: &'static str,
    notes: String,
    email: String,
}

impl Row for Record {
    fn field(&self, index: usize) -> Value<'_> {
        match index {
            0 => self.name.as_str().into(),
            1 => self.status.into(),
            2 => self.amount.into(),
            3 => self.quantity.into(),
            4 => self.discount.map_or(Value::Blank, Value::Number),
            5 => self.due.clone().map_or(Value::Blank, Value::Date),
            6 => Value::Date(Date::at(self.created)),
            7 if self.done => Value::Boolean(true),
            8 => Value::Array(self.tags.iter().copied().map(Value::from).collect()),
            9 => self.owner.into(),
            10 => self.notes.as_str().into(),
            11 => self.email.as_str().into(),
            _ => Value::Blank,
        }
    }

    fn record_id(&self) -> &str {
        &self.id
    }

    fn created_time(&self) -> Timestamp {
        self.created
    }

    fn last_modified_time(&self, _fields: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}

fn schema() -> Schema {
    use FieldKind::{Array, Checkbox, Date, DateTime, Number, Text};
    let fields = [
        ("Name", Text),
        ("Status", Text),
        ("Amount", Number),
        ("Quantity", Number),
        ("Discount", Number),
        ("Due", Date),
        ("Created", DateTime),
        ("Done", Checkbox),
        ("Tags", Array),
        ("Owner", Text),
        ("Notes", Text),
        ("Email", Text),
    ];
    let numbered = fields.into_iter().enumerate();
    Schema::new(numbered.map(|(index, (name, kind))| FieldDef::new(format!("fld{index:014}"), name, kind)))
}

fn records() -> Vec<Record> {
    let statuses = ["Open", "Done", "Waiting", "Open"];
    let day = |n: usize| format!("202{}-{:02}-{:02}", 4 + n % 4, 1 + n % 12, 1 + n % 28);
    (0..RECORDS)
        .map(|n| Record {
            id: format!("rec{n:014}"),
            name: format!("Task {n} of the plan"),
            status: statuses[n % 4],
            amount: (n * 7919 % 1000) as f64 / 4.0,
            quantity: (n % 13) as f64,
            discount: n.is_multiple_of(3).then_some(0.15),
            due: if n.is_multiple_of(10) { None } else { Date::parse_cell(&day(n)) },
            created: Timestamp::from_second(1_700_000_000 + n as i64 * 61).expect("in this century"),
            done: n.is_multiple_of(2),
            tags: [&["red", "urgent"][..], &["blue"], &[], &["green", "later", "red"]][n % 4].to_vec(),
            owner: ["Ada", "Grace", "Edsger"][n % 3],
            notes: format!("Call {} about invoice {n}, then send the papers by post.", n % 97),
            email: format!("person{n}@example.com"),
        })
        .collect()
}

fn median(mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| run()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn main() {
    let (schema, records) = (schema(), records());
    let limits = Limits::default();
    let context = Context::new("2026-03-01T12:00:00Z".parse().expect("a time"));
    let compile = |text: &str| Formula::compile(text, &schema, &limits).expect("the formula compiles");
    let filter = |formula: &Formula| records.iter().filter(|record| formula.keeps(*record, &context)).count();

    let target = median(|| timed(|| filter(&compile(TARGET))));
    println!(
        "filter of {RECORDS} records of 12 fields, compilation included: {:.1} ms, {} kept (target: 60 ms)",
        target.as_secs_f64() * 1e3,
        filter(&compile(TARGET)),
    );

    let or = (0..500).map(|n| format!("RECORD_ID()='rec{:014}'", n * 200)).collect::<Vec<_>>().join(",");
    let formulas = [
        ("a comparison", "{Amount} > 100".to_owned()),
        ("the filter above", TARGET.to_owned()),
        ("a text", "UPPER({Owner}) & ': ' & {Name} & ' (' & ROUND({Amount} * {Quantity}, 1) & ')'".to_owned()),
        (
            "a search",
            "AND(FIND('red', {Tags}), SEARCH('invoice', LOWER({Notes})), REGEX_MATCH({Email}, '[0-9]+@example\\.com$'))"
                .to_owned(),
        ),
        (
            "a computed label",
            "IF({Due}, SWITCH({Status}, 'Open', IF(DATETIME_DIFF({Due}, NOW(), 'days') < 0, 'overdue since ' & \
             DATETIME_FORMAT({Due}, 'D MMM YYYY'), 'due in ' & DATETIME_DIFF({Due}, NOW(), 'days') & ' days'), 'Done', '✓', \
             LOWER({Status})), IF({Done}, 'done', 'no date')) & IF({Discount}, ' −' & ROUND({Discount} * 100) & '%', '')"
                .to_owned(),
        ),
        ("500 record ids", format!("OR({or})")),
    ];
    println!("\n{:>8} {:>12} {:>12} {:>12}  formula", "bytes", "parse µs", "compile µs", "ns/record");
    for (name, text) in &formulas {
        let compiled = compile(text);
        let parse_time = median(|| timed(|| Tree::parse(text)));
        let compile_time = median(|| timed(|| compile(text)));
        let evaluate = median(|| {
            timed(|| records.iter().for_each(|record| drop(black_box(compiled.evaluate(record, &context)))))
        });
        println!(
            "{:>8} {:>12.1} {:>12.1} {:>12.0}  {name}",
            text.len(),
            parse_time.as_secs_f64() * 1e6,
            compile_time.as_secs_f64() * 1e6,
            evaluate.as_secs_f64() * 1e9 / RECORDS as f64,
        );
    }
}
