//! Filters, by the formulas they print and by the records these keep.

use airtable_formula::filter::{Day, FieldError, Filter};
use airtable_formula::{FieldDef, FieldKind, Formula, Limits, Schema, Timestamp};

use crate::helpers::{context, sample};

fn schema() -> Schema {
    sample().schema()
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

#[track_caller]
fn check(filter: Filter, expected: &str) {
    assert_eq!(filter.to_string(), expected);
    Formula::compile(expected, &schema(), &Limits::default()).expect("it compiles");
}

#[track_caller]
fn keeps(filter: &Filter, expected: bool) {
    let sample = sample();
    let formula = Formula::compile(&filter.to_string(), &sample.schema(), &Limits::default());
    let formula = formula.expect("it compiles");
    assert_eq!(formula.keeps(&sample, &context()), expected, "{filter}");
}

#[test]
fn texts_are_escaped_and_nothing_ends_a_literal() {
    let schema = schema();
    let name = schema.text("Name").unwrap();
    check(name.is("Ada"), r#"{Name}="Ada""#);
    check(name.is(r#"say "hi" \ it's"#), r#"{Name}="say \"hi\" \\ it's""#);
    check(name.is("two\nlines\ttab\r"), r#"{Name}="two\nlines\ttab\r""#);
    check(name.is("\") OR(1,\""), r#"{Name}="\") OR(1,\"""#);
    check(name.is_any_of(["a", "b"]), r#"OR({Name}="a",{Name}="b")"#);
    check(name.is_any_of([""; 0]), "FALSE()");
    check(name.contains("Da"), r#"FIND("da",LOWER({Name}))>0"#);
    check(name.contains_exactly("da"), r#"FIND("da",{Name})>0"#);
    check(name.starts_with("A"), r#"FIND("A",{Name})=1"#);
    check(name.ends_with("a"), r#"RIGHT({Name},LEN("a"))="a""#);
    check(name.is_empty(), r#"{Name}="""#);
    check(name.is_not_empty(), r#"{Name}!="""#);
    check(name.is_ignoring_case("ADA"), r#"LOWER({Name})="ada""#);
    check(schema.as_text("Price").unwrap().is("9.99"), r#"{Price}&""="9.99""#);
}

#[test]
fn numbers_of_any_size_are_written_in_digits_and_empty_cells_are_no_zeros() {
    let price = schema().number("Price").unwrap();
    check(price.is(5.0), "{Price}=5");
    check(price.is(0.0), r#"AND({Price}&""!="",{Price}=0)"#);
    check(price.is(-2.5), "{Price}=-2.5");
    check(price.more_than(-1.0), r#"AND({Price}&""!="",{Price}>-1)"#);
    check(price.more_than(1e21), "{Price}>1000000000000000000000");
    check(price.less_than(1e-7), r#"AND({Price}&""!="",{Price}<0.0000001)"#);
    check(price.less_than(f64::INFINITY), r#"AND({Price}&""!="",{Price}<1/0)"#);
    check(price.less_than(f64::NEG_INFINITY), "{Price}<-(1/0)");
    check(price.is(f64::NAN), "{Price}=0/0");
    check(price.between(1.0, 2.0), r#"AND({Price}>=1,AND({Price}&""!="",{Price}<=2))"#);
    check(price.is_any_of([1.0, 2.0]), "OR({Price}=1,{Price}=2)");
    keeps(&schema().number("Zero").unwrap().is(0.0), true);
}

#[test]
fn days_begin_where_their_zone_says() {
    let schema = schema();
    let (time, date) = (schema.date("Time").unwrap(), schema.date("Day").unwrap());
    let at = |text: &str| format!("DATETIME_PARSE(\"{text}\")");
    let berlin = day("2024-03-31").in_zone("Europe/Berlin").unwrap();
    check(
        time.is(berlin.clone()),
        &format!(
            "IF({{Time}},AND(NOT(IS_BEFORE({{Time}},{})),IS_BEFORE({{Time}},{})),FALSE())",
            at("2024-03-30T23:00:00.000Z"),
            at("2024-03-31T22:00:00.000Z")
        ),
    );
    check(
        date.is(berlin),
        &format!(
            "IF({{Day}},AND(NOT(IS_BEFORE({{Day}},{})),IS_BEFORE({{Day}},{})),FALSE())",
            at("2024-03-31T00:00:00.000Z"),
            at("2024-04-01T00:00:00.000Z")
        ),
    );
    let instant: Timestamp = "2024-01-15T14:30:45.123456Z".parse().unwrap();
    check(
        time.before(instant),
        &format!("IF({{Time}},IS_BEFORE({{Time}},{}),FALSE())", at("2024-01-15T14:30:45.123Z")),
    );
    keeps(&time.is(instant), true);
    keeps(&time.after(instant), false);
    keeps(&time.on_or_after(instant), true);
    keeps(&time.is(day("2024-01-15")), true);
    keeps(&time.after(day("2024-01-15")), false);
    // 14:30 UTC is the next day in Auckland.
    let auckland = |text: &str| day(text).in_zone("Pacific/Auckland").unwrap();
    keeps(&time.is(auckland("2024-01-16")), true);
    keeps(&time.before(auckland("2024-01-16")), false);
    keeps(&time.between(day("2024-01-01"), day("2024-01-15")), true);
    // Clocks in Cairo skipped the midnight at which this day would have begun.
    let cairo = day("2024-04-26").in_zone("Africa/Cairo").unwrap();
    assert!(time.before(cairo).to_string().contains("2024-04-25T22:00:00.000Z"));
    keeps(&schema.date("No date").unwrap().before(day("2024-01-16")), false);
    keeps(&Filter::not(schema.date("No date").unwrap().before(day("2024-01-16"))), true);
    assert_eq!(day("2024-01-15").in_zone("Mars/Olympus"), None);
    assert_eq!(Day::new(2024, 2, 30), None);
    assert_eq!(Day::parse("15.1.2024"), None);
}

#[test]
fn lists_and_checkboxes_and_records() {
    let schema = schema();
    let tags = schema.list("Tags").unwrap();
    let has = r#"FIND(", red, ",", "&{Tags}&", ")>0"#;
    check(tags.has("red"), &format!("IF(ISERROR({has}),FALSE(),{has})"));
    keeps(&tags.has("red"), true);
    keeps(&tags.has("re"), false);
    keeps(&tags.has("red, green"), true); // As documented: values are asked by their text form.
    keeps(&tags.has_all_of(["green", "red"]), true);
    keeps(&tags.has_any_of(["blue", "green"]), true);
    keeps(&tags.has_any_of(["blue", ""]), false);
    keeps(&tags.is(["red", "green"]), true);
    keeps(&tags.is(["green", "red"]), false);
    keeps(&schema.list("Nothing").unwrap().is_empty(), true);
    keeps(&schema.list("Nothing").unwrap().has(""), false);
    check(schema.checkbox("Done").unwrap().is_ticked(), "{Done}=TRUE()");
    keeps(&schema.checkbox("Open").unwrap().is_not_ticked(), true);
    check(Filter::record_ids(["recA", "recB"]), r#"OR(RECORD_ID()="recA",RECORD_ID()="recB")"#);
    check(Filter::record_ids(["recA"]), r#"RECORD_ID()="recA""#);
}

#[test]
fn conditions_nest() {
    let schema = schema();
    let name = schema.text("Name").unwrap();
    check(Filter::all([]), "TRUE()");
    check(Filter::any([]), "FALSE()");
    check(Filter::not(Filter::all([name.is("a")])), r#"NOT({Name}="a")"#);
    check(
        Filter::all([Filter::any([name.is("a"), name.is("b")]), Filter::not(name.is("c"))]),
        r#"AND(OR({Name}="a",{Name}="b"),NOT({Name}="c"))"#,
    );
}

#[test]
fn an_error_in_one_cell_spoils_no_other_condition() {
    let schema = schema();
    let broken = schema.number("Broken").unwrap().more_than(1.0);
    keeps(&broken, false);
    keeps(&Filter::any([broken.clone(), schema.text("Name").unwrap().is("Ada")]), true);
    keeps(&Filter::not(broken), true);
    keeps(&schema.as_lines(["Broken", "Name", "Tags"]).unwrap().contains("GREEN"), true);
    keeps(&schema.as_lines(["Name", "Tags"]).unwrap().contains("adared"), false);
}

#[test]
fn a_field_is_named_as_it_was_asked_for_if_it_can_be() {
    let field = |id: &str, name: &str| FieldDef::new(id, name, FieldKind::Text);
    let schema = Schema::new([
        field("fld00000000000001", "one } brace"),
        field("fld00000000000002", "two }} braces"),
        field("fld00000000000003", "ends in \\"),
        field("fld00000000000004", "twice"),
        field("fld00000000000005", "twice"),
        field("fld00000000000006", "fld00000000000001"),
        field("fld00000000000007", " "),
        field("x", "}}"),
    ]);
    for (asked, written) in [
        ("one } brace", r"{one \} brace}"),
        ("fld00000000000001", "{fld00000000000001}"),
        ("two }} braces", "{fld00000000000002}"),
        ("ends in \\", "{fld00000000000003}"),
        ("twice", "{twice}"),
        ("fld00000000000004", "{fld00000000000004}"),
        ("fld00000000000005", "{fld00000000000005}"),
        ("fld00000000000006", "{fld00000000000006}"),
        ("fld00000000000007", "{fld00000000000007}"),
        ("}}", "{x}"),
    ] {
        let filter = schema.text(asked).unwrap().is("a");
        assert_eq!(filter.to_string(), format!("{written}=\"a\""), "{asked}");
        let formula = Formula::compile(&filter.to_string(), &schema, &Limits::default()).unwrap();
        assert_eq!(formula.fields(), [schema.find_braced(asked).unwrap()], "{asked}");
    }
}

#[test]
fn what_a_field_cannot_be_asked_is_said() {
    let schema = schema();
    let error = schema.text("Nmae").unwrap_err();
    assert_eq!(error.to_string(), "there is no field \"Nmae\" (did you mean \"Name\"?)");
    let error = schema.number("Name").unwrap_err();
    assert!(matches!(error, FieldError::Kind { kind: FieldKind::Text, .. }));
    assert_eq!(error.to_string(), "the field \"Name\" is not a number");
    let unwritable = Schema::new([FieldDef::new("a}}", "b}}", FieldKind::Text)]);
    assert!(matches!(unwritable.any("b}}"), Err(FieldError::Unwritable { .. })));
}
