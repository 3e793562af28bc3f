//! What is said about formulas that do not compile.

use airtable_formula::{CompileError, FieldDef, FieldKind, Formula, Limits, Schema};

use crate::helpers::compile;

const SYNTAX: &str = "Invalid formula. Please check your formula text.";

#[track_caller]
fn check(formula: &str, shown: &str, api: &str) {
    let error = compile(formula).expect_err(formula);
    assert_eq!(error.to_string(), shown);
    assert_eq!(error.api_message(), api);
}

#[test]
fn the_place_is_marked() {
    check(
        "1 +",
        "a value is missing after + (line 1, column 4)\n  1 +\n     ^ expected a number, a \"text\", a {Field} or a FUNCTION(…)",
        SYNTAX,
    );
    check(
        "IF(Price\n  == 2, 1)",
        "values are compared with a single = (line 2, column 4)\n    == 2, 1)\n     ^ expected a number, a \"text\", a {Field} or a FUNCTION(…)",
        SYNTAX,
    );
    check(
        "LEN(\"é\", 'x')",
        "LEN takes 1 argument, not 2 (line 1, column 1)\n  LEN(\"é\", 'x')\n  ^^^^^^^^^^^^^",
        SYNTAX,
    );
    check("\"abc", "this text has no closing \" (line 1, column 1)\n  \"abc\n  ^^^^", SYNTAX);
}

#[test]
fn the_caret_stands_under_the_place_on_a_terminal() {
    // Wide letters take two columns, combining marks none, a tab is shown as one space.
    for (formula, line, caret) in [
        ("\"日本語\" & )", "  \"日本語\" & )", "             ^"),
        ("\"e\u{301}\" & )", "  \"e\u{301}\" & )", "        ^"),
        ("\"😀\" & )", "  \"😀\" & )", "         ^"),
        ("1\t& )", "  1 & )", "      ^"),
        ("1 &\r\n\r\n  & 2", "    & 2", "    ^"),
        ("{日本}", "  {日本}", "  ^^^^^^"),
    ] {
        let error = compile(formula).unwrap_err();
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], line, "{shown}");
        assert_eq!(lines[2].split(" expected").next(), Some(caret), "{shown}");
    }
    let error = compile("1 &\n  & 2").unwrap_err();
    let at = error.location().unwrap();
    assert_eq!((at.line, at.column, at.span.clone()), (2, 3, 6..7));
}

#[test]
fn what_was_expected_is_said() {
    for (formula, expected) in [
        ("", "a number, a \"text\", a {Field} or a FUNCTION(…)"),
        ("IF(1,)", "a number, a \"text\", a {Field} or a FUNCTION(…)"),
        ("IF(1 2)", "an operator, a comma or )"),
        ("(1 2)", "an operator or )"),
        ("1 2", "an operator, or the end of the formula"),
    ] {
        let error = compile(formula).unwrap_err();
        let CompileError::Syntax { expected: Some(found), .. } = &error else { panic!("{error}") };
        assert_eq!(*found, expected, "{formula}");
    }
    for formula in ["1 == 2", "(1", "\"a"] {
        assert!(matches!(compile(formula), Err(CompileError::Syntax { .. })), "{formula}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let error = compile(&format!("{}1 +", "1 + ".repeat(1000))).unwrap_err();
    let shown = error.to_string();
    assert!(shown.lines().all(|line| line.chars().count() < 130), "{shown}");
    assert!(shown.contains("+\n") && shown.contains("^ expected"), "{shown}");
}

#[test]
fn all_unknown_fields_are_named_once_in_order() {
    check(
        "IF({Pricee} > 1, {Owner} & NOSUCH({Pricee}), Naem)",
        "there is no field \"Pricee\" (did you mean \"Price\"?), \"Owner\", \"Naem\" (did you mean \"Name\"?) (line 1, column 4)\n  \
         IF({Pricee} > 1, {Owner} & NOSUCH({Pricee}), Naem)\n     ^^^^^^^^",
        "Unknown field names: pricee, owner, naem",
    );
    check(
        "price",
        "there is no field \"price\" (did you mean \"Price\"?) (line 1, column 1)\n  price\n  ^^^^^",
        "Unknown field names: price",
    );
}

#[test]
fn all_unknown_functions_are_named() {
    check(
        "Concatinate(FOO(1), 2) & foo(2)",
        "there is no function \"CONCATINATE\" (did you mean \"CONCATENATE\"?), \"FOO\" (line 1, column 1)\n  \
         Concatinate(FOO(1), 2) & foo(2)\n  ^^^^^^^^^^^",
        "Unknown function names: concatinate, foo",
    );
    for name in ["EXACT", "IFERROR", "ISBLANK", "CONCAT", "VLOOKUP", "DATEVALUE"] {
        let error = compile(&format!("{name}(1, 2)")).unwrap_err();
        assert!(matches!(error, CompileError::UnknownFunctions { .. }), "{name}");
    }
}

#[test]
fn functions_of_other_languages_lead_to_those_of_airtable() {
    for (formula, meant) in [
        ("ISBLANK(Name)", Some("BLANK")),
        ("IfError(1, 2)", Some("ISERROR")),
        ("DATEDIFF(Day, Day)", Some("DATETIME_DIFF")),
        ("CONCAT(1, 2)", Some("CONCATENATE")),
        ("REGEXMATCH(1, 2)", Some("REGEX_MATCH")),
        ("VLOOKUP(1)", None),
    ] {
        let error = compile(formula).unwrap_err();
        let CompileError::UnknownFunctions { names, .. } = &error else { panic!("{error}") };
        assert_eq!(names[0].did_you_mean.as_deref(), meant, "{formula}");
    }
}

#[test]
fn a_function_that_is_not_built_is_named() {
    let error = compile("1 + datedif(Day, Day, 'd')").unwrap_err();
    let CompileError::NotBuilt { function, at } = &error else { panic!("{error}") };
    assert_eq!((function.as_str(), at.span.clone()), ("DATEDIF", 4..11));
}

#[test]
fn the_number_of_arguments_is_checked() {
    for (formula, expected) in [
        ("NOT()", "NOT takes 1 argument, not 0"),
        ("IF(1)", "IF takes 2 or 3 arguments, not 1"),
        ("SUM()", "SUM takes at least 1 argument, not 0"),
        ("NOW(1)", "NOW takes no arguments, not 1"),
        ("DATETIME_PARSE()", "DATETIME_PARSE takes 1 to 3 arguments, not 0"),
    ] {
        let error = compile(formula).unwrap_err();
        assert_eq!(error.to_string().split(" (line").next(), Some(expected));
        assert_eq!(error.api_message(), SYNTAX);
    }
}

#[test]
fn a_formula_can_be_too_long() {
    let limits = Limits { formula_bytes: 10, ..Limits::default() };
    let schema = Schema::new([FieldDef::new("fld1", "A", FieldKind::Text)]);
    let error = Formula::compile("{A} & {A} & {A}", &schema, &limits).unwrap_err();
    assert_eq!(error.to_string(), "the formula has 15 bytes; 10 are allowed");
    assert_eq!(error.api_message(), SYNTAX);
}
