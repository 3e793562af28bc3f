//! A conversation as the model reads it, made from a session's events.

use llm_api::{ModelTurn, ToolCall, ToolResult, Turn, UserPart};
use serde_json::Value;

use crate::events::{Decision, Event, Pending, RunStatus, ToolStatus};

/// A conversation. Whatever events it is made of, in whatever place they break off: once [`History::open`] is `None`, its
/// turns are valid for every vendor. They begin with the user, and each model turn with calls is followed by one result
/// for each call, in the calls' order.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    turns: Vec<Turn>,
    open: Option<OpenStep>,
    system: Option<String>,
    /// Where the latest message of the user is.
    exchange: usize,
    /// What tools did since that message.
    done: Vec<String>,
    /// What a later message has to tell the model about turns that were taken out.
    carried: Option<String>,
    is_tainted: bool,
    last_answer: String,
    /// The latest run has not ended, and never will once the conversation is read back: its process was killed.
    is_mid_run: bool,
    /// What the ids that clients know calls by begin with.
    prefix: String,
    model_turns: u32,
}

/// The latest model turn, while not all of its calls have a result.
#[derive(Clone, Debug)]
pub(crate) struct OpenStep {
    /// Which turn of the model in its session.
    number: u32,
    pub(crate) calls: Vec<OpenCall>,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenCall {
    pub(crate) call: ToolCall,
    pub(crate) state: CallState,
}

#[derive(Clone, Debug)]
pub(crate) enum CallState {
    Waiting,
    /// Sent, or about to be.
    Started {
        writes: bool,
    },
    /// Waits for the user's word.
    Asking(Pending),
    /// The user agreed, and it was not sent yet.
    Approved(Pending),
    Done(ToolResult),
}

impl History {
    #[cfg(test)]
    pub(crate) fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut history = Self::default();
        for event in events {
            history.apply(&event);
        }
        history
    }

    /// An empty conversation. `prefix` is what the ids that clients know calls by begin with.
    pub(crate) fn named(prefix: String) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Adds what happened.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.is_mid_run = !matches!(event, Event::RunEnded(_));
        match event {
            Event::Imported(event) => {
                *self = Self {
                    last_answer: std::mem::take(&mut self.last_answer),
                    prefix: std::mem::take(&mut self.prefix),
                    model_turns: self.model_turns,
                    is_mid_run: true,
                    ..Self::default()
                };
                self.turns.clone_from(&event.turns);
                self.system.clone_from(&event.system);
                // Earlier answers and results may quote cells.
                self.is_tainted = self.turns.iter().any(|turn| !matches!(turn, Turn::User(_)));
                self.exchange =
                    self.turns.iter().rposition(|turn| matches!(turn, Turn::User(_))).unwrap_or_default();
            }
            Event::UserMessage(event) => {
                let mut parts = event.parts.clone();
                parts.extend(event.context.clone().map(UserPart::Text));
                if event.system.is_some() {
                    self.system.clone_from(&event.system);
                }
                self.user_turn(parts);
                self.done.clear();
                self.carried = None;
            }
            Event::ModelTurn(event) => self.model_turn(&event.turn),
            Event::ModelFailed(_) => {}
            Event::ToolStarted(event) => {
                for call in &event.calls {
                    self.set(*call, CallState::Started { writes: event.writes });
                }
            }
            Event::ToolResult(event) => {
                self.is_tainted |= event.shows_cells;
                if event.status != ToolStatus::Skipped {
                    self.done.push(format!("{}: {}", event.result.name, event.status.as_str()));
                }
                self.set(event.call, CallState::Done(event.result.clone()));
                self.close_if_done();
            }
            Event::ApprovalRequested(event) => {
                self.set(event.call, CallState::Asking(event.approval.clone()))
            }
            Event::ApprovalDecided(event) => {
                if event.decision == Decision::Approved
                    && let Some((call, pending)) = self.asking()
                    && pending.id == event.id
                {
                    let pending = pending.clone();
                    self.set(call, CallState::Approved(pending));
                }
            }
            Event::Trimmed(event) => {
                let turns = event.turns.min(self.turns.len());
                self.turns.drain(..turns);
                self.exchange = self.exchange.saturating_sub(turns);
            }
            Event::RunEnded(event) => {
                if event.status == RunStatus::Blocked {
                    self.take_out_exchange();
                }
                self.last_answer.clone_from(&event.answer);
            }
        }
    }

    /// What to send. Valid only while nothing is open.
    pub(crate) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    pub(crate) fn open(&self) -> Option<&OpenStep> {
        self.open.as_ref()
    }

    /// The caller's own instructions.
    pub(crate) fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Whether the model has read what stands in cells, so that what it does next may be what a cell told it.
    pub(crate) fn is_tainted(&self) -> bool {
        self.is_tainted
    }

    /// What the next message has to tell the model about turns that were taken out.
    pub(crate) fn carried(&self) -> Option<&str> {
        self.carried.as_deref()
    }

    /// What the user was last shown as an answer.
    pub(crate) fn last_answer(&self) -> &str {
        &self.last_answer
    }

    /// Whether a client that quotes this as the latest answer means this conversation. It may have seen only the beginning,
    /// if its connection broke; of a run that was killed nobody knows how much it saw.
    pub(crate) fn has_said(&self, answer: &str) -> bool {
        let (known, quoted) = (self.last_answer.trim(), answer.trim());
        self.is_mid_run || known == quoted || (!quoted.is_empty() && known.starts_with(quoted))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.turns.iter().any(|turn| matches!(turn, Turn::ToolResults(_))) || self.open.is_some()
    }

    /// The change that waits for the user's word, and its place among the open calls.
    pub(crate) fn asking(&self) -> Option<(usize, &Pending)> {
        self.open.as_ref()?.calls.iter().enumerate().find_map(|(index, call)| match &call.state {
            CallState::Asking(pending) => Some((index, pending)),
            _ => None,
        })
    }

    /// The id under which a client knows one of the open calls: unlike the vendor's own, the same in no other session.
    pub(crate) fn client_id(&self, index: usize) -> Option<String> {
        let open = self.open.as_ref().filter(|open| index < open.calls.len())?;
        Some(format!("{}{}_{index}", self.prefix, open.number))
    }

    /// Whether the open calls are what a client brings results of.
    pub(crate) fn waits_for(&self, ids: &[String]) -> bool {
        let calls = self.open.as_ref().map_or(0, |open| open.calls.len());
        (0..calls).any(|index| self.client_id(index).is_some_and(|id| ids.contains(&id)))
    }

    /// How many turns can be left out from the beginning: about half, up to a message of the user, never the latest one.
    pub(crate) fn trimmable(&self) -> Option<usize> {
        let messages = self.turns.iter().enumerate().skip(1);
        let starts = messages.filter(|(_, turn)| matches!(turn, Turn::User(_))).map(|(index, _)| index);
        let half = self.turns.len() / 2;
        starts.filter(|index| *index <= self.exchange).min_by_key(|index| index.abs_diff(half))
    }

    fn user_turn(&mut self, parts: Vec<UserPart>) {
        self.close_with("this was not run");
        if let Some(Turn::User(before)) = self.turns.last_mut() {
            before.extend(parts);
        } else {
            self.turns.push(Turn::User(parts));
        }
        self.exchange = self.turns.len() - 1;
    }

    fn model_turn(&mut self, turn: &ModelTurn) {
        self.model_turns += 1;
        self.close_with("this was not run");
        if turn.parts.is_empty() {
            return;
        }
        match self.turns.last() {
            // Nothing to answer to: a damaged log. A history never begins with the model, nor has two of its turns in a row.
            None | Some(Turn::Model(_)) => return,
            Some(Turn::User(_) | Turn::ToolResults(_)) => self.turns.push(Turn::Model(turn.clone())),
        }
        let calls: Vec<_> = turn
            .tool_calls()
            .map(|call| OpenCall { call: call.clone(), state: CallState::Waiting })
            .collect();
        if !calls.is_empty() {
            self.open = Some(OpenStep { number: self.model_turns, calls });
        }
    }

    fn set(&mut self, call: usize, state: CallState) {
        if let Some(call) = self.open.as_mut().and_then(|open| open.calls.get_mut(call)) {
            call.state = state;
        }
    }

    fn close_if_done(&mut self) {
        let is_done =
            |open: &OpenStep| open.calls.iter().all(|call| matches!(call.state, CallState::Done(_)));
        if self.open.as_ref().is_some_and(is_done) {
            self.close_with("");
        }
    }

    /// Gives every open call a result. Only a log that broke off has any left here.
    fn close_with(&mut self, reason: &str) {
        let Some(open) = self.open.take() else { return };
        let results = open.calls.into_iter().map(|open| match open.state {
            CallState::Done(result) => result,
            _ => result(&open.call, false, reason.into()),
        });
        self.turns.push(Turn::ToolResults(results.collect()));
    }

    /// Takes out the latest message and what followed, since the vendor refuses to read it.
    fn take_out_exchange(&mut self) {
        self.open = None;
        self.turns.truncate(self.exchange);
        self.exchange = self.exchange.saturating_sub(1);
        let done = std::mem::take(&mut self.done);
        let done =
            if done.is_empty() { String::new() } else { format!(" Tools run for it: {}.", done.join(", ")) };
        self.carried = Some(format!(
            "[a message before this one was refused by the model's provider and left out.{done}]"
        ));
    }
}

