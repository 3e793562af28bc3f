//! Every function but those of dates: the ordinary case and the edges.

use airtable_formula::Formula;

use crate::helpers::{check_all, context, sample};

#[test]
fn text_functions() {
    check_all(&[
        ("CONCATENATE(\"a\", 1, Tags)", "\"a1red, green\""),
        ("LEFT(\"Hello\", 2)", "\"He\""),
        ("LEFT(\"Hello\", 0)", "\"\""),
        ("LEFT(\"Hello\", 2.9)", "\"He\""),
        ("LEFT(\"Hello\", -1)", "error"),
        ("LEFT(\"Hello\")", "error"),
        ("RIGHT(\"Hello\", 2)", "\"lo\""),
        ("RIGHT(\"Hello\", 99)", "\"Hello\""),
        ("RIGHT(1234, 2)", "\"34\""),
        ("MID(\"Hello\", 2, 3)", "\"ell\""),
        ("MID(\"Hello\", 9, 3)", "\"\""),
        ("MID(\"Hello\", 0, 2)", "\"He\""),
        ("MID(\"Hello\", -1, 2)", "error"),
        ("LEN(Emoji)", "4"),
        ("LEFT(Emoji, 3)", "\"a😀\""),
        ("MID(Emoji, 4, 1)", "\"é\""),
        ("FIND(\"é\", Emoji)", "4"),
        ("LEN(Empty)", "0"),
        ("LEN(123.5)", "5"),
        ("LOWER(\"NAÏVE\")", "\"naïve\""),
        ("UPPER(\"naïve\")", "\"NAÏVE\""),
        ("FIND(\"l\", \"hello\")", "3"),
        ("FIND(\"l\", \"hello\", 4)", "4"),
        ("FIND(\"l\", \"hello\", 5)", "0"),
        ("FIND(\"l\", \"hello\", 0)", "3"),
        ("FIND(\"L\", \"hello\")", "0"),
        ("FIND(\"\", \"hello\")", "1"),
        ("FIND(\"green\", Tags)", "6"),
        ("SEARCH(\"l\", \"hello\")", "3"),
        ("SEARCH(\"L\", \"hello\")", "blank"),
        ("SEARCH(\"z\", \"hello\")", "blank"),
        ("REPLACE(\"database\", 2, 5, \"o\")", "\"dose\""),
        ("REPLACE(\"abc\", 2, 0, \"-\")", "\"a-bc\""),
        ("REPLACE(\"abc\", 4, 1, \"-\")", "error"),
        ("REPLACE(\"abc\", 2, 99, \"-\")", "\"a-\""),
        ("REPT(\"ab\", 3)", "\"ababab\""),
        ("REPT(\"ab\", 0)", "\"\""),
        ("REPT(\"ab\", -1)", "error"),
        ("SUBSTITUTE(\"aaa\", \"a\", \"b\", 2)", "\"aba\""),
        ("SUBSTITUTE(\"aaa\", \"a\", \"b\", 9)", "\"aaa\""),
        ("SUBSTITUTE(\"aaa\", \"aa\", \"b\")", "\"ba\""),
        ("SUBSTITUTE(\"aaa\", \"\", \"b\")", "\"aaa\""),
        ("SUBSTITUTE(\"aAa\", \"A\", \"\")", "\"aa\""),
        ("T(\"x\")", "\"x\""),
        ("T(1)", "blank"),
        ("T(Tags)", "blank"),
        ("TRIM(\"  a  b\n\")", "\"a  b\""),
        ("VALUE(\"$1,000,000\")", "1000000"),
        ("VALUE(\"-5.5\")", "-5.5"),
        ("VALUE(\"rec12ab3\")", "123"),
        ("VALUE(\"none\")", "error"),
        ("VALUE(Empty)", "error"),
        ("VALUE(Price)", "9.99"),
        ("VALUE(\"1.2.3\")", "error"),
        ("ENCODE_URL_COMPONENT(\"a b&c+d-_.~!*'()\")", "\"a%20b%26c%2Bd-_.~%21%2A%27%28%29\""),
        ("ENCODE_URL_COMPONENT(\"é\")", "\"%C3%A9\""),
    ]);
}

