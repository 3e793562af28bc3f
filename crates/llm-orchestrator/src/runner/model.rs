//! Asks the model, and shows its answer as it comes.

use futures_util::StreamExt as _;
use llm_api::{Adjustment, Finish, LlmError, ReplyStream, Request, StreamEvent, Turn};
use service_kit::ApiError;
use storage::UsageRecord;
use tokio::time::Instant;
use tracing::{Instrument as _, info_span};

use super::{Driver, RunEvent, gone, no_log, not_recorded};
use crate::events::Event;
use crate::prompt;
use crate::stats;
use crate::turn::{Input, ModelCall};

impl Driver {
    /// Asks the model, while what happened before is being recorded.
    pub(super) async fn call_model(
        &mut self,
        call: ModelCall,
        events: &[Event],
        usage: &[UsageRecord],
    ) -> Result<Input, ApiError> {
        let request = self.request(&call);
        let span = info_span!(
            "chat",
            otel.name = format!("chat {}", request.model),
            otel.kind = "client",
            gen_ai.operation.name = "chat",
            gen_ai.provider.name = "gcp.gemini",
            gen_ai.request.model = %request.model,
            gen_ai.response.model = tracing::field::Empty,
            gen_ai.response.finish_reasons = tracing::field::Empty,
            gen_ai.usage.input_tokens = tracing::field::Empty,
            gen_ai.usage.output_tokens = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        let asked = Instant::now();
        let input = self.hear(&request, events, usage).instrument(span.clone()).await?;
        stats::model_call(&request.model, &input, asked.elapsed());
        match &input {
            Input::Answered(reply) => {
                self.runner.watch.answered();
                span.record("gen_ai.response.model", reply.model_version.as_deref());
                span.record("gen_ai.response.finish_reasons", stats::finish_word(&reply.finish));
                span.record("gen_ai.usage.input_tokens", reply.usage.input());
                span.record("gen_ai.usage.output_tokens", reply.usage.output());
            }
            Input::Failed { error, .. } => {
                self.runner.watch.failed(error);
                span.record("error.type", stats::error_word(error));
            }
            _ => {}
        }
        Ok(input)
    }

    async fn hear(
        &mut self,
        request: &Request,
        events: &[Event],
        usage: &[UsageRecord],
    ) -> Result<Input, ApiError> {
        let mut stream = self.runner.provider.stream(request);
        self.note_dropped(stream.adjustments()).await;
        let Some(mut log) = self.log.take() else { return Err(no_log()) };
        let heard = {
            // The answer need not wait for the record, but nothing is done with it before that is kept.
            let mut recording = Box::pin(async {
                match events.is_empty() && usage.is_empty() {
                    true => Ok(()),
                    false => log.append(events, usage).await,
                }
            });
            let mut recorded = None;
            let hearing = self.hear_out(&mut stream);
            tokio::pin!(hearing);
            loop {
                tokio::select! {
                    done = &mut recording, if recorded.is_none() => match done {
                        Ok(()) => recorded = Some(()),
                        Err(error) => break Err(not_recorded(error)),
                    },
                    input = &mut hearing => {
                        if recorded.is_none() {
                            recording.await.map_err(not_recorded)?;
                        }
                        break Ok(input);
                    }
                }
            }
        };
        self.log = Some(log);
        self.report.model_emulated |= stream.so_far().emulated;
        self.report.emulated |= self.report.model_emulated;
        heard
    }

    /// Hears an answer to its end, and shows it.
    async fn hear_out(&mut self, stream: &mut ReplyStream) -> Input {
        let mut shown = String::new();
        let mut held_back = String::new();
        loop {
            let next = tokio::select! {
                event = stream.next() => event,
                by = gone(&self.left, &self.lost, self.deadline, self.has_left, self.is_late) => {
                    return Input::Stopped { by, usage: stream.so_far().usage, shown };
                }
            };
            match next {
                Some(Ok(StreamEvent::Text(text))) if self.streams => {
                    let text = if shown.is_empty() { self.after_gap(text) } else { text };
                    self.run.shown(&text);
                    shown.push_str(&text);
                    self.tell(RunEvent::Text(text)).await;
                }
                Some(Ok(StreamEvent::Text(text))) => held_back.push_str(&text),
                Some(Ok(StreamEvent::Thought(text))) => self.tell(RunEvent::Thought(text)).await,
                // Told once it is run.
                Some(Ok(StreamEvent::ToolCall(_))) => {}
                Some(Ok(StreamEvent::Done(reply))) => {
                    // Others are asked for again, or an error.
                    let is_kept = !matches!(reply.finish, Finish::Malformed { .. } | Finish::Other(_));
                    if !held_back.is_empty() && is_kept {
                        let text = self.after_gap(held_back);
                        self.run.shown(&text);
                        self.tell(RunEvent::Text(text)).await;
                    }
                    return Input::Answered(reply);
                }
                Some(Err(error)) => return Input::Failed { error, shown },
                None => {
                    let error = LlmError::CutStream { usage: llm_api::Usage::default() };
                    return Input::Failed { error, shown };
                }
            }
        }
    }

    /// Each step's text is a paragraph of its own.
    fn after_gap(&self, text: String) -> String {
        if self.run.answer().is_empty() { text } else { format!("\n\n{text}") }
    }

    async fn note_dropped(&mut self, adjustments: &[Adjustment]) {
        let names: Vec<_> = adjustments
            .iter()
            .filter_map(|adjustment| match adjustment {
                Adjustment::ParameterDropped { name } => Some(*name),
                _ => None,
            })
            .filter(|name| !self.report.dropped.contains(name))
            .collect();
        if !names.is_empty() {
            self.report.dropped.extend(&names);
            self.tell(RunEvent::Dropped(names)).await;
        }
    }

    fn request(&self, call: &ModelCall) -> Request {
        let history = self.run.history();
        let mut turns = history.turns().to_vec();
        turns.extend(call.note.map(Turn::user));
        let settings = &self.settings;
        Request {
            model: settings.model.clone(),
            system: Some(prompt::system(history.system(), !self.run.catalog().is_empty())),
            turns,
            tools: self.run.catalog().definitions(),
            tool_choice: call.tool_choice.clone(),
            max_output_tokens: settings.max_output_tokens,
            temperature: settings.temperature,
            top_p: settings.top_p,
            stop: settings.stop.clone(),
            seed: settings.seed,
            thinking: settings.thinking,
            response_format: settings.response_format.clone(),
            cached_content: None,
            rebuild_history: call.rebuild_history,
        }
    }
}
