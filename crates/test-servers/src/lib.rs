#![doc = include_str!("../README.md")]

mod postgres;
mod program;
mod redis;
mod server;

pub use postgres::Postgres;
pub use program::free_port;
pub use redis::Redis;
