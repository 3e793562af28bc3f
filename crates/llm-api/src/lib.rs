#![doc = include_str!("../README.md")]

mod catalogue;
mod error;
mod event;
pub mod gemini;
mod provider;
mod request;
mod send;
pub mod sse;
mod turn;
mod usage;

pub use catalogue::{Budget, ModelFacts, Price, ThinkingFacts};
pub use error::LlmError;
pub use event::{Adjustment, Finish, Model, Reply, ReplyStream, SoFar, StreamEvent};
pub use provider::Provider;
pub use request::{Effort, Request, ResponseFormat, Thinking, ThinkingLevel, ToolChoice, ToolDefinition};
pub use send::{BaseUrl, Body, BoxError, HttpClient, InvalidBaseUrl, Key, Limits};
pub use turn::{ModelTurn, Part, RawTurn, ToolCall, ToolResult, Turn, UserPart, Vendor};
pub use usage::Usage;
