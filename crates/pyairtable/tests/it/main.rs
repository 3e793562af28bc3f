//! The system tests: gateway and emulator together, as their users meet them. Everything here speaks HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail where it stands")]

mod apart;
mod bad_luck;
mod canaries;
mod chat;
mod chat_demo;
mod chat_rights;
mod chat_scripted;
mod chat_trouble;
mod corpus;
mod freshness;
mod kills;
mod load;
mod offline;
mod own_routes;
mod process;
mod rights;
mod rotation;
mod settings;
mod shared_stores;
mod snapshot;
mod stores;
mod support;
mod tools_truth;
mod tools_writes;
mod trace;
mod twins;
