//! What holds for every input.

use airtable_formula::{Formula, Limits, Tree};
use proptest::prelude::*;

use crate::helpers::{context, sample};

/// Well-formed formulas over the sample's fields.
fn formula() -> impl Strategy<Value = String> {
    formula_and_twin().prop_map(|(formula, _)| formula)
}

/// A formula, and another that means the same but shows the compiler no constants: each stands behind a condition that only
/// a record can decide.
fn formula_and_twin() -> impl Strategy<Value = (String, String)> {
    let constant = prop_oneof![
        (0u32..1000).prop_map(|n| n.to_string()),
        (0.0..1e6f64).prop_map(|x| format!("{x}")),
        prop::sample::select(vec![
            "TRUE()",
            "BLANK()",
            "'days'",
            "'YYYY-MM-DD LLLL'",
            "'[a-z]+'",
            "'Ada'",
            "'2024-01-31'"
        ])
        .prop_map(str::to_owned),
        any::<String>().prop_map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))),
    ];
    let field = prop::sample::select(vec![
        "{Name}",
        "Price",
        "{Empty}",
        "Tags",
        "{No date}",
        "Day",
        "Time",
        "Done",
        "Broken",
        "Emoji",
        r"{odd \} name}",
        "TRUE",
        "NOW()",
        "RECORD_ID()",
    ]);
    let leaf = prop_oneof![
        constant.prop_map(|constant| (constant.clone(), format!("IF({{Done}}, {constant})"))),
        field.prop_map(|field| (field.to_owned(), field.to_owned())),
    ];
    let names = [
        "ABS",
        "AND",
        "ARRAYJOIN",
        "ARRAYSLICE",
        "CEILING",
        "COUNTA",
        "DATEADD",
        "DATESTR",
        "DATETIME_DIFF",
        "DATETIME_FORMAT",
        "DATETIME_PARSE",
        "FIND",
        "IF",
        "IF",
        "ISERROR",
        "IS_SAME",
        "LEFT",
        "LEN",
        "LOWER",
        "MAX",
        "MID",
        "Or",
        "REGEX_EXTRACT",
        "REGEX_REPLACE",
        "REPLACE",
        "REPT",
        "ROUND",
        "SEARCH",
        "SET_TIMEZONE",
        "SUBSTITUTE",
        "SUM",
        "SWITCH",
        "SWITCH",
        "T",
        "VALUE",
        "WEEKNUM",
        "WORKDAY",
        "WORKDAY_DIFF",
        "FROMNOW",
    ];
    let operators = ["+", "-", "*", "/", "&", "=", "!=", "<", "<=", ">", ">="];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(operators.to_vec()), inner.clone()).prop_map(
                |(left, operator, right)| {
                    let join = |left: &str, right: &str| format!("{left} {operator} {right}");
                    (join(&left.0, &right.0), join(&left.1, &right.1))
                }
            ),
            inner.clone().prop_map(|(formula, twin)| (format!("({formula})"), format!("({twin})"))),
            inner.clone().prop_map(|(formula, twin)| (format!("-{formula}"), format!("-{twin}"))),
            (prop::sample::select(names.to_vec()), prop::collection::vec(inner, 1..6)).prop_map(
                |(name, arguments)| {
                    let (formulas, twins): (Vec<String>, Vec<String>) = arguments.into_iter().unzip();
                    (format!("{name}({})", formulas.join(",")), format!("{name}({})", twins.join(",")))
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_tree_parses_to_itself(formula in formula()) {
        let tree = Tree::parse(&formula).unwrap();
        let printed = tree.to_string();
        let again = Tree::parse(&printed).unwrap();
        prop_assert_eq!(&again, &tree);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn evaluating_never_panics_and_repeats_itself(formula in formula()) {
        let sample = sample();
        if let Ok(compiled) = Formula::compile(&formula, &sample.schema(), &Limits::default()) {
            let first = compiled.evaluate(&sample, &context());
            let second = compiled.evaluate(&sample, &context());
            prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
            prop_assert_eq!(compiled.keeps(&sample, &context()), first.is_truthy());
        }
    }

    #[test]
    fn a_formula_and_its_printed_form_give_the_same(formula in formula()) {
        let sample = sample();
        let compile = |text: &str| Formula::compile(text, &sample.schema(), &Limits::default());
        if let Ok(compiled) = compile(&formula) {
            let printed = compile(&compiled.to_string()).unwrap();
            let (a, b) = (compiled.evaluate(&sample, &context()), printed.evaluate(&sample, &context()));
            prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
    }

    #[test]
    fn folding_constants_changes_no_result((formula, twin) in formula_and_twin()) {
        let sample = sample();
        let compile = |text: &str| Formula::compile(text, &sample.schema(), &Limits::default());
        if let Ok(compiled) = compile(&formula) {
            let twin = compile(&twin).unwrap();
            let (a, b) = (compiled.evaluate(&sample, &context()), twin.evaluate(&sample, &context()));
            prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in any::<String>()) {
        if let Err(error) = Formula::compile(&text, &sample().schema(), &Limits::default()) {
            let _ = (error.to_string(), error.api_message());
        }
    }

    #[test]
    fn no_soup_of_tokens_makes_the_compiler_panic(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "(", ")", ",", "IF(", "SWITCH(", "OR(", "{Name}", "Name", "\"a\"", "'", "\"", "{", "}", "\\", "1", ".", "-", "+", "*",
            "/", "&", "=", "!", "<", ">", " ", "\n", "é", "LEN(", "TRUE()", "RECORD_ID()='a'",
        ]), 0..40)
    ) {
        let text = tokens.concat();
        let sample = sample();
        match Formula::compile(&text, &sample.schema(), &Limits::default()) {
            Ok(compiled) => drop(compiled.evaluate(&sample, &context())),
            Err(error) => drop(error.to_string()),
        }
    }

    #[test]
    fn no_text_makes_the_date_functions_panic(text in "[ -~é]{0,30}", pattern in "[YMDdHhmsSaAZzXxQwWgGeELlkTo\\[\\]\\\\ :/.-]{0,20}") {
        let sample = sample();
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let (text, pattern) = (quoted(&text), quoted(&pattern));
        for formula in [
            format!("DATETIME_PARSE({text}, {pattern})"),
            format!("DATETIME_PARSE({text})"),
            format!("DATETIME_FORMAT(Time, {pattern})"),
            format!("REGEX_REPLACE({text}, {pattern}, {text})"),
            format!("SET_TIMEZONE(Day, {text})"),
            format!("VALUE({text})"),
        ] {
            let compiled = Formula::compile(&formula, &sample.schema(), &Limits::default()).unwrap();
            compiled.evaluate(&sample, &context());
        }
    }
}
