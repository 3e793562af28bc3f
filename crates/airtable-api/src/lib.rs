#![doc = include_str!("../README.md")]

pub mod calls;
mod client;
mod error;
mod failure;
mod ids;
mod target;
pub mod wire;

pub use client::{
    AirtableClient, Body, BoxError, HttpClient, Outbound, collect, full_body, retry_after, without_token,
};
pub use error::{PENALTY, SendError, Sent};
pub use failure::Failure;
pub use ids::{BaseId, FieldId, InvalidId, RecordId, TableId, TableKey, ViewId, WebhookId};
pub use target::{InvalidOrigin, InvalidTarget, Origin, Target, TargetBuilder, decode_once};
