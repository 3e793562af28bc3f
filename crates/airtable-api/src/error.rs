//! Why a request has no usable answer.

use std::time::Duration;

use http::StatusCode;

use crate::{BoxError, Failure};

/// Whether Airtable can have acted on a request that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left: sending it again cannot do anything twice.
    Nothing,
    /// Bytes may have left: what became of it is unknown.
    Perhaps,
}

/// Why a request has no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection came about, so nothing was sent.
    #[error("cannot connect to Airtable")]
    Connect(#[source] BoxError),
    /// The connection broke before the head of the answer was complete.
    #[error("the connection to Airtable broke before the answer")]
    Broken(#[source] BoxError),
    /// The answer's head came, but its body ended early or broke its framing.
    #[error("Airtable's answer broke off")]
    Truncated(#[source] BoxError),
    /// The answer is longer than we are willing to hold.
    #[error("Airtable's answer is longer than {limit} bytes")]
    TooLong {
        /// What we would have held.
        limit: usize,
    },
    /// No answer within the time given.
    #[error("Airtable did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// A successful status with a body that is not what the call answers.
    #[error("Airtable's answer is not the JSON that this call answers with")]
    NotUnderstood(#[source] serde_json::Error),
    /// Airtable said no.
    #[error("Airtable refused the request ({status}): {failure}")]
    Refused {
        /// Airtable's status.
        status: StatusCode,
        /// Airtable's words.
        failure: Failure,
        /// `Retry-After`, if Airtable sent one.
        retry_after: Option<Duration>,
    },
    /// The request could not be put into HTTP; it was not sent.
    #[error("the request cannot be sent")]
    Unsendable(#[source] BoxError),
}

/// How long a base is closed after a violation of the rate limit, unless Airtable says otherwise.
///
/// Source: <https://airtable.com/developers/web/api/rate-limits>
pub const PENALTY: Duration = Duration::from_secs(30);

impl SendError {
    /// Whether Airtable can have acted on the request.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Connect(_) | Self::Unsendable(_) => Sent::Nothing,
            Self::Refused { status, failure, .. } if refuses_before_acting(*status, failure) => Sent::Nothing,
            Self::Broken(_)
            | Self::Truncated(_)
            | Self::TooLong { .. }
            | Self::Timeout(_)
            | Self::NotUnderstood(_)
            | Self::Refused { .. } => Sent::Perhaps,
        }
    }

    /// How long to wait before trying again can help; `None` when it cannot.
    pub fn retry_delay(&self) -> Option<Duration> {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::Truncated(_) | Self::Timeout(_) => {
                Some(Duration::ZERO)
            }
            Self::Refused { status, failure, retry_after } => match status.as_u16() {
                429 if failure.is_quota() => None,
                429 => Some(retry_after.unwrap_or(PENALTY)),
                502..=504 => Some(retry_after.unwrap_or(Duration::ZERO)),
                _ => None,
            },
            Self::TooLong { .. } | Self::NotUnderstood(_) | Self::Unsendable(_) => None,
        }
    }
}

/// True for the answers that Airtable gives without having done anything: every 4xx, and the 503 that says so.
pub(crate) fn refuses_before_acting(status: StatusCode, failure: &Failure) -> bool {
    status.is_client_error() || failure.is_retriable()
}