#[test]
fn search_can_ignore_case() {
    let mut context = context();
    context.search_ignores_case = true;
    let sample = sample();
    let formula =
        Formula::compile("SEARCH(\"LO\", \"hello\")", &sample.schema(), &Default::default()).unwrap();
    assert_eq!(formula.evaluate(&sample, &context).to_string(), "4");
}

#[test]
fn regular_expressions() {
    check_all(&[
        ("REGEX_MATCH(\"Hello\", \"^.e\")", "true"),
        ("REGEX_MATCH(\"Hello\", \"h\")", "false"),
        ("REGEX_MATCH(\"Hello\", \"(?i)h\")", "true"),
        ("REGEX_MATCH(Price, \"[0-9]+\\.[0-9]+\")", "true"),
        ("REGEX_MATCH(\"Hello\", \"(\")", "error"),
        ("REGEX_MATCH(\"Hello\", \"(?=l)\")", "error"),
        ("REGEX_MATCH(Name, Name)", "true"),
        ("REGEX_MATCH(Empty, \"^$\")", "true"),
        ("REGEX_EXTRACT(\"ABC-42\", \"\\d+\")", "\"42\""),
        ("REGEX_EXTRACT(\"ABC-42\", \"([A-Z]+)-\")", "\"ABC-\""),
        ("REGEX_EXTRACT(\"ABC\", \"\\d+\")", "error"),
        ("REGEX_EXTRACT(Name, \"d.\")", "\"da\""),
        ("REGEX_REPLACE(\"a1b2\", \"[0-9]\", \"-\")", "\"a-b-\""),
        ("REGEX_REPLACE(\"John Smith\", \"(\\w+) (\\w+)\", \"$2, $1\")", "\"Smith, John\""),
        ("REGEX_REPLACE(\"ab\", \"(b)\", \"$1x$&$$$9$\")", "\"abxb$$9$\""),
        ("REGEX_REPLACE(\"abc\", \"x*\", \"-\")", "\"-a-b-c-\""),
        ("REGEX_REPLACE(Name, \"a\", Name)", "\"AdAda\""),
    ]);
}

#[test]
fn logical_functions() {
    check_all(&[
        ("AND(1, \"a\", Done)", "true"),
        ("AND(1, Open)", "false"),
        ("AND(Nothing)", "true"),
        ("AND(Numbers)", "true"),
        ("OR(0, \"\", Open)", "false"),
        ("OR(Nothing, 0)", "false"),
        ("OR(Numbers)", "true"),
        ("XOR(1, 0, 1)", "false"),
        ("XOR(1, 1, 1)", "true"),
        ("NOT(0)", "true"),
        ("NOT(\"\")", "true"),
        ("TRUE() & FALSE()", "\"10\""),
        ("BLANK()", "blank"),
        ("ERROR(\"message\")", "error"),
    ]);
}

#[test]
fn numeric_functions() {
    check_all(&[
        ("ABS(-5.5)", "5.5"),
        ("CEILING(1.05, 0.1)", "1.1"),
        ("CEILING(-1.5)", "-1"),
        ("CEILING(7, 5)", "10"),
        ("FLOOR(1.99, 0.1)", "1.9"),
        ("FLOOR(-1.5)", "-2"),
        ("EVEN(2.2)", "4"),
        ("EVEN(-1.1)", "-2"),
        ("EVEN(0)", "0"),
        ("EVEN(2)", "2"),
        ("ODD(1.1)", "3"),
        ("ODD(-1.1)", "-3"),
        ("ODD(0)", "1"),
        ("ODD(-2)", "-3"),
        ("INT(-1.9)", "-2"),
        ("INT(\"3.7\")", "3"),
        ("LOG(1000)", "3"),
        ("LOG(8, 2)", "3"),
        ("LOG(125, 5)", "3"),
        ("LOG(0)", "error"),
        ("LOG(-1)", "error"),
        ("MOD(7, 3)", "1"),
        ("MOD(-7, 3)", "-1"),
        ("MOD(7, -3)", "1"),
        ("MOD(7, 0)", "error"),
        ("POWER(2, 10)", "1024"),
        ("POWER(4, 0.5)", "2"),
        ("SQRT(-1)", "NaN"),
        ("EXP(0)", "1"),
        ("ROUND(2.5)", "3"),
        ("ROUND(-2.5)", "-2"),
        ("ROUND(1.005, 2)", "1.01"),
        ("ROUND(1234.5678, 2)", "1234.57"),
        ("ROUND(1250, -2)", "1300"),
        ("ROUND(-0.4)", "0"),
        ("ROUND(9007199254740991, 2)", "9007199254740991"),
        ("ROUNDUP(1.1, 0)", "2"),
        ("ROUNDUP(-1.1, 0)", "-2"),
        ("ROUNDUP(1.001, 2)", "1.01"),
        ("ROUNDUP(1.1, 1)", "1.1"),
        ("ROUNDDOWN(-1.9, 0)", "-1"),
        ("ROUNDDOWN(1234, -2)", "1200"),
        ("ROUND(Name, 2)", "error"),
    ]);
}

