//! Syntax, coercion, comparison, errors.

use airtable_formula::{Formula, Limits, Tree, Value, ValueType};

use crate::helpers::{check, check_all, compile, context, sample};

#[test]
fn operators_bind_as_in_spreadsheets() {
    check_all(&[
        ("1 + 2 * 3", "7"),
        ("10 - 2 - 3", "5"),
        ("-2 * -3", "6"),
        ("--2", "2"),
        ("+\"5\"", "5"),
        ("1 + 1 & 2 + 2", "\"24\""),
        ("\"a\" & 1 = \"a1\"", "true"),
        ("3 > 2 > 1", "false"),
        ("1 < 2 < 3", "true"),
        ("1 = 1 = 1", "true"),
        ("7/2", "3.5"),
        ("( ( 1 ) )", "1"),
        (" 1\t+\r\n1 ", "2"),
        (".5 + 1", "1.5"),
    ]);
}

#[test]
fn text_literals_keep_unknown_escapes() {
    check_all(&[
        (r#""a\"b" & 'c\'d'"#, r#""a\"bc'd""#),
        (r#""it's" & 'say "x"'"#, r#""it'ssay \"x\"""#),
        (r#""\d\\d\n\t""#, r#""\\d\\d\n\t""#),
        ("\"two\nlines\"", r#""two\nlines""#),
    ]);
}

#[test]
fn fields_are_found_by_name_and_id() {
    check_all(&[
        ("{Name}", "\"Ada\""),
        ("Name", "\"Ada\""),
        ("{ Name }", "\"Ada\""),
        ("{fld00000000000000}", "\"Ada\""),
        (r"{odd \} name} + 1", "8"),
        ("FALSE", "\"a field\""),
        ("FALSE()", "false"),
        ("TRUE", "true"),
        ("BLANK", "blank"),
        ("DATESTR(today)", "\"2024-05-17\""),
    ]);
}

#[test]
fn what_is_not_in_the_language_is_refused() {
    for formula in [
        "",
        "   ",
        "=1",
        "1 == 1",
        "1 <> 2",
        "2 ^ 3",
        "5 % 2",
        "!TRUE()",
        "1 && 1",
        "1 || 1",
        "1 AND 1",
        "a IS b",
        "1 +",
        "(1",
        "1)",
        "IF(1,2,)",
        "IF(,1)",
        "SUM(,)",
        "1 2",
        "\"a",
        "'a\"",
        "{Name",
        "{}",
        "{ }",
        "“a”",
        "1e5",
        "1,000",
        "1.",
        "0x10",
        "1 // no",
        "/* no */ 1",
        "[1, 2]",
        "a.b",
        "$5",
        "\"He said \"no\"\"",
        "IF (1",
        "fld00000000000000",
        "1;2",
        "Name Name",
        "{Name} contains \"a\"",
        "NOT 1",
        "}",
    ] {
        assert!(compile(formula).is_err(), "{formula}");
    }
    check("SUM (1, 2)", "3");
}

#[test]
fn values_become_text() {
    check_all(&[
        ("{Empty} & \"\"", "\"\""),
        ("Price & \"\"", "\"9.99\""),
        ("0.1 + 0.2 & \"\"", "\"0.30000000000000004\""),
        ("1/3 & \"\"", "\"0.3333333333333333\""),
        ("POWER(10, 21) & \"\"", "\"1e+21\""),
        ("1/10000000 & \"\"", "\"1e-7\""),
        ("Done & \"\"", "\"1\""),
        ("Open & \"\"", "\"\""),
        ("(1 > 2) & \"\"", "\"0\""),
        ("Day & \"\"", "\"2024-01-15\""),
        ("Time & \"\"", "\"2024-01-15T14:30:45.123Z\""),
        ("Tags & \"\"", "\"red, green\""),
        ("Numbers & \"\"", "\"3, 1, 2\""),
        ("Dates & \"\"", "\"2024-03-01, 2024-02-01\""),
        ("Nothing & \"\"", "\"\""),
        ("SQRT(-1) & \"\"", "\"NaN\""),
        ("Broken & \"\"", "error"),
        ("FIND('2024-01-15', Time)", "1"),
    ]);
}

#[test]
fn values_become_numbers() {
    check_all(&[
        ("Empty + 5", "5"),
        ("TRUE() + 1", "2"),
        ("\"5\" + \" 6.5 \"", "11.5"),
        ("\"a\" + 1", "error"),
        ("\"\" + 1", "error"),
        ("\"$5\" * 2", "error"),
        ("One * 2", "10"),
        ("Numbers * 2", "error"),
        ("Nothing + 1", "1"),
        ("1/0", "Infinity"),
        ("-1/0", "-Infinity"),
        ("0/0", "NaN"),
        ("-Name", "error"),
        ("-Empty", "0"),
    ]);
}

#[test]
fn truth_is_what_the_filter_rule_says() {
    check_all(&[
        ("IF(-1, 1, 2)", "1"),
        ("IF(0, 1, 2)", "2"),
        ("IF(\"0\", 1, 2)", "1"),
        ("IF(\"\", 1, 2)", "2"),
        ("IF(0/0, 1, 2)", "2"),
        ("IF(1/0, 1, 2)", "1"),
        ("IF(Nothing, 1, 2)", "2"),
        ("IF(Tags, 1, 2)", "1"),
        ("IF(Day, 1, 2)", "1"),
        ("IF(Open, 1, 2)", "2"),
        ("IF(Broken, 1, 2)", "error"),
    ]);
    let sample = sample();
    for (formula, keeps) in [
        ("1", true),
        ("0", false),
        ("\"\"", false),
        ("\"0\"", true),
        ("0/0", false),
        ("1/0", true),
        ("ERROR()", false),
        ("Broken", false),
        ("{No date}", false),
        ("Nothing", false),
        ("Done", true),
        ("NOT(Broken)", false),
    ] {
        let formula = Formula::compile(formula, &sample.schema(), &Limits::default()).unwrap();
        assert_eq!(formula.keeps(&sample, &context()), keeps, "{formula}");
    }
}

#[test]
fn equality_knows_blank_zero_and_arrays() {
    check_all(&[
        ("\"a\" = \"A\"", "false"),
        ("\"a \" = \"a\"", "false"),
        ("BLANK() = 0", "true"),
        ("BLANK() = \"\"", "true"),
        ("BLANK() = FALSE()", "true"),
        ("Zero = BLANK()", "true"),
        ("0 = \"\"", "true"),
        ("5 = \"5\"", "false"),
        ("5 != \"5\"", "true"),
        ("Done = TRUE()", "true"),
        ("Done = 1", "true"),
        ("Open = FALSE()", "true"),
        ("{No date} = BLANK()", "true"),
        ("Day = BLANK()", "false"),
        ("Day = DATETIME_PARSE('2024-01-15')", "true"),
        ("Day = '2024-01-15'", "false"),
        ("Tags = \"red, green\"", "true"),
        ("Tags = \"red\"", "false"),
        ("One = 5", "true"),
        ("Numbers = 3", "false"),
        ("Nothing = BLANK()", "true"),
        ("Tags = Tags", "true"),
        ("0/0 = 0/0", "false"),
        ("0/0 != 0/0", "true"),
        ("Broken = Broken", "error"),
        ("Broken != 1", "error"),
    ]);
}

#[test]
fn ordering_refuses_to_mix_text_and_numbers() {
    check_all(&[
        ("\"a\" < \"b\"", "true"),
        ("\"Z\" < \"a\"", "true"),
        ("\"10\" < \"9\"", "true"),
        ("Empty < 1", "true"),
        ("Empty >= 0", "true"),
        ("TRUE() > FALSE()", "true"),
        ("\"a\" < 1", "error"),
        ("Day < DATETIME_PARSE('2024-02-01')", "true"),
        ("Day > DATETIME_PARSE('2024-02-01')", "false"),
        ("{No date} < Day", "false"),
        ("{No date} >= Day", "false"),
        ("One > 4", "true"),
        ("Numbers > 1", "error"),
        ("0/0 < 1", "false"),
        ("0/0 >= 1", "false"),
        ("Broken < 1", "error"),
    ]);
}

#[test]
fn errors_spread_but_for_iserror_and_branches_not_taken() {
    check_all(&[
        ("LEN(ERROR())", "error"),
        ("ERROR() & \"x\"", "error"),
        ("OR(1, ERROR())", "error"),
        ("AND(0, ERROR())", "error"),
        ("ISERROR(ERROR())", "true"),
        ("ISERROR(1/0)", "true"),
        ("ISERROR(0/0)", "true"),
        ("ISERROR(Name)", "false"),
        ("IF(1, 2, ERROR())", "2"),
        ("IF(0, ERROR(\"why\"), 2)", "2"),
        ("IF(Done, 2, ERROR())", "2"),
        ("IF(ISERROR(Name + 1), \"bad\", \"good\")", "\"bad\""),
        ("SWITCH(1, 1, \"a\", ERROR(), \"b\")", "\"a\""),
        ("SWITCH(2, 1, ERROR(), 2, \"b\")", "\"b\""),
        ("SWITCH(ERROR(), 1, \"a\", \"d\")", "error"),
        ("SWITCH(Name, ERROR(), \"a\", \"d\")", "error"),
        ("ISERROR(SWITCH(Name, Broken, \"a\", \"d\")) & \"!\"", "\"1!\""),
    ]);
}

#[test]
fn branches_nest_and_join() {
    check_all(&[
        ("IF(Done, 1, 2) + 3", "4"),
        ("IF(Open, 1, 2) + 3", "5"),
        ("IF(Open, 1) & \"x\"", "\"x\""),
        ("3 + IF(Done, IF(Open, 1, 2), 9) * 10", "23"),
        ("SWITCH(Name, \"Bob\", 1, \"Ada\", 2, 3) + IF(Done, 10, 20)", "12"),
        ("SWITCH(Name, \"x\", 1)", "blank"),
        ("SWITCH(Name, \"x\", 1, \"d\")", "\"d\""),
        ("SWITCH(Empty, 0, \"blank is zero\")", "\"blank is zero\""),
        ("IF(SWITCH(Name, \"Ada\", Open, Done), 1, 2)", "2"),
        ("SWITCH(IF(Done, 1, 2), 1, \"one\", 2, \"two\")", "\"one\""),
    ]);
}

#[test]
fn long_lists_of_alternatives_give_what_the_comparisons_give() {
    let ids = (0..500).map(|n| format!("RECORD_ID()='rec{n:014}'")).collect::<Vec<_>>().join(",");
    check(&format!("OR({ids})"), "false");
    check(&format!("OR({ids},RECORD_ID()='recAAAAAAAAAAAAA1')"), "true");
    check("OR(Name='a','b'=Name,Name='c',Name='Ada')", "true");
    check("OR(Name='a',Name='b',Name='c',Name='d')", "false");
    check("OR(Name='a',Name='b',Name='c',Name='d',1)", "true");
    check("OR(Empty='a',Empty='b',Empty='c',Empty='')", "true");
    check("OR(Zero='a',Zero='b',Zero='c',Zero='')", "true");
    check("OR(Price='9.99',Price='b',Price='c',Price='')", "false");
    check("OR(Tags='a',Tags='b',Tags='c',Tags='red, green')", "true");
    check("OR(Broken='a',Broken='b',Broken='c',Broken='d')", "error");
    check("OR(Name='a',Name='b',Name='c',Name='Ada',ERROR())", "error");
}

#[test]
fn a_formula_knows_what_it_depends_on() {
    let formula = compile("IF({Done}, Price, Price) & TODAY()").unwrap();
    assert_eq!(formula.fields(), [2, 4]);
    assert_eq!(formula.field_ids().collect::<Vec<_>>(), ["fld00000000000002", "fld00000000000004"]);
    assert!(formula.volatile() && !formula.reads_modification_time());
    let formula = compile("IF(today < NOW(), FROMNOW(Day), TODAY()) & LAST_MODIFIED_TIME({Name})").unwrap();
    assert_eq!(formula.volatile_functions(), ["FROMNOW", "NOW", "TODAY"]);
    assert!(formula.reads_modification_time());
    assert_eq!(formula.fields(), [0, 6]);
    for (formula, volatile) in [
        ("Price", false),
        ("NOW", true),
        ("FROMNOW(Day)", true),
        ("DATETIME_PARSE(Name)", false),
        ("DATETIME_PARSE(Name, 'D MMM YYYY')", true),
        ("DATETIME_PARSE(Name, 'LT')", true),
        ("DATETIME_PARSE(Name, 'HH:mm')", true),
        ("DATETIME_PARSE(Name, Name)", true),
    ] {
        assert_eq!(compile(formula).unwrap().volatile(), volatile, "{formula}");
    }
}

#[test]
fn the_type_of_a_result_is_known_beforehand() {
    for (formula, expected) in [
        ("1 + 1", ValueType::Number),
        ("Name & 1", ValueType::Text),
        ("1 = 1", ValueType::Boolean),
        ("Day", ValueType::Date),
        ("IF(1, Day)", ValueType::Date),
        ("IF(1, 1, \"x\")", ValueType::Text),
        ("IF(1, 1, 1 = 1)", ValueType::Number),
        ("SWITCH(Name, \"a\", 1, \"b\", 2)", ValueType::Number),
        ("SWITCH(1, \"a\", Name, Day)", ValueType::Text),
        ("MAX(Day, NOW())", ValueType::Date),
        ("MAX(1, Price)", ValueType::Number),
        ("Broken", ValueType::Any),
        ("BLANK()", ValueType::Blank),
        ("Tags", ValueType::Array),
        ("TODAY", ValueType::Date),
    ] {
        assert_eq!(compile(formula).unwrap().result_type(), expected, "{formula}");
    }
}

#[test]
fn a_tree_prints_with_the_parentheses_it_needs() {
    for (formula, printed) in [
        ("(1+2)*3", "(1 + 2) * 3"),
        ("1+(2*3)", "1 + 2 * 3"),
        ("1-(2-3)", "1 - (2 - 3)"),
        ("(1-2)-3", "1 - 2 - 3"),
        ("-(1+2)", "-(1 + 2)"),
        ("if({A}='x',b)", "IF({A} = \"x\", b)"),
        ("(1=2)=3", "1 = 2 = 3"),
        ("1=(2=3)", "1 = (2 = 3)"),
        (r#"{a\}b} & "\"\\\n""#, r#"{a\}b} & "\"\\\n""#),
        ("sum()", "SUM()"),
    ] {
        assert_eq!(Tree::parse(formula).unwrap().to_string(), printed);
    }
}

#[test]
fn fields_can_be_renamed_to_their_ids() {
    let tree = Tree::parse("Price * {Zero} & TRUE").unwrap();
    let schema = sample().schema();
    let with_ids = tree.rename_fields(|name, braced| {
        let found = if braced { schema.find_braced(name) } else { schema.find_bare(name) };
        found.map(|index| schema.fields()[index].id.clone())
    });
    assert_eq!(with_ids.to_string(), "{fld00000000000002} * {fld00000000000003} & TRUE");
}

#[test]
fn formulas_are_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Formula>();
}

#[test]
fn a_constant_pattern_is_compiled_once_also_where_the_replacement_is_a_field() {
    let sample = sample();
    // Compiling the pattern three times would cost more than this.
    let limits = Limits { work: 30_000, ..Limits::default() };
    let once = |text: &str, new: &str| format!("REGEX_REPLACE({text}, 'd|D', {new})");
    for new in ["Name", "'x'", "RECORD_ID()", "Zero"] {
        let formula = once(&once(&once("Name", new), new), new);
        let compiled =
            Formula::compile(&formula, &sample.schema(), &limits).expect("the formula is well-formed");
        assert!(matches!(compiled.evaluate(&sample, &context()), Value::Text(_)), "{new}");
    }
    check_all(&[
        ("REGEX_REPLACE(Name, 'd', Name)", "\"AAdaa\""),
        ("REGEX_REPLACE(Name, 'd', Name & 'd')", "\"AAdada\""),
        ("REGEX_REPLACE(Name, IF(Done, 'd', 'a'), Name)", "\"AAdaa\""),
        ("REGEX_REPLACE(Name, 'a', IF(Done, Name, 'd'))", "\"AdAda\""),
        ("REGEX_REPLACE(Name, IF(Open, Name, 'd'), Zero)", "\"A0a\""),
        ("REGEX_REPLACE('d', Name & 'x', Name)", "\"d\""),
    ]);
}
