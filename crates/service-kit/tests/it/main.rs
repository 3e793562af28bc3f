#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod auth;
mod config;
mod edge;
mod health;
mod outbound;
mod process;
mod routes;
mod serve;
mod wire;
