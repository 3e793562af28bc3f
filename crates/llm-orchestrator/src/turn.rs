//! The loop model -> tool calls -> model, as a state machine: what happened goes in, what to do comes out. It knows neither
//! HTTP nor SQL nor the time; `runner` does what it says.

mod catalog;
mod history;
mod limits;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use llm_api::{Finish, LlmError, ModelTurn, Part, Reply, ToolCall, ToolChoice, Turn, Usage, UserPart};
use serde_json::Value;

pub(crate) use catalog::{Catalog, ToolKind, shows_cells};
#[cfg(test)]
pub(crate) use history::fault;
pub(crate) use history::{CallState, History, result};
pub(crate) use limits::{Limits, Moment};

use crate::events::{
    ApprovalDecided, ApprovalRequested, Decision, Event, Imported, ModelFailed, ModelTurnEnded, Pending,
    RunEnded, RunStatus, ToolEnded, ToolStarted, ToolStatus, Trimmed, UserMessage,
};

/// How often a malformed answer is asked for again, and an empty one.
const MOST_MALFORMED: u32 = 3;
const MOST_EMPTY: u32 = 2;
const MOST_CUT: u32 = 2;
const MOST_OTHER: u32 = 1;

const CORRECTION: &str = "[The last tool call could not be read. Call one tool, with arguments that are plain JSON and keep to \
     its schema.]";
const LAST_STEP: &str = "[No more tool calls are possible for this question. Answer now with what is known, and say what is \
     missing.]";

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
}

