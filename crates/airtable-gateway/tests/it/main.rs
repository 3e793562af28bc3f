//! The gateway over real sockets: the emulator for the ordinary course, scripted servers for faults.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bodies;
mod cache;
mod corpus;
mod dialect;
mod faults;
mod own;
mod process;
mod replicas;
mod rights;
mod stores;
mod support;
