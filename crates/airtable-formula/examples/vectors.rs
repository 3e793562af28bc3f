//! Runs a file of test vectors and prints each failure: `cargo run -p airtable-formula --example vectors -- FILE.jsonl`

use std::process::ExitCode;

#[path = "../tests/it/vectors.rs"]
mod vectors;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: vectors FILE.jsonl");
        return ExitCode::from(2);
    };
    let lines = match std::fs::read_to_string(&path) {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("cannot read {path}: {error}");
            return ExitCode::from(2);
        }
    };
    let report = vectors::run(&lines);
    for failure in &report.failures {
        println!("{failure}");
    }
    println!("{} passed, {} failed", report.passed, report.failures.len());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
