//! What the worst formulas cost, in time and memory: `cargo run --release -p airtable-formula --example limits`
//!
//! Each formula is compiled and, if it compiles, evaluated, on a record with long texts and a long list. Exit code 1 if one
//! takes more than 50 ms or 50 MB. Then the memory that compiled formulas keep.

use std::process::ExitCode;
use std::time::Instant;

use airtable_formula::{
    Context, ErrorKind, FieldDef, FieldKind, Formula, Limits, Row, Schema, Timestamp, Value,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MOST_MS: f64 = 50.0;
const MOST_MB: f64 = 50.0;

struct Record {
    long: String,
    list: Vec<String>,
    long_list: Vec<String>,
}

impl Row for Record {
    fn field(&self, index: usize) -> Value<'_> {
        match index {
            0 => self.long.as_str().into(),
            1 => Value::Array(self.list.iter().map(|item| item.as_str().into()).collect()),
            2 => 2.0.into(),
            _ => Value::Array(self.long_list.iter().map(|item| item.as_str().into()).collect()),
        }
    }
    fn record_id(&self) -> &str {
        "rec00000000000000"
    }
    fn created_time(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn last_modified_time(&self, _: Option<&[usize]>) -> Option<Timestamp> {
        None
    }
}

fn hostile() -> Vec<(String, String)> {
    let named = |name: &str, formula: String| (name.to_owned(), formula);
    let longest = Limits::default().formula_bytes;
    let filled = |piece: &str, end: &str| piece.repeat((longest - end.len()) / piece.len()) + end;
    let many = |piece: &str, count: usize| format!("COUNTALL({})", vec![piece; count].join(","));
    let mut all = vec![
        named("1 MB of text", "\"a\"&".repeat(250_000)),
        named("10,000 parentheses", format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000))),
        named("10,000 calls in each other", format!("{}1{}", "ABS(".repeat(10_000), ")".repeat(10_000))),
    ];
    // As long as is allowed, of pieces that make many nodes, names, texts, errors.
    for (piece, end) in [
        ("1+", "1"),
        ("{L}&", "L"),
        ("{x}&", "1"),
        ("x+", "1"),
        ("f(1)+", "1"),
        ("\"\"&", "1"),
        ("-", "N"),
        ("N=", "N"),
        ("(1)+", "1"),
        ("1,", "1"),
        ("{\u{e9}}&", "1"),
        ("NOW()&", "1"),
        ("LEN(L)+", "1"),
        ("\"", ""),
        ("{", ""),
        ("\\", ""),
        ("N ", ""),
        ("RECORD_ID()='a'=", "1"),
    ] {
        all.push(named(&format!("{piece:?} up to the limit"), filled(piece, end)));
    }
    let nested =
        |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(999), close.repeat(999));
    all.extend([
        named("IF in IF", nested("IF(N,", "1", ",0)")),
        named("SWITCH in SWITCH", nested("SWITCH(N,1,", "1", ",0)")),
        named("a REPT bomb", "REPT(L, 1000000000)".to_owned()),
        named("REPT of REPT", "REPT(REPT('abcdefghij', 10000), 10000)".to_owned()),
        named("many REPTs", many("REPT('x', 1000000)", 6_000)),
        named("many texts of records", many("REPT(L, 10)", 10_000)),
        named("many joined lists", many("ARRAYJOIN(A, L)", 8_000)),
        named("many lists", many("A", 60_000)),
        named("a list of lists", format!("ARRAYUNIQUE(ARRAYFLATTEN({}))", vec!["A"; 60_000].join(","))),
        named("a join with a long separator", "ARRAYJOIN(A, REPT('x', 100000))".to_owned()),
        named("60 MB of list", "ARRAYJOIN(B)".to_owned()),
        named("60 MB of list as text", "LEN(B & B)".to_owned()),
        named("60 MB of list, unique", "COUNTALL(ARRAYUNIQUE(B))".to_owned()),
        named("60 MB of list, compared", "B = B".to_owned()),
        named("doubling", (0..60).fold("L".to_owned(), |text, _| format!("SUBSTITUTE({text},'a','aa')"))),
        named("concatenation", filled("L&", "L")),
        named("upper case", nested("UPPER(", "L", ")")),
        named("searches", many("SEARCH('zzz', L)", 7_000)),
        named("long search", many("FIND(REPT('a', 50000)&'b', L)", 4_000)),
        named("formats", many("DATETIME_FORMAT('2024-01-15', REPT('LLLL', 200))", 2_500)),
        named("zones", many("DATETIME_FORMAT(SET_TIMEZONE('2024-01-15', 'Europe/Berlin'))", 2_000)),
        named("numbers", many("ROUND(N/3, 7)&''", 7_500)),
        named("holidays", many("WORKDAY_DIFF('2000-01-01', '2030-01-01', REPT('2024-01-15,', 9000))", 1_500)),
        named("patterns parsed", many("DATETIME_PARSE(REPT('1 ', 400), REPT('Y ', 400))", 2_500)),
        named("(a+)+$", "REGEX_MATCH(REPT('a', 1000000)&'b', '(a+)+$')".to_owned()),
        named("(a|aa)+$ on a record", "REGEX_MATCH(L&'!', '^(a|aa)+$')".to_owned()),
        named("(.*)*x", "REGEX_EXTRACT(REPT('ab', 400000), '(.*)(.*)(.*)(.*)(.*)[^abc]')".to_owned()),
        named("match by match", "REGEX_REPLACE(REPT('A', 1000000), '.*[^A-Z]|[A-Z]', 'b')".to_owned()),
        named("growing matches", "REGEX_REPLACE(L, 'a', REPT('$&', 5000))".to_owned()),
        named(
            "a long match named often",
            "REGEX_REPLACE(REPT('a', 1000000), 'a+', REPT('$&', 500000))".to_owned(),
        ),
        named("groups of nothing", "REGEX_REPLACE(L, '()', REPT('$1', 500000))".to_owned()),
        named("groups of nothing, fewer", "REGEX_REPLACE(L, '()', REPT('$1', 18))".to_owned()),
        named("large repetition", "REGEX_MATCH(L, '((a{100}){100}){100}')".to_owned()),
        named("wide automaton", many("REGEX_MATCH(L, '(a|b|c){500}[^x]{500}$')", 3_000)),
        named("case of all letters", "REGEX_MATCH(L, '(?i)(\\pL|\\pN|\\pP){100}$')".to_owned()),
        named("many patterns", {
            let patterns = (0..4_000).map(|n| format!("REGEX_MATCH(L,'(a{n}|b){{90}}')"));
            format!("OR({})", patterns.collect::<Vec<_>>().join(","))
        }),
        named("many large automata", {
            let patterns = (0..2_000).map(|n| format!("REGEX_MATCH(L,'(a|b)*a(a|b){{{}}}{n}')", 12 + n % 5));
            format!("OR({})", patterns.collect::<Vec<_>>().join(","))
        }),
        named("patterns of the record", many("REGEX_MATCH(L, RIGHT(L, 9)&'+')", 4_000)),
    ]);
    all
}

