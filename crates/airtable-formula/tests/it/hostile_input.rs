//! Formulas that try to exhaust the stack, the memory or the patience of whoever evaluates them. Everything here runs on the
//! small stack of a test thread, without optimisation.

use airtable_formula::{CompileError, ErrorKind, Formula, Limits, Value};

use crate::helpers::{context, sample};

/// Length and nesting are not what these tests are about, unless they say so.
fn wide() -> Limits {
    Limits { formula_bytes: 1 << 20, nesting: usize::MAX, ..Limits::default() }
}

fn compile(formula: &str) -> Result<Formula, CompileError> {
    Formula::compile(formula, &sample().schema(), &wide())
}

#[track_caller]
fn check(formula: &str, expected: &str) {
    let sample = sample();
    let shown: String = formula.chars().take(60).collect();
    let compiled = compile(formula).expect("the formula is well-formed");
    assert_eq!(compiled.evaluate(&sample, &context()).to_string(), expected, "{shown}");
}

#[track_caller]
fn hits_the_limit(formula: &str) {
    let sample = sample();
    let formula = compile(formula).expect("the formula is well-formed");
    assert_eq!(formula.evaluate(&sample, &context()), Value::Error(ErrorKind::Limit));
}

#[test]
fn nesting_is_never_too_deep() {
    let depth = 50_000;
    check(&format!("{}1{}", "(".repeat(depth), ")".repeat(depth)), "1");
    check(&format!("{}Done", "-".repeat(depth)), "1");
    check(&format!("{}1{}", "IF(Done,".repeat(depth), ",0)".repeat(depth)), "1");
    check(&format!("{}1{}", "IF(TRUE(),".repeat(depth), ",0)".repeat(depth)), "1");
    check(&format!("{}Done{}", "NOT(".repeat(depth), ")".repeat(depth)), "1");
    check(&format!("{}1{}", "SWITCH(1,1,".repeat(depth), ",0)".repeat(depth)), "1");
    check(&format!("1{}", "+1".repeat(depth)), "50001");
    check(&format!("{}1{}", "(1-".repeat(depth), ")".repeat(depth)), "1");
    check(&format!("LEN(\"a\"{})", "&\"a\"".repeat(depth)), "50001");
    check(&format!("SUM(1{})", ",1".repeat(depth)), "50001");
    let deep = compile(&format!("{}Done{}", "NOT(".repeat(depth), ")".repeat(depth))).unwrap();
    assert_eq!(deep.to_string().len(), 5 * depth + 4);
}

#[test]
fn parentheses_that_nobody_opened_are_refused_without_a_limit_on_nesting_too() {
    for formula in ["1)", "SUM(1))", "(1)))", "1,)"] {
        assert!(matches!(compile(formula), Err(CompileError::Syntax { .. })), "{formula}");
    }
}

#[test]
fn ten_thousand_parentheses_and_a_megabyte_are_refused_by_default() {
    let refused = |formula: &str| {
        let error = Formula::compile(formula, &sample().schema(), &Limits::default()).unwrap_err();
        error.to_string().lines().next().unwrap_or_default().to_owned()
    };
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(refused(&nested(10_000)), "the formula is nested too deeply (line 1, column 1001)");
    assert_eq!(
        refused(&format!("{}1", "IF(1,".repeat(1001))),
        "the formula is nested too deeply (line 1, column 5001)"
    );
    assert_eq!(refused(&"1+".repeat(500_000)), "the formula has 1000000 bytes; 131072 are allowed");
    // What people and programs write is far from that.
    let schema = sample().schema();
    let compiles = |formula: &str| Formula::compile(formula, &schema, &Limits::default()).is_ok();
    assert!(compiles(&nested(1000)));
    assert!(compiles(&format!("1{}", " + (1)".repeat(2000))), "side by side is not nested");
    assert!(compiles(&format!("{}1{}", "IF(Done, ".repeat(60), ", 0)".repeat(60))));
    assert!(compiles(&format!("OR({})", vec!["RECORD_ID()='recAAAAAAAAAAAAA1'"; 4000].join(","))));
}

#[test]
fn a_megabyte_of_anything_gives_an_answer() {
    for piece in [
        "(", ")", "-", "IF(", "{", "{a}", "\"", "\\", "a", "1", ",", " ", "é", "[", "a(", "\"a\"&",
        "{Name}&", "1=", "{x}+",
    ] {
        let formula = piece.repeat((1 << 20) / piece.len());
        let refused = match compile(&formula) {
            Ok(compiled) => {
                compiled.evaluate(&sample(), &context());
                false
            }
            Err(error) => error.to_string().len() < 5000 && !error.api_message().is_empty(),
        };
        assert!(refused || piece == "1", "{piece}");
    }
}

#[test]
fn texts_do_not_grow_beyond_the_limit() {
    hits_the_limit("REPT(Name, 1000000000)");
    hits_the_limit("REPT(REPT(Name, 10000), 10000)");
    hits_the_limit("LEN(REPT(\"x\", 1000000000))");
    hits_the_limit("SUBSTITUTE(REPT(\"a\", 10000), \"a\", REPT(\"b\", 10000))");
    hits_the_limit("REGEX_REPLACE(REPT(\"a\", 10000), \"a\", REPT(\"b\", 10000))");
    // One long match, named many times.
    hits_the_limit("REGEX_REPLACE(REPT(\"a\", 1000000), \"(a+)\", REPT(\"$1\", 500000))");
    hits_the_limit("REGEX_REPLACE(REPT(\"a\", 1000000), \"a+\", REPT(\"$&\", 500000))");
    hits_the_limit("ARRAYJOIN(Numbers, REPT(\"b\", 1000000))");
    let doubled = (0..60).fold("Name".to_owned(), |text, _| format!("SUBSTITUTE({text}, \"a\", \"aa\")"));
    hits_the_limit(&doubled);
}

