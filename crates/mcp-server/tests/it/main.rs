//! The server as its clients see it, with the emulated Airtable in the gateway's place.
#![expect(dead_code, reason = "the writing tools, which come next, use it")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod failures;
mod protocol;
mod reading;
mod rights;
mod support;
