//! Airtable's documented rules, section by section, in cases that no vector has.

use airtable_formula::{Formula, Limits};

use crate::helpers::{check_all, compile, context, sample};

#[track_caller]
fn keeps(cases: &[(&str, bool)]) {
    let sample = sample();
    for (formula, expected) in cases {
        let compiled = Formula::compile(formula, &sample.schema(), &Limits::default());
        let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(compiled.keeps(&sample, &context()), *expected, "{formula}");
    }
}

#[track_caller]
fn refused(formulas: &[&str]) {
    for formula in formulas {
        assert!(compile(formula).is_err(), "{formula}");
    }
}

#[test]
fn a_filter_leaves_out_zero_false_empty_nan_and_errors_only() {
    keeps(&[
        ("BLANK()", false),
        ("FALSE()", false),
        ("0 * -1", false),
        ("\" \"", true),
        ("\"0\"", true),
        ("\"false\"", true),
        ("-0.001", true),
        ("Tags", true),
        ("ARRAYCOMPACT(Nothing)", false),
        ("ARRAYSLICE(Tags, 3)", false),
        ("SQRT(-1)", false),
        ("LOG(0)", false),
        ("DATETIME_DIFF(Day, {No date}, 'days')", false),
        ("DATETIME_PARSE('garbage')", false),
        ("IS_BEFORE({No date}, TODAY())", false),
        ("NOT(IS_BEFORE({No date}, TODAY()))", false),
        ("IF({No date}, IS_BEFORE({No date}, TODAY()), TRUE())", true),
        ("Zero", false),
        ("Zero & \"\"", true),
        ("Zero = 0", true),
        ("Empty & \"\"", false),
        ("SEARCH('z', Name)", false),
        ("FIND('z', Name)", false),
    ]);
}

