//! What happens in a session, as it is kept: only appended, never changed. A conversation is read back from its events.

use llm_api::{ModelTurn, ToolResult, Turn, UserPart};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{EventRecord, NewEvent};

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A client brought a conversation along; it takes the place of whatever was there.
    Imported(Imported),
    UserMessage(UserMessage),
    ModelTurn(ModelTurnEnded),
    /// A call of the model did not give a turn that counts.
    ModelFailed(ModelFailed),
    /// Noted before the calls are sent.
    ToolStarted(ToolStarted),
    ToolResult(ToolEnded),
    ApprovalRequested(ApprovalRequested),
    ApprovalDecided(ApprovalDecided),
    /// The beginning was left out, since the model cannot read so much.
    Trimmed(Trimmed),
    RunEnded(RunEnded),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Imported {
    pub run: String,
    pub turns: Vec<Turn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UserMessage {
    pub run: String,
    pub parts: Vec<UserPart>,
    /// What was added for the model, such as the date. Kept, so that the model reads the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The caller's own instructions, if they came along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelTurnEnded {
    pub run: String,
    /// The number of the call of the model within its run.
    pub attempt: u32,
    pub finish: String,
    pub model: String,
    pub turn: ModelTurn,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelFailed {
    pub run: String,
    pub attempt: u32,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolStarted {
    pub run: String,
    /// Places among the calls of the latest model turn.
    pub calls: Vec<usize>,
    /// Whether these calls change something.
    pub writes: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolEnded {
    pub run: String,
    /// Its place among the calls of the latest model turn.
    pub call: usize,
    pub status: ToolStatus,
    pub result: ToolResult,
    /// The result may show what stands in cells.
    #[serde(default)]
    pub shows_cells: bool,
    #[serde(default)]
    pub duration_ms: u64,
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToolStatus {
    Ok,
    Error,
    /// The user did not want it.
    Declined,
    /// It was sent, and nobody knows whether it was done.
    Unknown,
    /// It was not sent.
    Skipped,
}

impl ToolStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Declined => "declined",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApprovalRequested {
    pub run: String,
    pub call: usize,
    pub approval: Pending,
}

/// A change that waits for the user's word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Six letters and digits, to be quoted by people.
    pub id: String,
    pub tool: String,
    /// What would change, in the tool's words.
    pub summary: String,
    /// The name of the tool's question.
    pub question: String,
    /// What a "yes" is to the tool.
    pub consent: Value,
    /// What the tool wants back with the answer.
    pub state: Option<String>,
    /// Milliseconds since 1970.
    pub expires_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApprovalDecided {
    pub run: String,
    pub id: String,
    pub decision: Decision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Approved,
    Declined,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trimmed {
    pub run: String,
    /// How many turns, from the first on.
    pub turns: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunEnded {
    pub run: String,
    pub status: RunStatus,
    /// For failures: the public error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Everything that the user was shown as the answer.
    pub answer: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunStatus {
    Completed,
    /// The client has to run tools of its own.
    ClientTools,
    AwaitingApproval,
    /// The answer was cut off by the bound on its length.
    Truncated,
    /// A limit of ours ended it.
    Limited,
    /// A filter of the model's vendor withheld the answer.
    Filtered,
    /// A filter of the model's vendor refused the question.
    Blocked,
    Failed,
    /// The client left.
    Cancelled,
}

impl RunStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientTools => "client_tools",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Truncated => "truncated",
            Self::Limited => "limited",
            Self::Filtered => "filtered",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A stored event that this version does not understand.
#[derive(Debug, thiserror::Error)]
#[error("event {seq} of kind {kind} cannot be read")]
pub(crate) struct UnreadableEvent {
    seq: u64,
    kind: String,
    #[source]
    source: Option<serde_json::Error>,
}

impl Event {
    pub(crate) fn store(&self) -> NewEvent {
        fn body(value: &impl Serialize) -> Value {
            serde_json::to_value(value).expect("events hold strings, numbers and JSON only")
        }
        let (kind, body) = match self {
            Self::Imported(event) => ("imported", body(event)),
            Self::UserMessage(event) => ("user_message", body(event)),
            Self::ModelTurn(event) => ("model_turn", body(event)),
            Self::ModelFailed(event) => ("model_failed", body(event)),
            Self::ToolStarted(event) => ("tool_started", body(event)),
            Self::ToolResult(event) => ("tool_result", body(event)),
            Self::ApprovalRequested(event) => ("approval_requested", body(event)),
            Self::ApprovalDecided(event) => ("approval_decided", body(event)),
            Self::Trimmed(event) => ("trimmed", body(event)),
            Self::RunEnded(event) => ("run_ended", body(event)),
        };
        NewEvent { kind: kind.to_owned(), body }
    }

    pub(crate) fn read(record: EventRecord) -> Result<Self, UnreadableEvent> {
        use serde_json::from_value as read;
        let EventRecord { seq, kind, body, .. } = record;
        let event = match kind.as_str() {
            "imported" => read(body).map(Self::Imported),
            "user_message" => read(body).map(Self::UserMessage),
            "model_turn" => read(body).map(Self::ModelTurn),
            "model_failed" => read(body).map(Self::ModelFailed),
            "tool_started" => read(body).map(Self::ToolStarted),
            "tool_result" => read(body).map(Self::ToolResult),
            "approval_requested" => read(body).map(Self::ApprovalRequested),
            "approval_decided" => read(body).map(Self::ApprovalDecided),
            "trimmed" => read(body).map(Self::Trimmed),
            "run_ended" => read(body).map(Self::RunEnded),
            _ => return Err(UnreadableEvent { seq, kind, source: None }),
        };
        event.map_err(|source| UnreadableEvent { seq, kind, source: Some(source) })
    }
}
