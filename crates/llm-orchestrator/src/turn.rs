//! The loop model -> tool calls -> model, as a state machine: what happened goes in, what to do comes out. It knows neither
//! HTTP nor SQL nor the time; `runner` does what it says.

mod calls;
mod catalog;
mod history;
mod limits;
mod opening;
mod replies;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use llm_api::{LlmError, Reply, ToolCall, ToolChoice, Turn, Usage, UserPart};
use serde_json::Value;

pub(crate) use catalog::{Catalog, ToolKind};
pub(crate) use history::History;
#[cfg(test)]
pub(crate) use history::fault;
pub(crate) use limits::{Limits, Moment};

use crate::events::{Event, Pending, RunEnded, RunStatus, ToolEnded, ToolStatus};
use history::CallState;

/// What a run begins with.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The user says something. A change that waits for the user's word is thereby declined.
    Message(Message),
    /// The user decided about the change that waits.
    Decision { approve: bool },
    /// The client ran its tools.
    Results { results: Vec<(String, Value)>, message: Option<Message> },
    /// The client brings the whole conversation along.
    Imported { turns: Vec<Turn>, system: Option<String>, message: Option<Message> },
}

#[derive(Debug)]
pub(crate) struct Message {
    pub parts: Vec<UserPart>,
    pub context: Option<String>,
    pub system: Option<String>,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    Begin(Opening),
    Answered(Box<Reply>),
    /// `shown` is what the user has seen of the answer.
    Failed {
        error: LlmError,
        shown: String,
    },
    /// A wait is over.
    Waited,
    ToolEnded {
        call: usize,
        outcome: ToolOutcome,
        took: Duration,
    },
    /// The client left.
    Left,
    TimeUp,
    /// Either of them, while the model was answering: what of it was used, and `shown` to the user.
    Stopped {
        by: Leaving,
        usage: Usage,
        shown: String,
    },
}

/// How a tool call ended.
#[derive(Debug)]
pub(crate) enum ToolOutcome {
    Ok {
        content: Value,
        preview: String,
        emulated: bool,
    },
    /// The tool says what is wrong.
    Error {
        content: Value,
        preview: String,
    },
    /// The tool wants the user's word first.
    Asks(Box<Pending>),
    /// The tool says itself that it does not know what became of the change.
    Unclear {
        content: Value,
        preview: String,
    },
    /// It was sent, and there is no answer.
    Unknown {
        why: &'static str,
    },
    /// It was not sent, or surely not done.
    NotDone {
        why: String,
    },
}

impl From<Leaving> for Input {
    fn from(leaving: Leaving) -> Self {
        match leaving {
            Leaving::Left => Self::Left,
            Leaving::TimeUp => Self::TimeUp,
        }
    }
}

/// What to do, in this order.
#[derive(Debug)]
pub(crate) enum Do {
    /// To be durable before whatever follows, except [`Do::CallModel`], which may run meanwhile.
    Record {
        events: Vec<Event>,
        usage: Option<StepUsage>,
    },
    /// Tell the user, as part of the answer.
    Say(String),
    CallModel(ModelCall),
    /// Then [`Input::Waited`].
    Wait(Duration),
    /// At once and side by side. Each gives an [`Input::ToolEnded`].
    Call(Vec<PlannedCall>),
    End(Box<Ending>),
}

/// A call of the model over [`Run::history`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelCall {
    pub attempt: u32,
    pub tool_choice: ToolChoice,
    /// For the model only, and for this call only.
    pub note: Option<&'static str>,
    /// The vendor did not take its own earlier turns.
    pub rebuild_history: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct PlannedCall {
    pub index: usize,
    /// As declared.
    pub tool: String,
    pub call: ToolCall,
    pub writes: bool,
    /// The tool must not change anything without the user's word.
    pub ask: bool,
    /// The user gave it.
    pub approved: Option<Pending>,
}

#[derive(Debug, Clone)]
pub(crate) struct StepUsage {
    pub attempt: u32,
    pub usage: Usage,
    pub emulated: bool,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub status: RunStatus,
    /// A filter's refusal, in words.
    pub refusal: Option<String>,
    pub client_calls: Vec<ToolCall>,
    pub approval: Option<Pending>,
    pub failure: Option<Failure>,
    /// A tool that changes something was sent: the same question again might do it again.
    pub changed: bool,
}

/// Why a run failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Model(LlmError),
    /// Again and again.
    Malformed {
        reason: String,
    },
    Empty,
    /// An unknown end, again and again.
    Other {
        reason: String,
    },
    TimeUp,
}

/// One question, from what the user says to the end of the answer.
#[derive(Debug)]
pub(crate) struct Run {
    id: String,
    model: String,
    history: History,
    catalog: Catalog,
    limits: Limits,
    /// For the first step; then the model decides.
    first_choice: ToolChoice,
    attempts: u32,
    steps: u32,
    tool_calls: u32,
    tokens: u64,
    /// Of the latest call of the model: the next one reads at least as much.
    last_input: u64,
    tries: Tries,
    /// Calls that were sent and have not ended.
    under_way: BTreeSet<usize>,
    leaving: Option<Leaving>,
    /// What the user has seen.
    answer: String,
    changed: bool,
    is_last_step: bool,
    ended: bool,
    record: Vec<Event>,
    out: Vec<Do>,
}

