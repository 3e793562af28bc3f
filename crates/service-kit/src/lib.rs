#![doc = include_str!("../README.md")]

pub mod auth;
pub mod command;
pub mod config;
pub mod dialect;
pub mod edge;
pub mod error;
pub mod extract;
pub mod health;
pub mod internal_key;
pub mod keys;
pub mod outbound;
pub mod private_file;
pub mod routes;
pub mod serve;
pub mod stores;
pub mod telemetry;

pub use dialect::Dialect;
pub use error::{ApiError, ErrorCode};
pub use internal_key::InternalKey;