/// The result of a call.
pub(crate) fn result(call: &ToolCall, ok: bool, content: Value) -> ToolResult {
    ToolResult { call_id: Some(call.id.clone()), name: call.name.clone(), ok, content }
}

/// What is wrong with a conversation in the eyes of the strictest vendor.
#[cfg(test)]
pub(crate) fn fault(turns: &[Turn]) -> Option<String> {
    let mut before: Option<&Turn> = None;
    for (index, turn) in turns.iter().enumerate() {
        let fault = match (before, turn) {
            (None, Turn::User(_)) | (Some(Turn::Model(_)), Turn::User(_)) => None,
            (None, _) => Some("does not begin with the user".to_owned()),
            (Some(Turn::User(_)), Turn::User(_)) => Some("two messages of the user in a row".to_owned()),
            (Some(Turn::Model(model)), Turn::ToolResults(results)) => {
                let asked: Vec<_> = model.tool_calls().map(|call| (Some(&call.id), &call.name)).collect();
                let given: Vec<_> =
                    results.iter().map(|result| (result.call_id.as_ref(), &result.name)).collect();
                (asked != given || asked.is_empty()).then(|| format!("{asked:?} is answered by {given:?}"))
            }
            (Some(_), Turn::ToolResults(_)) => Some("results that nobody asked for".to_owned()),
            (Some(Turn::Model(_)), Turn::Model(_)) => Some("two turns of the model in a row".to_owned()),
            (Some(_), Turn::Model(model)) => model.parts.is_empty().then(|| "an empty turn".to_owned()),
            (Some(Turn::ToolResults(_)), Turn::User(_)) => None,
        };
        if let Some(fault) = fault {
            return Some(format!("turn {index}: {fault}"));
        }
        if let (Some(Turn::Model(model)), Turn::User(_)) = (before, turn)
            && model.tool_calls().next().is_some()
        {
            return Some(format!("turn {index}: calls without results"));
        }
        before = Some(turn);
    }
    None
}
