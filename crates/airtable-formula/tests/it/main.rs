mod vectors;

#[test]
fn every_test_vector_passes() {
    let report = vectors::run(include_str!("../vectors.jsonl"));
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    assert_eq!(report.passed, 325);
}