/// How a tool call ended.
#[derive(Debug)]
pub(crate) enum ToolOutcome {
    Ok {
        content: Value,
        emulated: bool,
    },
    /// The tool says what is wrong.
    Error {
        content: Value,
    },
    /// The tool wants the user's word first.
    Asks(Box<Pending>),
    /// It was sent, and there is no answer.
    Unknown {
        why: &'static str,
    },
    /// It was not sent, or surely not done.
    NotDone {
        why: String,
    },
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
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
            }
        }
        self.flush(None);
        std::mem::take(&mut self.out)
    }

    fn begin(&mut self, opening: Opening, moment: Moment) {
        match opening {
            Opening::Message(message) => {
                self.decline_asking();
                self.close_open("this was not run: the user said something else first");
                self.user_message(message);
            }
            Opening::Decision { approve } => {
                if approve {
                    self.approve_asking();
                } else {
                    self.decline_asking();
                    self.close_open("this was not run, since the user declined the change before it");
                }
            }
            Opening::Results { results, message } => {
                for (index, call) in self.open_calls() {
                    let client_id = self.history.client_id(index);
                    if let Some((_, content)) = results.iter().find(|(id, _)| Some(id) == client_id.as_ref())
                    {
                        let result = result(&call, true, content.clone());
                        self.tool_result(index, ToolStatus::Ok, result, true, Duration::ZERO);
                    }
                }
                self.close_open("the client gave no result for this call");
                if let Some(message) = message {
                    self.user_message(message);
                }
            }
            Opening::Imported { turns, system, message } => {
                self.emit(Event::Imported(Imported { run: self.id.clone(), turns, system }));
                if let Some(message) = message {
                    self.user_message(message);
                }
            }
        }
        self.proceed(moment);
    }

    fn user_message(&mut self, message: Message) {
        let Message { parts, context, system } = message;
        let context = match (self.history.carried(), context) {
            (Some(carried), Some(context)) => Some(format!("{carried}\n{context}")),
            (Some(carried), None) => Some(carried.to_owned()),
            (None, context) => context,
        };
        self.emit(Event::UserMessage(UserMessage { run: self.id.clone(), parts, context, system }));
    }

    fn approve_asking(&mut self) {
        if let Some((_, pending)) = self.history.asking() {
            let id = pending.id.clone();
            let run = self.id.clone();
            self.emit(Event::ApprovalDecided(ApprovalDecided { run, id, decision: Decision::Approved }));
        }
    }

    fn decline_asking(&mut self) {
        // Not more often than there can be calls.
        while let Some((index, pending)) = self.history.asking() {
            let id = pending.id.clone();
            let run = self.id.clone();
            self.emit(Event::ApprovalDecided(ApprovalDecided { run, id, decision: Decision::Declined }));
            let Some(call) = self.open_call(index) else { return };
            let content =
                "the user declined this change; nothing was changed. Do not try again unless the user asks";
            let result = result(&call, false, content.into());
            self.tool_result(index, ToolStatus::Declined, result, false, Duration::ZERO);
        }
    }

    /// Gives every open call a result that says what is known about it.
    fn close_open(&mut self, why_not_run: &str) {
        for (index, call) in self.open_calls() {
            let state = self.history.open().map(|open| open.calls[index].state.clone());
            let writes = self.catalog.find(&call.name).is_none_or(|(_, kind)| kind != ToolKind::Read);
            let (status, content) = match state {
                Some(CallState::Started { writes: true }) => {
                    self.say(&format!(
                        "Note: {} was interrupted before its answer came. It is not known whether the change was made, and it was \
                         not repeated.",
                        call.name
                    ));
                    let content = "this was sent, and interrupted before an answer came: it is NOT KNOWN whether the change was made. \
                                   It was not repeated. Tell the user, and look at the records before changing them again";
                    (ToolStatus::Unknown, content)
                }
                Some(CallState::Started { writes: false }) => {
                    (ToolStatus::Skipped, "this was interrupted before an answer came; nothing was changed")
                }
                Some(CallState::Asking(_)) if writes => {
                    (ToolStatus::Declined, "the user did not agree to this change; nothing was changed")
                }
                _ => (ToolStatus::Skipped, why_not_run),
            };
            let result = result(&call, false, content.into());
            self.tool_result(index, status, result, false, Duration::ZERO);
        }
    }

    /// Runs what is to be run; else asks the model.
    fn proceed(&mut self, moment: Moment) {
        let mut batch = Vec::new();
        for (index, call) in self.open_calls() {
            let Some(open) = self.history.open() else { break };
            let approved = match &open.calls[index].state {
                CallState::Waiting => None,
                CallState::Approved(pending) => Some(pending.clone()),
                _ => continue,
            };
            let found = self.catalog.find(&call.name).map(|(name, kind)| (name.to_owned(), kind));
            let (tool, kind) = match found {
                Some((_, ToolKind::Client)) => continue,
                Some(found) => found,
                None => {
                    self.unknown_tool(index, &call);
                    continue;
                }
            };
            if !call.arguments.is_object() {
                self.refuse(
                    index,
                    &call,
                    "the arguments must be a JSON object that keeps to the tool's schema",
                );
                continue;
            }
            if self.tool_calls >= self.limits.tool_calls {
                let why = format!(
                    "this was not run: at most {} tool calls are possible for one question",
                    self.limits.tool_calls
                );
                self.refuse(index, &call, &why);
                continue;
            }
            let writes = kind == ToolKind::Write;
            if writes && !batch.is_empty() {
                break;
            }
            self.tool_calls += 1;
            let ask = self.history.is_tainted();
            batch.push(PlannedCall { index, tool, call, writes, ask, approved });
            if writes {
                break;
            }
        }
        if batch.is_empty() {
            match self.history.open() {
                None => self.call_model(moment),
                Some(_) => self.hand_to_client(),
            }
        } else {
            let writes = batch.iter().any(|call| call.writes);
            let calls: Vec<_> = batch.iter().map(|call| call.index).collect();
            self.under_way.extend(&calls);
            self.changed |= writes;
            self.emit(Event::ToolStarted(ToolStarted { run: self.id.clone(), calls, writes }));
            self.flush(None);
            self.out.push(Do::Call(batch));
        }
    }

    fn unknown_tool(&mut self, index: usize, call: &ToolCall) {
        let names: Vec<_> = self.catalog.names().collect();
        let why = match names.is_empty() {
            true => format!("there is no tool {}, nor any other", call.name),
            false => format!("there is no tool {}; there are: {}", call.name, names.join(", ")),
        };
        self.refuse(index, call, &why);
    }

    /// A result for a call that is not sent.
    fn refuse(&mut self, index: usize, call: &ToolCall, why: &str) {
        let result = result(call, false, why.into());
        self.tool_result(index, ToolStatus::Error, result, false, Duration::ZERO);
    }

    /// Only calls of the client's own tools are left.
    fn hand_to_client(&mut self) {
        let client_calls = self
            .open_calls()
            .into_iter()
            .filter_map(|(index, call)| Some(ToolCall { id: self.history.client_id(index)?, ..call }));
        let client_calls = client_calls.collect();
        self.end(Ending { client_calls, ..self.ending(RunStatus::ClientTools) });
    }

    fn call_model(&mut self, moment: Moment) {
        if self.tokens >= self.limits.tokens {
            self.say(&format!(
                "I stopped here: this question has used its {} tokens. What was found so far stays in the conversation.",
                self.limits.tokens
            ));
            return self.end(self.ending(RunStatus::Limited));
        }
        self.is_last_step = self.steps + 1 >= self.limits.steps
            || self.tool_calls >= self.limits.tool_calls
            || self.tokens.saturating_add(self.last_input) >= self.limits.tokens
            || self.limits.is_late(moment);
        let has_tools = !self.catalog.is_empty();
        let forced = self.tries.malformed >= 2 && has_tools;
        let (tool_choice, note) = if self.is_last_step {
            // Without tools there was never anything to forbid.
            (ToolChoice::None, has_tools.then_some(LAST_STEP).filter(|_| self.steps > 0))
        } else if forced {
            (ToolChoice::Required, Some(CORRECTION))
        } else if self.steps == 0 {
            (self.first_choice.clone(), None)
        } else if self.first_choice == ToolChoice::None {
            (ToolChoice::None, None)
        } else {
            (ToolChoice::Auto, None)
        };
        self.attempts += 1;
        let call =
            ModelCall { attempt: self.attempts, tool_choice, note, rebuild_history: self.tries.rebuilt };
        self.flush(None);
        self.out.push(Do::CallModel(call));
    }

    fn answered(&mut self, reply: Reply, moment: Moment) {
        let Reply { turn, finish, usage, emulated, .. } = reply;
        self.tokens = self.tokens.saturating_add(usage.total());
        self.last_input = usage.input();
        let spent = StepUsage { attempt: self.attempts, usage, emulated };
        let has_calls = turn.tool_calls().next().is_some();
        let has_text = !turn.text().trim().is_empty();
        match finish {
            Finish::Stop | Finish::ToolCalls if has_calls => {
                self.step(turn, "tool_calls", spent);
                if self.is_last_step {
                    self.close_open("this was not run: no more tool calls are possible for this question");
                    self.limit_reached();
                } else {
                    self.proceed(moment);
                }
            }
            Finish::Stop | Finish::ToolCalls if has_text => {
                self.step(turn, "stop", spent);
                if self.is_last_step && self.steps > 1 && !self.catalog.is_empty() {
                    self.limit_reached();
                } else {
                    self.end(self.ending(RunStatus::Completed));
                }
            }
            Finish::Stop | Finish::ToolCalls => {
                self.tries.empty += 1;
                let gives_up = self.tries.empty > MOST_EMPTY;
                self.again("empty", spent, gives_up.then_some(Failure::Empty), moment);
            }
            Finish::Length | Finish::Continuation => {
                self.step(turn, "length", spent);
                self.close_open("this was not run: the answer that asked for it was cut off");
                if !has_text {
                    self.say("The model used up the room for its answer before it wrote one. Ask for less at once, or allow a longer answer.");
                }
                self.end(self.ending(RunStatus::Truncated));
            }
            Finish::ContentFilter { reason } => {
                self.step(without_calls(turn), "content_filter", spent);
                let refusal = Some(format!("The model's provider withheld the answer ({reason})."));
                self.end(Ending { refusal, ..self.ending(RunStatus::Filtered) });
            }
            Finish::PromptBlocked { reason } => {
                self.lost("prompt_blocked", spent);
                let refusal = Some(format!("The model's provider refused to read this ({reason})."));
                self.end(Ending { refusal, ..self.ending(RunStatus::Blocked) });
            }
            Finish::Malformed { reason, .. } => {
                self.tries.malformed += 1;
                let gives_up = self.tries.malformed >= MOST_MALFORMED;
                let why = reason.clone();
                self.again(&why, spent, gives_up.then_some(Failure::Malformed { reason }), moment);
            }
            Finish::Other(reason) => {
                self.tries.other += 1;
                let gives_up = self.tries.other > MOST_OTHER;
                let why = reason.clone();
                self.again(&why, spent, gives_up.then_some(Failure::Other { reason }), moment);
            }
        }
    }

    /// A turn that counts.
    fn step(&mut self, turn: ModelTurn, finish: &str, spent: StepUsage) {
        self.steps += 1;
        self.tries = Tries::default();
        self.emit(Event::ModelTurn(ModelTurnEnded {
            run: self.id.clone(),
            attempt: spent.attempt,
            finish: finish.to_owned(),
            model: self.model.clone(),
            turn,
        }));
        self.flush(Some(spent));
    }

    /// A call of the model that gave nothing to keep.
    fn lost(&mut self, reason: &str, spent: StepUsage) {
        let (run, attempt) = (self.id.clone(), spent.attempt);
        self.emit(Event::ModelFailed(ModelFailed { run, attempt, reason: reason.to_owned() }));
        self.flush(Some(spent));
    }

    fn again(&mut self, reason: &str, spent: StepUsage, failure: Option<Failure>, moment: Moment) {
        self.lost(reason, spent);
        match failure {
            Some(failure) => self.fail(failure),
            None => self.call_model(moment),
        }
    }

    fn failed(&mut self, error: LlmError, shown: &str, moment: Moment) {
        let usage = error.usage();
        self.tokens = self.tokens.saturating_add(usage.total());
        let spent = StepUsage { attempt: self.attempts, usage, emulated: false };
        if !shown.is_empty() {
            // What the user has seen is part of the conversation, and must not be said twice.
            let turn = ModelTurn::from_parts(vec![Part::Text(shown.to_owned())]);
            self.step(turn, "cut", spent);
            return self.fail(Failure::Model(error));
        }
        self.lost(&error.to_string(), spent);
        match error.cause() {
            LlmError::SignatureRejected { .. } if !self.tries.rebuilt => {
                self.tries.rebuilt = true;
                self.call_model(moment);
            }
            LlmError::ContextTooLong { .. }
                if self.tries.trimmed < 2 && self.history.trimmable().is_some() =>
            {
                self.tries.trimmed += 1;
                let turns = self.history.trimmable().unwrap_or_default();
                if self.tries.trimmed == 1 {
                    self.say("Note: this conversation is longer than the model can read, so its beginning was left out.");
                }
                self.emit(Event::Trimmed(Trimmed { run: self.id.clone(), turns }));
                self.call_model(moment);
            }
            LlmError::CutStream { .. } if self.tries.cut < MOST_CUT => {
                self.tries.cut += 1;
                self.call_model(moment);
            }
            _ if error.is_retryable() || matches!(error, LlmError::Interrupted { .. }) => {
                self.tries.waits += 1;
                match self.limits.wait(self.tries.waits, error.retry_after(), moment) {
                    Some(wait) => {
                        self.flush(None);
                        self.out.push(Do::Wait(wait));
                    }
                    None => self.fail(Failure::Model(error)),
                }
            }
            _ => self.fail(Failure::Model(error)),
        }
    }

    fn tool_ended(&mut self, index: usize, outcome: ToolOutcome, took: Duration, moment: Moment) {
        let Some(call) = self.open_call(index).filter(|_| self.under_way.remove(&index)) else { return };
        let tool = self.catalog.find(&call.name).map_or(call.name.clone(), |(name, _)| name.to_owned());
        match outcome {
            ToolOutcome::Ok { content, .. } => {
                let result = result(&call, true, content);
                self.tool_result(index, ToolStatus::Ok, result, shows_cells(&tool), took);
            }
            ToolOutcome::Error { content } => {
                let result = result(&call, false, content);
                self.tool_result(index, ToolStatus::Error, result, shows_cells(&tool), took);
            }
            ToolOutcome::Asks(approval) => {
                let run = self.id.clone();
                self.emit(Event::ApprovalRequested(ApprovalRequested {
                    run,
                    call: index,
                    approval: *approval,
                }));
            }
            ToolOutcome::Unknown { why } => {
                self.say(&format!(
                    "Note: {why}, so it is not known whether {tool} changed anything. It was not repeated."
                ));
                let content = format!(
                    "{why}: it is NOT KNOWN whether the change was made. Do not repeat it: look at the records first, and tell the user"
                );
                let result = result(&call, false, content.into());
                self.tool_result(index, ToolStatus::Unknown, result, false, took);
            }
            ToolOutcome::NotDone { why } => {
                let result = result(&call, false, why.into());
                self.tool_result(index, ToolStatus::Error, result, false, took);
            }
        }
        if !self.under_way.is_empty() {
            return;
        }
        if let Some(leaving) = self.leaving {
            self.leave_now(leaving);
        } else if let Some((_, pending)) = self.history.asking() {
            let approval = Some(pending.clone());
            let text = format!(
                "{}\n\nReply yes to go ahead; any other reply leaves everything as it is (approval {}).",
                pending.summary, pending.id
            );
            self.say(&text);
            self.end(Ending { approval, ..self.ending(RunStatus::AwaitingApproval) });
        } else {
            self.proceed(moment);
        }
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

    fn limit_reached(&mut self) {
        let text = if self.steps >= self.limits.steps {
            format!(
                "I stopped after {} steps, the limit for one question. Ask again to go on.",
                self.limits.steps
            )
        } else if self.tool_calls >= self.limits.tool_calls {
            format!(
                "I stopped after {} tool calls, the limit for one question. Ask again to go on.",
                self.limits.tool_calls
            )
        } else {
            "I stopped here, since the time or tokens for one question are nearly used up. Ask again to go on.".to_owned()
        };
        self.say(&text);
        self.end(self.ending(RunStatus::Limited));
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

fn without_calls(turn: ModelTurn) -> ModelTurn {
    if turn.tool_calls().next().is_none() {
        return turn;
    }
    let parts = turn.parts.into_iter().filter(|part| !matches!(part, Part::ToolCall(_)));
    ModelTurn::from_parts(parts.collect())
}
