//! The wire of OpenAI's Chat Completions, as far as this service speaks it. Source: the API's reference,
//! <https://platform.openai.com/docs/api-reference/chat>, and what its official clients send and read.

mod answer;
mod messages;
mod request;

pub(crate) use answer::{Chunks, completion};
pub(crate) use messages::{Conversation, parse_messages};
pub(crate) use request::{ApprovalAnswer, ChatRequest};