#[test]
fn aggregates_look_into_arrays() {
    check_all(&[
        ("SUM(Numbers, 4)", "10"),
        ("SUM(1, \"a\", Empty, TRUE())", "2"),
        ("SUM(Nothing)", "0"),
        ("SUM(Broken, 1)", "error"),
        ("AVERAGE(Numbers)", "2"),
        ("AVERAGE(10, Empty)", "10"),
        ("AVERAGE(\"a\")", "NaN"),
        ("MAX(Numbers)", "3"),
        ("MIN(Numbers, 0)", "0"),
        ("MAX(Empty)", "blank"),
        ("MAX(Dates)", "2024-03-01T00:00:00.000Z"),
        ("MIN(Dates, Day)", "2024-01-15T00:00:00.000Z"),
        ("MAX(Dates, 5)", "error"),
        ("COUNT(1, \"2\", Empty, TRUE(), Numbers)", "4"),
        ("COUNTA(1, \"\", Empty, \"a\", Open)", "2"),
        ("COUNTALL(1, \"\", Empty, Numbers)", "6"),
        ("COUNTALL(Nothing)", "0"),
    ]);
}

#[test]
fn arrays() {
    check_all(&[
        ("ARRAYJOIN(Tags)", "\"red, green\""),
        ("ARRAYJOIN(Numbers, \"; \")", "\"3; 1; 2\""),
        ("ARRAYJOIN(Zero)", "\"0\""),
        ("ARRAYJOIN(Empty)", "\"\""),
        ("ARRAYUNIQUE(Tags)", "[\"red\", \"green\"]"),
        ("ARRAYFLATTEN(Numbers, Tags)", "[3, 1, 2, \"red\", \"green\"]"),
        ("ARRAYCOMPACT(Empty)", "[]"),
        ("ARRAYCOMPACT(Zero)", "[0]"),
        ("ARRAYSLICE(Numbers, 2)", "[1, 2]"),
        ("ARRAYSLICE(Numbers, 1, 2)", "[3, 1]"),
        ("ARRAYSLICE(Numbers, -2)", "[1, 2]"),
        ("ARRAYSLICE(Numbers, -3, -2)", "[3, 1]"),
        ("ARRAYSLICE(Numbers, 3, 1)", "[]"),
        ("ARRAYSLICE(Numbers, 9)", "[]"),
        ("ARRAYSLICE(Numbers, 0, 99)", "[3, 1, 2]"),
        ("COUNTALL(ARRAYUNIQUE(ARRAYFLATTEN(Numbers, Numbers)))", "3"),
    ]);
}

#[test]
fn records() {
    check_all(&[
        ("RECORD_ID()", "\"recAAAAAAAAAAAAA1\""),
        ("CREATED_TIME()", "2023-09-08T16:05:09.000Z"),
        ("LAST_MODIFIED_TIME()", "2024-01-15T14:30:45.000Z"),
        ("LAST_MODIFIED_TIME({Name})", "2024-01-02T03:04:05.000Z"),
        ("LAST_MODIFIED_TIME({Name}, Price)", "blank"),
        ("LAST_MODIFIED_TIME(1)", "refused: LAST_MODIFIED_TIME takes nothing but fields (line 1, column 1)"),
    ]);
}
