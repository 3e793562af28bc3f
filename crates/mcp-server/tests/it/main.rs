//! The server as its clients see it, with the emulated Airtable in the gateway's place.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;
mod confirming;
mod declared;
mod failures;
mod honest;
mod numbers;
mod process;
mod protocol;
mod reading;
mod rights;
mod support;
mod writing;
