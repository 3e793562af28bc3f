//! The Airtable emulator over a real listener, spoken to in plain HTTP.
//!
//! The cases are rows of Airtable's documentation and of what its users have observed.

#![cfg(test)]

mod access;
mod attachments;
mod comments;
mod deletion;
mod errors;
mod faults;
mod fields;
mod gemini;
mod kept;
mod limits;
mod links;
mod listing;
mod meta;
mod oauth;
mod paths;
mod pings;
mod process;
mod records;
mod seeds;
mod settings;
mod shapes;
mod snapshot;
mod structure;
mod support;
mod sync;
mod typecast;
mod upsert;
mod views;
mod webhooks;
mod webhooks_kept;
