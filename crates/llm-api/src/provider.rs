use crate::gemini;
use crate::{LlmError, Model, Reply, ReplyStream, Request, Vendor};

/// A vendor's client. The set is closed, so it is an enum. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Google's Gemini API, or its emulator.
    Gemini(gemini::Client),
}

impl Provider {
    /// Asks, and gives the answer as it comes. Nothing is sent before the stream is polled; dropping it ends the call.
    pub fn stream(&self, request: &Request) -> ReplyStream {
        match self {
            Self::Gemini(client) => client.stream(request),
        }
    }

    /// Asks, and gives the answer when it is whole. Dropping the future ends the call.
    pub async fn generate(&self, request: &Request) -> Result<Reply, LlmError> {
        match self {
            Self::Gemini(client) => client.generate(request).await,
        }
    }

    /// How many tokens a request has. It costs nothing, but counts as a call.
    pub async fn count_tokens(&self, request: &Request) -> Result<u64, LlmError> {
        match self {
            Self::Gemini(client) => client.count_tokens(request).await,
        }
    }

    /// The models that this key may ask.
    pub async fn models(&self) -> Result<Vec<Model>, LlmError> {
        match self {
            Self::Gemini(client) => client.models().await,
        }
    }

    /// Whose models they are.
    pub fn vendor(&self) -> Vendor {
        match self {
            Self::Gemini(_) => Vendor::Gemini,
        }
    }
}