#[test]
fn lists_that_a_record_holds_are_bounded_too() {
    let mut sample = sample();
    let huge = Value::Array(vec![Value::from("b".repeat(60_000)); 500]);
    for (name, _, value) in &mut sample.fields {
        if *name == "Tags" {
            *value = huge.clone();
        }
    }
    for formula in
        ["ARRAYJOIN(Tags)", "Tags & ''", "Tags = Tags", "FIND('x', Tags)", "COUNTALL(ARRAYUNIQUE(Tags))"]
    {
        let compiled = compile(formula).expect("the formula is well-formed");
        assert_eq!(compiled.evaluate(&sample, &context()), Value::Error(ErrorKind::Limit), "{formula}");
    }
}

#[test]
fn work_is_bounded_however_it_is_spread() {
    let many = |piece: &str, count: usize| format!("COUNTALL({})", vec![piece; count].join(","));
    hits_the_limit(&many("LEN(REPT(Name, 300000))", 1000));
    hits_the_limit(&many("FIND(\"x\", REPT(Name, 300000))", 1000));
    hits_the_limit(&many("REGEX_MATCH(Name, Name & \"x\")", 20_000));
    hits_the_limit(&many("REGEX_MATCH(REPT(Name, 30000), \"(a|b|c){500}[^x]{500}$\")", 1000));
    hits_the_limit(&many("DATETIME_FORMAT(Day, REPT(\"LLLL\", 20000))", 200));
}

#[test]
fn replacing_match_by_match_is_not_quadratic() {
    // Each match looks through the rest of the text first.
    let quadratic = "REGEX_REPLACE(REPT(\"A\", 1000000), \".*[^A-Z]|[A-Z]\", \"b\")";
    let (sample, limits) = (sample(), Limits { work: 1 << 18, ..Limits::default() });
    let formula = Formula::compile(quadratic, &sample.schema(), &limits).expect("the formula is well-formed");
    assert_eq!(formula.evaluate(&sample, &context()), Value::Error(ErrorKind::Limit));
    // Each match looks through a long replacement that comes to nothing.
    hits_the_limit("REGEX_REPLACE(REPT(\"a\", 100000), \"()\", REPT(\"$1\", 100000))");
    hits_the_limit("REGEX_REPLACE(REPT(\"a\", 1000000), \"(b)?\", REPT(\"$1\", 500000))");
    check("LEN(REGEX_REPLACE(REPT(\"ab \", 33000), \"(a)(b)\", \"$2$1\"))", "99000");
    // Ordinary patterns, with and without a longest match, work on the longest cell that Airtable has.
    check("LEN(REGEX_REPLACE(REPT(\"ab \", 33000), \" \", \"\"))", "66000");
    check("LEN(REGEX_REPLACE(REPT(\"abcdefg \", 12500), \"\\s+\", \"\"))", "87500");
}

#[test]
fn folding_constants_is_bounded_too() {
    let formula = format!("SUM({})", vec!["LEN(REPT(\"x\", 1000000))"; 30_000].join(","));
    assert!(compile(&formula).is_ok());
    let formula = format!("CONCATENATE({})", vec!["REPT(\"x\", 4096)"; 50_000].join(","));
    assert!(compile(&formula).is_ok());
    let patterns = (0..20_000).map(|n| format!("REGEX_MATCH(Name, \"(a{n}|b){{100}}\")")).collect::<Vec<_>>();
    assert!(compile(&format!("OR({})", patterns.join(","))).is_ok());
}

#[test]
fn extreme_numbers_do_no_harm() {
    for function in [
        "LEFT(Name, {})",
        "MID(Name, {}, {})",
        "REPT(\"\", {})",
        "ROUND({}, {})",
        "DATEADD(Day, {}, 'months')",
        "DATEADD(Day, {}, 'days')",
        "WORKDAY(Day, {})",
        "ARRAYSLICE(Numbers, {}, {})",
        "FIND(\"a\", Name, {})",
        "SUBSTITUTE(Name, \"a\", \"b\", {})",
        "REPLACE(Name, {}, {}, \"\")",
        "EVEN({})",
        "ODD({})",
        "CEILING({}, {})",
        "LOG({}, {})",
        "DATETIME_PARSE({}, 'x')",
        "DATETIME_PARSE({}, 'X')",
        "DATETIME_PARSE({}, 'YYYYYY')",
        "MOD({}, {})",
        "RIGHT(Name, {})",
    ] {
        for number in [
            "POWER(10,308)",
            "-POWER(10,308)",
            "1/0",
            "-1/0",
            "0/0",
            "9223372036854775807",
            "-9223372036854775808",
            "0",
            "-1",
            "4294967296",
            "0.5",
            "1/POWER(10,308)",
        ] {
            let formula = function.replace("{}", number);
            compile(&formula).unwrap().evaluate(&sample(), &context());
        }
    }
}