/// Why a run has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    Left,
    TimeUp,
}

/// What was tried for the present step.
#[derive(Debug, Default)]
struct Tries {
    waits: u32,
    malformed: u32,
    empty: u32,
    cut: u32,
    other: u32,
    trimmed: u32,
    rebuilt: bool,
}

impl Run {
    pub(crate) fn new(
        id: String,
        model: String,
        history: History,
        catalog: Catalog,
        limits: Limits,
        first_choice: ToolChoice,
    ) -> Self {
        Self {
            id,
            model,
            history,
            catalog,
            limits,
            first_choice,
            attempts: 0,
            steps: 0,
            tool_calls: 0,
            tokens: 0,
            last_input: 0,
            tries: Tries::default(),
            under_way: BTreeSet::new(),
            leaving: None,
            answer: String::new(),
            changed: false,
            is_last_step: false,
            ended: false,
            record: Vec::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The user was shown more of the answer.
    pub(crate) fn shown(&mut self, text: &str) {
        self.answer.push_str(text);
    }

    /// Everything that the user was shown.
    pub(crate) fn answer(&self) -> &str {
        &self.answer
    }

    /// Takes in what happened and says what to do. After [`Do::End`] there is nothing more to do.
    pub(crate) fn advance(&mut self, input: Input, moment: Moment) -> Vec<Do> {
        if !self.ended {
            match input {
                Input::Begin(opening) => self.begin(opening, moment),
                Input::Answered(reply) => self.answered(*reply, moment),
                Input::Failed { error, shown } => self.failed(error, &shown, moment),
                Input::Waited => self.call_model(moment),
                Input::ToolEnded { call, outcome, took } => self.tool_ended(call, outcome, took, moment),
                Input::Left => self.leave(Leaving::Left),
                Input::TimeUp => self.leave(Leaving::TimeUp),
                Input::Stopped { by, usage, shown } => self.stopped(by, usage, &shown),
            }
        }
        self.flush(None);
        std::mem::take(&mut self.out)
    }

    fn leave(&mut self, leaving: Leaving) {
        self.leaving.get_or_insert(leaving);
        if self.under_way.is_empty() {
            self.leave_now(leaving);
        }
    }

    fn leave_now(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Left => {
                self.close_open("this was not run: the user left");
                self.end(self.ending(RunStatus::Cancelled));
            }
            Leaving::TimeUp => {
                self.close_open("this was not run: the time for this question was over");
                self.fail(Failure::TimeUp);
            }
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.end(Ending { failure: Some(failure), ..self.ending(RunStatus::Failed) });
    }

    fn ending(&self, status: RunStatus) -> Ending {
        Ending {
            status,
            refusal: None,
            client_calls: Vec::new(),
            approval: None,
            failure: None,
            changed: self.changed,
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ended = true;
        let detail = ending.failure.as_ref().map(|failure| failure.word().to_owned());
        let answer = self.answer.clone();
        self.emit(Event::RunEnded(RunEnded { run: self.id.clone(), status: ending.status, detail, answer }));
        self.flush(None);
        self.out.push(Do::End(Box::new(ending)));
    }

    /// A paragraph of our own in the answer.
    fn say(&mut self, text: &str) {
        let gap = if self.answer.is_empty() { "" } else { "\n\n" };
        let text = format!("{gap}{text}");
        self.answer.push_str(&text);
        self.flush(None);
        self.out.push(Do::Say(text));
    }

    fn tool_result(
        &mut self,
        call: usize,
        status: ToolStatus,
        result: llm_api::ToolResult,
        shows_cells: bool,
        took: Duration,
    ) {
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let run = self.id.clone();
        self.emit(Event::ToolResult(ToolEnded { run, call, status, result, shows_cells, duration_ms }));
    }

    fn open_calls(&self) -> Vec<(usize, ToolCall)> {
        let open = self.history.open().into_iter().flat_map(|open| open.calls.iter().enumerate());
        open.filter(|(_, call)| !matches!(call.state, CallState::Done(_)))
            .map(|(index, call)| (index, call.call.clone()))
            .collect()
    }

    fn open_call(&self, index: usize) -> Option<ToolCall> {
        self.open_calls().into_iter().find(|(at, _)| *at == index).map(|(_, call)| call)
    }

    fn emit(&mut self, event: Event) {
        self.history.apply(&event);
        self.record.push(event);
    }

    /// Hands over what is to be recorded.
    fn flush(&mut self, usage: Option<StepUsage>) {
        let events = std::mem::take(&mut self.record);
        match self.out.last_mut() {
            _ if events.is_empty() && usage.is_none() => {}
            Some(Do::Record { events: before, usage: None }) => {
                before.extend(events);
                if let Some(Do::Record { usage: of_record, .. }) = self.out.last_mut() {
                    *of_record = usage;
                }
            }
            Some(Do::Record { events: before, .. }) if usage.is_none() => before.extend(events),
            _ => self.out.push(Do::Record { events, usage }),
        }
    }
}

impl Failure {
    /// For the record.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Model(_) => "model",
            Self::Malformed { .. } => "malformed",
            Self::Empty => "empty",
            Self::Other { .. } => "other",
            Self::TimeUp => "time_up",
        }
    }
}
