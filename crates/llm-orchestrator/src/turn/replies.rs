//! The model: when it is asked, and what its answers and failures mean.

use llm_api::{Finish, LlmError, ModelTurn, Part, Reply, ToolChoice, Usage};

use super::{Do, Ending, Failure, Leaving, ModelCall, Moment, Run, StepUsage, Tries};
use crate::events::{Event, ModelFailed, ModelTurnEnded, RunStatus, Trimmed};

/// How often a malformed answer is asked for again, and an empty one.
const MOST_MALFORMED: u32 = 3;
const MOST_EMPTY: u32 = 2;
const MOST_CUT: u32 = 2;
const MOST_OTHER: u32 = 1;

pub(super) const CORRECTION: &str = "[The last tool call could not be read. Call one tool, with arguments that are plain JSON and keep to \
     its schema.]";
const LAST_STEP: &str = "[No more tool calls are possible for this question. Answer now with what is known, and say what is \
     missing.]";

impl Run {
    pub(super) fn call_model(&mut self, moment: Moment) {
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
        let forced = self.tries.malformed >= 2 && has_tools && self.first_choice != ToolChoice::None;
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

    pub(super) fn answered(&mut self, reply: Reply, moment: Moment) {
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
    pub(super) fn step(&mut self, turn: ModelTurn, finish: &str, spent: StepUsage) {
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
    pub(super) fn lost(&mut self, reason: &str, spent: StepUsage) {
        let (run, attempt) = (self.id.clone(), spent.attempt);
        self.emit(Event::ModelFailed(ModelFailed { run, attempt, reason: reason.to_owned() }));
        self.flush(Some(spent));
    }

    pub(super) fn again(&mut self, reason: &str, spent: StepUsage, failure: Option<Failure>, moment: Moment) {
        self.lost(reason, spent);
        match failure {
            Some(failure) => self.fail(failure),
            None => self.call_model(moment),
        }
    }

    pub(super) fn failed(&mut self, error: LlmError, shown: &str, moment: Moment) {
        let usage = error.usage();
        self.tokens = self.tokens.saturating_add(usage.total());
        let spent = StepUsage { attempt: self.attempts, usage, emulated: false };
        if !shown.is_empty() {
            self.cut(shown, spent);
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

    /// Nobody waits for the rest of the answer. What came of it was paid for all the same.
    pub(super) fn stopped(&mut self, by: Leaving, usage: Usage, shown: &str) {
        self.tokens = self.tokens.saturating_add(usage.total());
        let spent = StepUsage { attempt: self.attempts, usage, emulated: false };
        match shown {
            "" => self.lost("stopped", spent),
            shown => self.cut(shown, spent),
        }
        self.leave(by);
    }

    /// What the user has seen is part of the conversation, and must not be said twice.
    fn cut(&mut self, shown: &str, spent: StepUsage) {
        let turn = ModelTurn::from_parts(vec![Part::Text(shown.to_owned())]);
        self.step(turn, "cut", spent);
    }

    pub(super) fn limit_reached(&mut self) {
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
}

fn without_calls(turn: ModelTurn) -> ModelTurn {
    if turn.tool_calls().next().is_none() {
        return turn;
    }
    let parts = turn.parts.into_iter().filter(|part| !matches!(part, Part::ToolCall(_)));
    ModelTurn::from_parts(parts.collect())
}
