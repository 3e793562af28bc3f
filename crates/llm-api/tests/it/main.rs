//! The Gemini client against a listener that answers with exact bytes (what leaves, and what is made of what comes), and
//! against the emulator, which holds it to the vendor's rules.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod answers;
mod bad_luck;
mod emulated;
mod history;
mod requests;
mod support;