#[test]
fn the_alphabet_of_formulas() {
    check_all(&[
        ("if(true(), 'a', 'b')", "\"a\""),
        ("If(True(), 'a', 'b')", "\"a\""),
        ("SUM\n(\n1\t,\r\n2)", "3"),
        (r#"'tab\tend'"#, r#""tab\tend""#),
        (r#""\r""#, r#""\r""#),
        (r#""a\\nb""#, r#""a\\nb""#),
        (r#"'it\'s' & "say \"x\"""#, r#""it'ssay \"x\"""#),
        (r#""\w\W\.\-\/""#, r#""\\w\\W\\.\\-\\/""#),
        ("'“curly”'", "\"“curly”\""),
        ("007 + .25", "7.25"),
        ("123456789012345678901234567890 & ''", "\"1.2345678901234568e+29\""),
        ("1 - -1", "2"),
        ("1--1", "2"),
        ("- - 1", "1"),
        ("2 * -3 + +4", "-2"),
        ("-2 & ''", "\"-2\""),
        ("'a' & 'b' = 'ab'", "true"),
        ("1 + 2 & 3 * 4", "\"312\""),
        ("1 & 2 + 3", "\"15\""),
        ("10 / 2 / 5", "1"),
        ("2 > 1 = TRUE()", "true"),
        ("1 != 2", "true"),
        ("1!=1", "false"),
        ("((((Name))))", "\"Ada\""),
        ("true & false()", "\"10\""),
        ("blank = ''", "true"),
        ("IS_SAME(now, NOW())", "true"),
    ]);
    refused(&[
        "IF (1,, 2)",
        "1 + + ",
        "(,)",
        "()",
        "NOW(",
        "'a\\'",
        "\"a",
        "{Name",
        "{Name}}",
        "Name{",
        "Na me",
        "Name.Name",
        "#Name",
        "@x",
        "a:b",
        "1.2.3",
        "1_000",
        "1 000",
        "5%",
        "5e3",
        "0b1",
        "1e",
        "..5",
        "x = = y",
        "x => 1",
        "x =< 1",
        "x =! 1",
        "1 <> 2",
        "NOT x",
        "x IS 1",
        "IF 1 THEN 2",
        "SUM(1;2)",
        "SUM[1]",
        "[1]",
        "{a}{b}",
        "'a' 'b'",
        "1 2",
        "/* x */",
        "1 // x",
        "-- comment",
        "=1+1",
        "\\",
        "“a”",
        "‘a’",
        "{column_value_fldAAAAAAAAAAAAAA}",
        "fld00000000000000",
        "EXACT('a','a')",
        "IFERROR(1,2)",
        "VLOOKUP(1)",
        "ISBLANK(1)",
        "{two \\} braces \\}}",
        "values",
        "SUM(values)",
        "TRUE(1)",
        "BLANK(1)",
        "RECORD_ID(1)",
        "PI()",
        "CREATED_TIME(Name)",
    ]);
}

#[test]
fn a_rollup_formula_has_values() {
    use airtable_formula::{FieldDef, FieldKind, Schema};
    let schema = Schema::new([FieldDef::new("fld1", "values", FieldKind::Array)]);
    for formula in ["SUM(values)", "ARRAYJOIN(values, '; ')", "COUNTALL(values)", "IF(AND(values), 1, 0)"] {
        assert!(Formula::compile(formula, &schema, &Limits::default()).is_ok(), "{formula}");
    }
}

#[test]
fn texts_of_values() {
    check_all(&[
        ("1000000 & ''", "\"1000000\""),
        ("0.5 & ''", "\"0.5\""),
        ("-0 & ''", "\"0\""),
        ("1/0 & ''", "\"Infinity\""),
        ("CONCATENATE(1/4, TRUE(), BLANK(), Day)", "\"0.2512024-01-15\""),
        ("Time & ''", "\"2024-01-15T14:30:45.123Z\""),
        ("DATEADD(Day, 1, 'day') & ''", "\"2024-01-16T00:00:00.000Z\""),
        ("ARRAYFLATTEN(Tags, Numbers) & ''", "\"red, green, 3, 1, 2\""),
        ("LEN(Tags)", "10"),
        ("UPPER(Tags)", "\"RED, GREEN\""),
        ("LEFT(Price, 3)", "\"9.9\""),
        ("Tags & Broken", "error"),
    ]);
}

#[test]
fn numbers_of_values() {
    check_all(&[
        ("Done + Done", "2"),
        ("Open * 5", "0"),
        ("Empty - 1", "-1"),
        ("Empty / 2", "0"),
        ("2 / Empty", "Infinity"),
        ("'12' * '2'", "24"),
        ("' 3 ' + 0", "3"),
        ("'-3' - 1", "-4"),
        ("'1,000' + 1", "error"),
        ("'$5' + 1", "error"),
        ("'50%' + 0", "error"),
        ("'a' + 'b'", "error"),
        ("One + 1", "6"),
        ("Numbers + 1", "error"),
        ("SUM(Numbers, Numbers)", "12"),
        ("(Time > Day) + 1", "2"),
        ("Time - Day", "52245123"),
        ("ABS(Empty)", "0"),
        ("ROUND(Open)", "0"),
        ("-Tags", "error"),
    ]);
}

#[test]
fn comparisons_across_types() {
    check_all(&[
        ("'Ada' = 'ada'", "false"),
        ("Name = ' Ada'", "false"),
        ("Empty = 0", "true"),
        ("Empty = ''", "true"),
        ("Empty = FALSE()", "true"),
        ("Empty != 0", "false"),
        ("Zero = BLANK()", "true"),
        ("Zero != BLANK()", "false"),
        ("Price = BLANK()", "false"),
        ("Name = BLANK()", "false"),
        ("'' = BLANK()", "true"),
        ("Done = 1", "true"),
        ("Done = 'true'", "false"),
        ("Done = '1'", "false"),
        ("Open = TRUE()", "false"),
        ("Time = DATETIME_PARSE('2024-01-15T14:30:45.123Z')", "true"),
        ("Time = '2024-01-15T14:30:45.123Z'", "false"),
        ("Time != '2024-01-15T14:30:45.123Z'", "true"),
        ("Tags = 'red, green'", "true"),
        ("Tags != 'red, green'", "false"),
        ("Tags = 'green, red'", "false"),
        ("One = '5'", "false"),
        ("ARRAYSLICE(Tags, 1, 1) = 'red'", "true"),
        ("9.99 = '9.99'", "false"),
        ("Broken = BLANK()", "error"),
        ("0/0 = BLANK()", "false"),
        ("1/0 = 1/0", "true"),
        ("1/0 > 5", "true"),
        ("'b' > 'a'", "true"),
        ("'a' > 'B'", "true"),
        ("'10' < '9'", "true"),
        ("'' < 'a'", "true"),
        ("Empty < 'a'", "true"),
        ("'a' >= 5", "error"),
        ("'7' > 5", "error"),
        ("Empty < Price", "true"),
        ("Empty > -1", "true"),
        ("Open < Done", "true"),
        ("Day < Time", "true"),
        ("Day <= Day", "true"),
        ("{No date} < Day", "false"),
        ("{No date} > Day", "false"),
        ("{No date} <= {No date}", "true"),
        ("SWITCH(Zero, BLANK(), 'blank', 'other')", "\"blank\""),
        ("SWITCH(Tags, 'red, green', 1, 2)", "1"),
        ("SWITCH(5, '5', 'text', 5, 'number')", "\"number\""),
        ("SWITCH('a', 'A', 1)", "blank"),
    ]);
}

#[test]
fn errors_and_laziness() {
    check_all(&[
        ("IF(Broken, 1, 2)", "error"),
        ("IF(1, 'ok', Broken)", "\"ok\""),
        ("IF(0, Broken)", "blank"),
        ("IF(0, Broken, IF(1, 'deep', Broken))", "\"deep\""),
        ("AND(FALSE(), Broken)", "error"),
        ("OR(TRUE(), Broken)", "error"),
        ("XOR(TRUE(), Broken)", "error"),
        ("NOT(Broken)", "error"),
        ("COUNTALL(Broken)", "error"),
        ("T(Broken)", "error"),
        ("ISERROR(Broken)", "true"),
        ("ISERROR('x' + 1)", "true"),
        ("ISERROR(2/0)", "true"),
        ("ISERROR(0/0)", "true"),
        ("ISERROR(BLANK())", "false"),
        ("ISERROR(REGEX_EXTRACT('a', 'b'))", "true"),
        ("ISERROR(REGEX_MATCH('a', '['))", "true"),
        ("ISERROR(IF(0, 1))", "false"),
        ("IF(ISERROR(VALUE('x')), 'none', VALUE('x'))", "\"none\""),
        ("ERROR()", "error"),
        ("ERROR('message') & 'x'", "error"),
    ]);
}

#[test]
fn text_functions_at_their_edges() {
    check_all(&[
        ("FIND('', '')", "1"),
        ("FIND('a', '')", "0"),
        ("FIND('a', Empty)", "0"),
        ("FIND('9', Price)", "1"),
        ("FIND('.', Price)", "2"),
        ("FIND('a', 'banana', 3)", "4"),
        ("FIND('a', 'banana', 7)", "0"),
        ("FIND('red', Tags) & FIND('Red', Tags)", "\"10\""),
        ("SEARCH('green', Tags)", "6"),
        ("SEARCH('n', 'banana', 4)", "5"),
        ("SEARCH('x', 'banana') & '!'", "\"!\""),
        ("LEFT('', 3)", "\"\""),
        ("RIGHT(Empty, 3)", "\"\""),
        ("RIGHT('abc', 0)", "\"\""),
        ("MID('quick brown fox', 6, 5)", "\" brow\""),
        ("MID('Hello', 1, 0)", "\"\""),
        ("MID('Hello', 5, 10)", "\"o\""),
        ("REPLACE('abc', 1, 1, '')", "\"bc\""),
        ("REPLACE('abc', 3, 1, 'xyz')", "\"abxyz\""),
        ("REPT('-', 3) & REPT(5, 2)", "\"---55\""),
        ("SUBSTITUTE('banana', 'an', 'AN', 2)", "\"banANa\""),
        ("SUBSTITUTE('banana', 'x', 'y')", "\"banana\""),
        ("SUBSTITUTE('a.b.c', '.', '')", "\"abc\""),
        ("SUBSTITUTE(1001, 0, 'o')", "\"1oo1\""),
        ("T(Price) & T(Done) & T(Day) & T(Name)", "\"Ada\""),
        ("TRIM('\\t a  b \\n')", "\"a  b\""),
        ("LOWER('ÀÉÎ') & UPPER('àéî')", "\"àéîÀÉÎ\""),
        ("VALUE('$1,234.50')", "1234.5"),
        ("VALUE('-12')", "-12"),
        ("VALUE('recA1b22')", "122"),
        ("VALUE(12.5)", "12.5"),
        ("VALUE(TRUE())", "1"),
        ("VALUE('')", "error"),
        ("CONCATENATE('a')", "\"a\""),
        ("ENCODE_URL_COMPONENT('a b&c=d/é+')", "\"a%20b%26c%3Dd%2F%C3%A9%2B\""),
        ("ARRAYJOIN('x', '-')", "\"x\""),
        ("ARRAYJOIN(Numbers, '')", "\"312\""),
        ("ARRAYJOIN(Tags)", "\"red, green\""),
    ]);
}

#[test]
fn numeric_functions_at_their_edges() {
    check_all(&[
        ("AVERAGE(1, BLANK(), 3)", "2"),
        ("AVERAGE(BLANK())", "NaN"),
        ("COUNT(1, 'a', BLANK(), '')", "1"),
        ("COUNTA(1, 'a', BLANK(), '', 0)", "3"),
        ("COUNTALL(1, 'a', BLANK(), '')", "4"),
        ("COUNTALL(Tags, Numbers)", "5"),
        ("COUNTA(Tags, Nothing)", "2"),
        ("MAX(1, 5, -2) - MIN(1, 5, -2)", "7"),
        ("MAX(-1, BLANK())", "-1"),
        ("MIN(Numbers)", "1"),
        ("MAX(Day, Time)", "2024-01-15T14:30:45.123Z"),
        ("SUM()", "refused: SUM takes at least 1 argument, not 0 (line 1, column 1)"),
        ("SUM('a', 1)", "1"),
        ("CEILING(2.5) & FLOOR(2.5) & CEILING(-2.5) & FLOOR(-2.5)", "\"32-2-3\""),
        ("CEILING(1.234, 0.01)", "1.24"),
        ("FLOOR(12, 5)", "10"),
        ("CEILING(0.3, 0.1)", "0.3"),
        ("CEILING(5, 0)", "error"),
        ("EVEN(5) & EVEN(2.2) & EVEN(-1) & EVEN(-2.5)", "\"64-2-4\""),
        ("ODD(1.1) & ODD(-1.1) & ODD(2) & ODD(-4)", "\"3-33-5\""),
        ("INT(1.9) & INT(-1.9)", "\"1-2\""),
        ("LOG(1000)", "3"),
        ("LOG(1024, 2)", "10"),
        ("LOG(10, 1)", "error"),
        ("EXP(1) & ''", "\"2.718281828459045\""),
        ("MOD(10, 4) & MOD(-10, 4) & MOD(10, -4)", "\"2-22\""),
        ("MOD(5.5, 2)", "1.5"),
        ("POWER(2, -1)", "0.5"),
        ("POWER(0, 0)", "1"),
        ("POWER(-8, 1/3)", "NaN"),
        ("POWER(10, 400)", "Infinity"),
        ("SQRT(16) & SQRT(2)", "\"41.4142135623730951\""),
        ("ROUND(16.8, -1)", "20"),
        ("ROUND(-2.5) & ROUND(2.5) & ROUND(-3.5)", "\"-23-3\""),
        ("ROUND(1.45, 1)", "1.5"),
        ("ROUNDUP(-1.21, 1) & ROUNDDOWN(-1.29, 1)", "\"-1.3-1.2\""),
        ("ROUNDUP(150, -2) & ROUNDDOWN(150, -2)", "\"200100\""),
        ("ABS('-3')", "3"),
    ]);
    refused(&["ROUNDUP(1)", "ROUNDDOWN(1)", "MOD(1)", "POWER(2)"]);
}

#[test]
fn dates_in_texts_and_parts() {
    check_all(&[
        ("DATESTR('07/10/19')", "\"2019-07-10\""),
        ("DATESTR('7/10/2019 13:05')", "\"2019-07-10\""),
        ("TIMESTR('7/10/2019 7:31:25')", "\"07:31:25\""),
        ("DATESTR('4 Mar 2017 23:00')", "\"2017-03-04\""),
        ("YEAR('1/1/68') & '|' & YEAR('1/1/69')", "\"2068|1969\""),
        ("HOUR('2024-01-15T23:30:00-05:00')", "4"),
        ("DAY('2024-01-15T23:30:00-05:00')", "16"),
        ("MONTH(Day) & YEAR(Day) & DAY(Day) & HOUR(Day)", "\"12024150\""),
        ("MONTH({No date})", "error"),
        ("WEEKDAY(Day) & WEEKDAY(Day, 'Monday') & WEEKDAY(Day, 'Sunday')", "\"101\""),
        ("WEEKNUM('2024-01-01')", "1"),
        ("WEEKNUM('2013-02-17') & WEEKNUM('2013-02-17', 'Monday')", "\"87\""),
        ("DATEADD('2024-01-31', 1, 'months')", "2024-02-29T00:00:00.000Z"),
        ("DATEADD('2024-02-29', 4, 'years')", "2028-02-29T00:00:00.000Z"),
        ("DATEADD(Time, -90, 'minutes')", "2024-01-15T13:00:45.123Z"),
        ("DATEADD(Day, 1, 'Days')", "2024-01-16T00:00:00.000Z"),
        ("DATEADD(Day, 1, 'quarter')", "2024-04-15T00:00:00.000Z"),
        ("DATEADD(Day, 1, 'Q')", "2024-04-15T00:00:00.000Z"),
        ("DATEADD(Day, 1, '')", "error"),
        ("DATETIME_DIFF('2024-01-02', '2024-01-01')", "86400"),
        ("DATETIME_DIFF('2024-01-01', '2024-01-02', 'days')", "-1"),
        ("DATETIME_DIFF('2024-01-01T12:00Z', '2024-01-02', 'days')", "0"),
        ("DATETIME_DIFF('2024-03-30', '2024-02-29', 'months')", "1"),
        ("DATETIME_DIFF(Time, Day, 'm') & '|' & DATETIME_DIFF(Time, Day, 'M')", "\"870|0\""),
        ("IS_SAME(Time, Day)", "false"),
        ("IS_SAME(Time, Day, 'day') & IS_SAME(Time, Day, 'hour')", "\"10\""),
        ("IS_AFTER(Time, Day) & IS_BEFORE(Time, Day) & IS_AFTER(Day, Day)", "\"100\""),
        ("IS_AFTER('2024-12-31', '2024-01-01', 'year')", "false"),
        ("TODAY() = DATETIME_PARSE('2024-05-17')", "true"),
        ("DATESTR(CREATED_TIME())", "\"2023-09-08\""),
        ("DATETIME_PARSE(Day)", "2024-01-15T00:00:00.000Z"),
        ("DATETIME_PARSE('')", "error"),
        ("TONOW(Day) = FROMNOW(Day)", "true"),
        ("WORKDAY('2024-01-05', 1, '2024-01-08, 2024-01-09')", "2024-01-10T00:00:00.000Z"),
        ("WORKDAY_DIFF('2024-01-01', '2024-01-05')", "5"),
        ("WORKDAY_DIFF('2024-01-05', '2024-01-01')", "-5"),
        ("WORKDAY_DIFF('2024-01-01', '2024-01-05', '2024-01-01, 2024-01-03')", "3"),
    ]);
}

#[test]
fn formats_zones_and_locales() {
    check_all(&[
        ("DATETIME_FORMAT(Time, 'M/D/YYYY h:mm A')", "\"1/15/2024 2:30 PM\""),
        ("DATETIME_FORMAT(Time, '[Week] w [of] YYYY')", "\"Week 3 of 2024\""),
        ("DATETIME_FORMAT(Time, 'x') & '|' & DATETIME_FORMAT(Time, 'X')", "\"1705329045123|1705329045\""),
        ("DATETIME_FORMAT(Time)", "\"2024-01-15T14:30:45+00:00\""),
        ("DATETIME_FORMAT(Time, '')", "\"2024-01-15T14:30:45+00:00\""),
        (
            "DATETIME_FORMAT(SET_TIMEZONE(Time, 'America/New_York'), 'YYYY-MM-DD HH:mm Z')",
            "\"2024-01-15 09:30 -05:00\"",
        ),
        (
            "DATETIME_FORMAT(SET_TIMEZONE('2024-07-01', 'America/New_York'), 'YYYY-MM-DD HH:mm z')",
            "\"2024-06-30 20:00 EDT\"",
        ),
        (
            "DATETIME_FORMAT(SET_LOCALE(SET_TIMEZONE(Time, 'Asia/Tokyo'), 'es'), 'dddd D HH')",
            "\"lunes 15 23\"",
        ),
        (
            "DATETIME_FORMAT(SET_TIMEZONE(SET_LOCALE(Time, 'es'), 'Asia/Tokyo'), 'dddd D HH')",
            "\"lunes 15 23\"",
        ),
        ("DATESTR(SET_TIMEZONE('2024-07-01', 'America/New_York'))", "\"2024-07-01\""),
        ("HOUR(SET_TIMEZONE(Time, 'Asia/Tokyo'))", "14"),
        ("SET_TIMEZONE(Time, 'Asia/Tokyo') = Time", "true"),
        ("SET_TIMEZONE(Time, 'Nowhere/Land')", "error"),
        ("DATETIME_FORMAT(SET_LOCALE(Time, 'xx-yy'), 'MMMM')", "\"January\""),
    ]);
}

#[test]
fn arrays_and_records() {
    check_all(&[
        ("ARRAYCOMPACT(ARRAYFLATTEN(Tags, Empty, Zero, ''))", "[\"red\", \"green\", 0]"),
        ("ARRAYUNIQUE(ARRAYFLATTEN(Tags, 'red', 'Red'))", "[\"red\", \"green\", \"Red\"]"),
        ("ARRAYUNIQUE(ARRAYFLATTEN(1, '1', 1))", "[1, \"1\"]"),
        ("ARRAYSLICE(Tags, -1)", "[\"green\"]"),
        ("ARRAYSLICE(Numbers, 2, -1)", "[1, 2]"),
        ("ARRAYFLATTEN(Price)", "[9.99]"),
        ("ARRAYJOIN(ARRAYSLICE(ARRAYUNIQUE(Numbers), 1, 2), '+')", "\"3+1\""),
        ("LEN(RECORD_ID())", "17"),
        ("OR(RECORD_ID() = 'recAAAAAAAAAAAAA1', RECORD_ID() = 'x')", "true"),
        ("LAST_MODIFIED_TIME({Price})", "blank"),
    ]);
}

#[test]
fn regular_expressions_are_those_of_re2() {
    check_all(&[
        ("REGEX_MATCH('Hello', 'ell')", "true"),
        ("REGEX_MATCH('Hello', '^ell')", "false"),
        ("REGEX_MATCH('line1\\nline2', '(?m)^line2$')", "true"),
        ("REGEX_MATCH('a\\nb', 'a.b')", "false"),
        ("REGEX_MATCH('a\\nb', '(?s)a.b')", "true"),
        ("REGEX_MATCH('naïve', '^\\\\w+$')", "false"),
        ("REGEX_MATCH('naïve', '^\\\\pL+$')", "true"),
        ("REGEX_MATCH('x', '(?<=y)x')", "error"),
        ("REGEX_MATCH('xx', '(x)\\\\1')", "error"),
        ("REGEX_MATCH(Empty, '.')", "false"),
        ("REGEX_MATCH(12345, '^[0-9]{5}$')", "true"),
        ("REGEX_EXTRACT('Order #123, #456', '#[0-9]+')", "\"#123\""),
        ("REGEX_EXTRACT('a@b.com', '@(.*)$')", "\"@b.com\""),
        ("REGEX_EXTRACT('', 'x')", "error"),
        ("REGEX_REPLACE('a-b-c', '-', '')", "\"abc\""),
        ("REGEX_REPLACE('2024-01-15', '(\\\\d+)-(\\\\d+)-(\\\\d+)', '$3/$2/$1')", "\"15/01/2024\""),
        ("REGEX_REPLACE('abc', '(?i)B', 'x')", "\"axc\""),
        ("REGEX_REPLACE('abc', 'z', 'x')", "\"abc\""),
    ]);
}
