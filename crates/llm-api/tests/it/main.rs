//! The Gemini client against a listener that answers with exact bytes: what leaves, and what is made of what comes.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod answers;
mod bad_luck;
mod history;
mod requests;
mod support;