/// What comes of a formula, in words.
fn run(formula: &str, schema: &Schema, record: &Record) -> String {
    match Formula::compile(formula, schema, &Limits::default()) {
        Err(error) => format!("refused: {}", error.to_string().lines().next().unwrap_or_default()),
        Ok(compiled) => match compiled.evaluate(record, &Context::new(Timestamp::UNIX_EPOCH)) {
            Value::Error(ErrorKind::Limit) => "error: too expensive".to_owned(),
            Value::Error(kind) => format!("error: {kind}"),
            value => format!("a value of {} bytes", value.to_string().len()),
        },
    }
}

fn main() -> ExitCode {
    let schema = Schema::new([
        FieldDef::new("fldLong0000000000", "L", FieldKind::Text),
        FieldDef::new("fldList0000000000", "A", FieldKind::Array),
        FieldDef::new("fldNumber00000000", "N", FieldKind::Number),
        FieldDef::new("fldLongList000000", "B", FieldKind::Array),
    ]);
    let record = Record {
        long: "a".repeat(100_000),
        list: (0..5_000).map(|n| format!("item {n}")).collect(),
        long_list: vec!["b".repeat(60_000); 1000],
    };
    let context = Context::new(Timestamp::UNIX_EPOCH);
    let limits = Limits::default();
    let mut over = false;
    println!("{:>8} {:>8}  result", "ms", "MB");
    for (name, formula) in hostile() {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage_as_mb();
        // The quickest of three is what the formula costs; the others are what else the machine did.
        let runs = (0..3).map(|_| {
            let start = Instant::now();
            let result = run(&formula, &schema, &record);
            (start.elapsed().as_secs_f64() * 1e3, result)
        });
        let (ms, result) = runs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
        let mb = f64::from(MEMORY.peak_usage_as_mb() - before);
        let mark = if ms > MOST_MS || mb > MOST_MB { "  <== OVER" } else { "" };
        over |= !mark.is_empty();
        let result: String = result.chars().take(80).collect();
        println!("{ms:8.2} {mb:8.2}  {name}: {result}{mark}");
    }

    println!("\n{:>8} {:>10}  compiled formula", "bytes", "kept bytes");
    for formula in [
        "{N} > 100",
        "AND({L}='Open', {N}>100, IS_AFTER({L}, '2026-01-01'))",
        "IF({L}, SWITCH({L}, 'Open', IF({N} < 0, 'overdue since ' & DATETIME_FORMAT({L}, 'D MMM YYYY'), 'due'), 'Done', '✓', LOWER({L})))",
        "REGEX_MATCH({L}, '[0-9]+@example\\.com$')",
        &format!(
            "OR({})",
            (0..500).map(|n| format!("RECORD_ID()='rec{n:014}'")).collect::<Vec<_>>().join(",")
        ),
    ] {
        let before = MEMORY.current_usage();
        let compiled = Formula::compile(formula, &schema, &limits).expect("the formula compiles");
        let kept = MEMORY.current_usage() - before;
        let shown: String = formula.chars().take(70).collect();
        println!("{:>8} {kept:>10}  {shown}", formula.len());
        drop(compiled);
    }

    println!("\n{:>8}  bytes allocated at most while a record is evaluated", "");
    for formula in [
        "{N} > 100",
        "AND({L}='Open', {N}>100, IS_AFTER(CREATED_TIME(), '2026-01-01'))",
        "OR({L}='a', {L}='b', {L}='c', {L}='d', RECORD_ID()='rec00000000000000')",
        "IF(REGEX_MATCH({L}, '^a+$'), MID({L}, 5, 10), SWITCH({N}, 1, 'one', 2, 'two'))",
        "LEN(UPPER({L}))",
    ] {
        let compiled = Formula::compile(formula, &schema, &limits).expect("the formula compiles");
        drop(compiled.evaluate(&record, &context)); // Regular expressions prepare themselves at their first use.
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        drop(compiled.evaluate(&record, &context));
        println!("{:>8}  {formula}", MEMORY.peak_usage().saturating_sub(before));
    }
    if over { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
