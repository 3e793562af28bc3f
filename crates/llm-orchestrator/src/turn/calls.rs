//! Tool calls: which are made, in which order, and what their ends mean.

use std::time::Duration;

use llm_api::ToolCall;

use super::catalog::shows_cells;
use super::history::{CallState, result};
use super::{Do, Ending, Moment, PlannedCall, Run, ToolKind, ToolOutcome};
use crate::events::{ApprovalRequested, Event, RunStatus, ToolStarted, ToolStatus};

impl Run {
    /// Runs what is to be run; else asks the model.
    pub(super) fn proceed(&mut self, moment: Moment) {
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

    pub(super) fn unknown_tool(&mut self, index: usize, call: &ToolCall) {
        let names: Vec<_> = self.catalog.names().collect();
        let why = match names.is_empty() {
            true => format!("there is no tool {}, nor any other", call.name),
            false => format!("there is no tool {}; there are: {}", call.name, names.join(", ")),
        };
        self.refuse(index, call, &why);
    }

    /// A result for a call that is not sent.
    pub(super) fn refuse(&mut self, index: usize, call: &ToolCall, why: &str) {
        let result = result(call, false, why.into());
        self.tool_result(index, ToolStatus::Error, result, false, Duration::ZERO);
    }

    /// Only calls of the client's own tools are left.
    pub(super) fn hand_to_client(&mut self) {
        let client_calls = self
            .open_calls()
            .into_iter()
            .filter_map(|(index, call)| Some(ToolCall { id: self.history.client_id(index)?, ..call }));
        let client_calls = client_calls.collect();
        self.end(Ending { client_calls, ..self.ending(RunStatus::ClientTools) });
    }

    pub(super) fn tool_ended(&mut self, index: usize, outcome: ToolOutcome, took: Duration, moment: Moment) {
        let Some(call) = self.open_call(index).filter(|_| self.under_way.remove(&index)) else { return };
        let tool = self.catalog.find(&call.name).map_or(call.name.clone(), |(name, _)| name.to_owned());
        match outcome {
            ToolOutcome::Ok { content, .. } => {
                let result = result(&call, true, content);
                self.tool_result(index, ToolStatus::Ok, result, shows_cells(&tool), took);
            }
            ToolOutcome::Error { content, .. } => {
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
            ToolOutcome::Unclear { content, .. } => {
                self.say(&format!(
                    "Note: it is not known whether {tool} changed anything. It was not repeated."
                ));
                let result = result(&call, false, content);
                self.tool_result(index, ToolStatus::Unknown, result, shows_cells(&tool), took);
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
}
