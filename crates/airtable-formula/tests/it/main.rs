mod compile_errors;
mod dates;
mod filter_properties;
mod filters;
mod functions;
mod helpers;
mod hostile_input;
mod language;
mod properties;
mod vectors;

#[test]
fn every_test_vector_passes() {
    let report = vectors::run(include_str!("../vectors.jsonl"));
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert_eq!(report.passed, 325);
}
