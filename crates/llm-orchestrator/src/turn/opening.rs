//! How a run begins: what the user says, or decided, and what is to become of what was left open.

use std::time::Duration;

use super::history::{CallState, result};
use super::{Message, Moment, Opening, Run, ToolKind};
use crate::events::{ApprovalDecided, Decision, Event, Imported, ToolStatus, UserMessage};

impl Run {
    pub(super) fn begin(&mut self, opening: Opening, moment: Moment) {
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

    pub(super) fn user_message(&mut self, message: Message) {
        let Message { parts, context, system } = message;
        let context = match (self.history.carried(), context) {
            (Some(carried), Some(context)) => Some(format!("{carried}\n{context}")),
            (Some(carried), None) => Some(carried.to_owned()),
            (None, context) => context,
        };
        self.emit(Event::UserMessage(UserMessage { run: self.id.clone(), parts, context, system }));
    }

    pub(super) fn approve_asking(&mut self) {
        if let Some((_, pending)) = self.history.asking() {
            let id = pending.id.clone();
            let run = self.id.clone();
            self.emit(Event::ApprovalDecided(ApprovalDecided { run, id, decision: Decision::Approved }));
        }
    }

    pub(super) fn decline_asking(&mut self) {
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
    pub(super) fn close_open(&mut self, why_not_run: &str) {
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
}
