//! `cargo fuzz run --sanitizer none formula -- -dict=formula.dict` in the folder above; see the README there.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/any_input.rs"]
mod any_input;

fuzz_target!(|input: &[u8]| any_input::check(input));
