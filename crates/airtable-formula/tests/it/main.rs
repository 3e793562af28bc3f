mod any_input;
mod compile_errors;
mod dates;
mod filter_properties;
mod filters;
mod functions;
mod helpers;
mod hostile_input;
mod language;
mod properties;
mod reference;
mod vectors;

#[test]
fn every_test_vector_passes() {
    let report = vectors::run(include_str!("../vectors.jsonl"));
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert_eq!(report.passed, 325);
}

/// Computed with JavaScript and Moment.js: text, numbers, rounding, shared regular expressions, dates.
#[test]
fn every_computed_vector_passes() {
    let report = vectors::run(include_str!("../vectors-computed.jsonl"));
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert_eq!(report.passed, 767);
}

/// Written from Airtable's rules, one or more for each.
#[test]
fn every_vector_of_a_rule_passes() {
    let report = vectors::run(include_str!("../vectors-rules.jsonl"));
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert_eq!(report.passed, 310);
}

#[test]
fn what_the_fuzzer_found_interesting_does_no_harm() {
    let corpus = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"));
    let files: Vec<_> = corpus.expect("the corpus is there").collect::<Result<_, _>>().unwrap();
    assert!(files.len() > 100, "the corpus is there");
    for file in files {
        any_input::check(&std::fs::read(file.path()).unwrap());
    }
}
