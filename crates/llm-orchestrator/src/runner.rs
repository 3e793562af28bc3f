//! Does what the state machine says: calls the model and the tools, keeps the record, and tells the client what happens.

mod model;
mod report;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use llm_api::{Provider, ResponseFormat, Thinking, ToolChoice};
use serde_json::Value;
use service_kit::auth::Principal;
use service_kit::serve::Shutdown;
use service_kit::{ApiError, ErrorCode};
use storage::{StorageError, UsageRecord};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, Span, info_span};

use crate::cost;
use crate::events::ToolStatus;
use crate::sessions::{Log, OpenSession};
use crate::stats;
use crate::tools::{ToolRequest, Tools, preview};
use crate::turn::{
    Catalog, Do, Input, Leaving, Limits, Moment, Opening, PlannedCall, Run, StepUsage, ToolOutcome,
};
use crate::watch::ModelWatch;
pub(crate) use report::{Report, StepView, UsageView};

/// Reads that run side by side.
const MOST_PARALLEL: usize = 8;
/// What a client may be behind before the run waits for it.
const AHEAD: usize = 256;

/// What every run needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Runner {
    pub provider: Provider,
    pub tools: Tools,
    pub limits: Limits,
    pub watch: ModelWatch,
    pub shutdown: Shutdown,
}

/// One question to be answered.
pub(crate) struct Job {
    pub run: String,
    pub principal: Principal,
    pub session: OpenSession,
    pub opening: Opening,
    pub catalog: Catalog,
    pub settings: Settings,
    /// Shown as it comes; else in whole steps, so that a step that breaks off can be asked for again.
    pub streams: bool,
}

/// How the model is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub model: String,
    pub tool_choice: ToolChoice,
    pub max_output_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    pub thinking: Thinking,
    pub response_format: ResponseFormat,
}

/// What a client hears of a run, in order. The last one is [`RunEvent::Ended`].
#[derive(Debug)]
pub(crate) enum RunEvent {
    /// Parameters that the model does not take.
    Dropped(Vec<&'static str>),
    Text(String),
    Thought(String),
    ToolStarted {
        id: String,
        name: String,
        arguments: Value,
    },
    ToolFinished(StepView),
    Ended(Box<Report>),
}

/// A run under way. Dropping it is leaving: the run ends, but for a change that was sent.
pub(crate) struct Running {
    pub events: mpsc::Receiver<RunEvent>,
    _leaves: DropGuard,
}

#[cfg(test)]
impl Running {
    /// A run that tells what a test says.
    pub(crate) fn of(events: mpsc::Receiver<RunEvent>) -> Self {
        Self { events, _leaves: CancellationToken::new().drop_guard() }
    }
}

impl Runner {
    /// Begins a run, which goes on by itself.
    pub(crate) fn start(&self, job: Job) -> Running {
        let (out, events) = mpsc::channel(AHEAD);
        let left = CancellationToken::new();
        let span = info_span!(
            "invoke_agent",
            otel.name = "invoke_agent airtable-assistant",
            gen_ai.operation.name = "invoke_agent",
            gen_ai.agent.name = "airtable-assistant",
            gen_ai.provider.name = "gcp.gemini",
            gen_ai.request.model = %job.settings.model,
            gen_ai.usage.input_tokens = tracing::field::Empty,
            gen_ai.usage.output_tokens = tracing::field::Empty,
            error.r#type = tracing::field::Empty,
        );
        let work = drive(self.clone(), job, out, left.clone()).instrument(span);
        let work = service_kit::telemetry::trace_context::carry(work);
        self.shutdown.spawn_detached(work);
        Running { events, _leaves: left.drop_guard() }
    }
}

async fn drive(runner: Runner, job: Job, out: mpsc::Sender<RunEvent>, left: CancellationToken) {
    let Job { run, principal, session, opening, catalog, settings, streams } = job;
    let session_id = session.id.clone();
    let (history, log, lease) = session.into_parts();
    let started = Instant::now();
    let driver = Driver {
        run: Run::new(
            run.clone(),
            settings.model.clone(),
            history,
            catalog,
            runner.limits.clone(),
            settings.tool_choice.clone(),
        ),
        report: Report::new(run, session_id, settings.model.clone()),
        deadline: started + runner.limits.time,
        lost: lease.lost(),
        started,
        principal: Arc::new(principal),
        settings: Arc::new(settings),
        runner,
        log: Some(log),
        out,
        left,
        streams,
        has_left: false,
        is_late: false,
        has_changed: false,
        stop_reads: CancellationToken::new(),
    };
    let (report, out) = driver.finish(opening).await;
    report.note(started.elapsed());
    let span = Span::current();
    span.record("gen_ai.usage.input_tokens", report.total().input());
    span.record("gen_ai.usage.output_tokens", report.total().output());
    if let Some(failure) = report.failure_word() {
        span.record("error.type", failure);
    }
    // Given back first: who hears of the end may ask again at once.
    lease.give_back().await;
    let _ = out.send(RunEvent::Ended(Box::new(report))).await;
}

struct Driver {
    runner: Runner,
    run: Run,
    /// `None` only while something is appended beside the model's answer.
    log: Option<Log>,
    report: Report,
    principal: Arc<Principal>,
    settings: Arc<Settings>,
    out: mpsc::Sender<RunEvent>,
    left: CancellationToken,
    lost: CancellationToken,
    /// For calls that only read: nobody waits for them any more.
    stop_reads: CancellationToken,
    started: Instant,
    deadline: Instant,
    streams: bool,
    has_left: bool,
    is_late: bool,
    /// A change has an answer that is not recorded yet.
    has_changed: bool,
}

type ToolCalls =
    FuturesUnordered<std::pin::Pin<Box<dyn Future<Output = (PlannedCall, ToolOutcome, Duration)> + Send>>>;

impl Driver {
    async fn finish(mut self, opening: Opening) -> (Report, mpsc::Sender<RunEvent>) {
        if let Err(error) = self.work(opening).await {
            self.report.broke_off(error);
        }
        self.report.answer = self.run.answer().to_owned();
        (self.report, self.out)
    }

    async fn work(&mut self, opening: Opening) -> Result<(), ApiError> {
        let mut queue = VecDeque::new();
        let mut waiting = VecDeque::new();
        let mut calls = ToolCalls::new();
        self.advance(Input::Begin(opening), &mut queue);
        loop {
            while calls.len() < MOST_PARALLEL {
                let Some(call) = waiting.pop_front() else { break };
                calls.push(self.call_tool(call));
            }
            match queue.pop_front() {
                Some(Do::Record { events, usage }) => {
                    let usage = self.price(usage);
                    // What became of a change is durable before anything else, so that a kill cannot make it unknown.
                    let is_of_change = std::mem::take(&mut self.has_changed);
                    if !is_of_change
                        && let Some(Do::CallModel(_)) = queue.front()
                        && let Some(Do::CallModel(call)) = queue.pop_front()
                    {
                        let input = self.call_model(call, &events, &usage).await?;
                        self.advance(input, &mut queue);
                    } else {
                        self.log
                            .as_mut()
                            .ok_or_else(no_log)?
                            .append(&events, &usage)
                            .await
                            .map_err(not_recorded)?;
                    }
                }
                Some(Do::CallModel(call)) => {
                    let input = self.call_model(call, &[], &[]).await?;
                    self.advance(input, &mut queue);
                }
                Some(Do::Say(text)) => self.tell(RunEvent::Text(text)).await,
                Some(Do::Wait(time)) => {
                    let input = self.wait(time).await;
                    self.advance(input, &mut queue);
                }
                Some(Do::Call(batch)) => {
                    for call in &batch {
                        let (id, name) = (call.call.id.clone(), call.tool.clone());
                        let arguments = call.call.arguments.clone();
                        self.tell(RunEvent::ToolStarted { id, name, arguments }).await;
                    }
                    waiting.extend(batch);
                }
                Some(Do::End(ending)) => {
                    self.report.ended(*ending);
                    return Ok(());
                }
                None => {
                    let input = tokio::select! {
                        Some((call, outcome, took)) = calls.next() => self.tool_ended(&call, outcome, took).await,
                        by = gone(&self.left, &self.lost, self.deadline, self.has_left, self.is_late) => by.into(),
                    };
                    self.advance(input, &mut queue);
                }
            }
        }
    }

    fn advance(&mut self, input: Input, queue: &mut VecDeque<Do>) {
        match input {
            Input::Left | Input::Stopped { by: Leaving::Left, .. } => {
                self.has_left = true;
                self.stop_reads.cancel();
            }
            Input::TimeUp | Input::Stopped { by: Leaving::TimeUp, .. } => {
                self.is_late = true;
                self.stop_reads.cancel();
            }
            _ => {}
        }
        let moment = Moment { elapsed: self.started.elapsed(), jitter: rand::random() };
        queue.extend(self.run.advance(input, moment));
    }

    async fn wait(&mut self, time: Duration) -> Input {
        tokio::select! {
            () = sleep(time) => Input::Waited,
            by = gone(&self.left, &self.lost, self.deadline, self.has_left, self.is_late) => by.into(),
        }
    }

    /// Calls are made by a future of their own, so that several can be under way.
    fn call_tool(
        &self,
        call: PlannedCall,
    ) -> std::pin::Pin<Box<dyn Future<Output = (PlannedCall, ToolOutcome, Duration)> + Send>> {
        let (tools, principal, deadline) = (self.runner.tools.clone(), self.principal.clone(), self.deadline);
        let stop = self.stop_reads.clone();
        let span = info_span!(
            "execute_tool",
            otel.name = format!("execute_tool {}", call.tool),
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = %call.tool,
            gen_ai.tool.call.id = %call.call.id,
            gen_ai.tool.r#type = "function",
            error.r#type = tracing::field::Empty,
        );
        let in_span = span.clone();
        let work = async move {
            let began = Instant::now();
            let request = ToolRequest {
                tool: &call.tool,
                arguments: &call.call.arguments,
                writes: call.writes,
                ask: call.ask,
                approved: call.approved.as_ref(),
            };
            let answered = tools.call(&request, &principal, deadline);
            // A change that was sent runs to its end, whoever leaves.
            let outcome = if call.writes {
                answered.await
            } else {
                tokio::select! {
                    outcome = answered => outcome,
                    () = stop.cancelled() => ToolOutcome::NotDone { why: "this was interrupted; nothing was changed".to_owned() },
                }
            };
            if !matches!(outcome, ToolOutcome::Ok { .. } | ToolOutcome::Asks(_)) {
                span.record("error.type", "tool_error");
            }
            (call, outcome, began.elapsed())
        };
        Box::pin(work.instrument(in_span))
    }

    async fn tool_ended(&mut self, call: &PlannedCall, outcome: ToolOutcome, took: Duration) -> Input {
        self.has_changed |= call.writes;
        let (status, shown) = match &outcome {
            ToolOutcome::Ok { preview, emulated, .. } => {
                self.report.emulated |= emulated;
                (ToolStatus::Ok, preview.clone())
            }
            ToolOutcome::Error { preview, .. } => (ToolStatus::Error, preview.clone()),
            ToolOutcome::Unclear { preview, .. } => (ToolStatus::Unknown, preview.clone()),
            ToolOutcome::NotDone { why } => (ToolStatus::Error, preview(why, None)),
            ToolOutcome::Unknown { why } => (ToolStatus::Unknown, (*why).to_owned()),
            ToolOutcome::Asks(pending) => (ToolStatus::Declined, preview(&pending.summary, None)),
        };
        let is_question = matches!(outcome, ToolOutcome::Asks(_));
        stats::tool_call(&call.tool, if is_question { "asks" } else { status.as_str() }, took);
        let step = StepView {
            kind: "tool_call",
            id: call.call.id.clone(),
            name: call.tool.clone(),
            arguments: call.call.arguments.clone(),
            status: if is_question { "awaiting_approval" } else { status.as_str() },
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            result_preview: shown,
        };
        self.report.steps.push(step.clone());
        if !is_question {
            self.tell(RunEvent::ToolFinished(step)).await;
        }
        Input::ToolEnded { call: call.index, outcome, took }
    }

    /// Who left does not hear it, nor who does not read until the run's time is over.
    async fn tell(&self, event: RunEvent) {
        tokio::select! {
            biased;
            _ = self.out.send(event) => {}
            () = self.left.cancelled() => {}
            () = sleep_until(self.deadline) => {}
        }
    }

    /// The usage of a step as it is stored and shown.
    fn price(&mut self, usage: Option<StepUsage>) -> Vec<UsageRecord> {
        let Some(StepUsage { attempt, usage, emulated, .. }) = usage else { return Vec::new() };
        let now = SystemTime::now();
        let cost = cost::of(&self.settings.model, &usage, now);
        stats::tokens(&self.settings.model, &usage, cost);
        self.report.usage.push(UsageView { usage, cost_nano_usd: cost });
        vec![UsageRecord {
            run_id: self.report.run.clone(),
            step: attempt,
            session_id: self.report.session.clone(),
            key_id: self.principal.key_id.to_string(),
            model: self.settings.model.clone(),
            at: now,
            input_fresh: usage.input_fresh,
            input_cached: usage.input_cached,
            input_cache_write: usage.input_cache_write,
            tool_prompt: usage.tool_prompt,
            output_text: usage.output_text,
            output_reasoning: usage.output_reasoning,
            estimated: usage.estimated,
            // Answers that come to nothing do not say it.
            emulated: emulated || self.report.model_emulated,
            cost_nano_usd: cost.unwrap_or(0),
        }]
    }
}

/// After a failed record there is nothing more to be recorded.
fn no_log() -> ApiError {
    ApiError::new(ErrorCode::Unavailable, "a store of this service does not answer")
}

/// Why what happened cannot be recorded, so that the run cannot go on.
fn not_recorded(error: StorageError) -> ApiError {
    let gone = |message: &'static str, code| {
        ApiError::new(ErrorCode::Conflict, message).openai("conflict_error", code).retryable(false)
    };
    match error {
        StorageError::Missing { .. } => {
            gone("the session was deleted before its answer was there", "session_deleted")
        }
        StorageError::Conflict { .. } => gone("another process took this session over", "session_taken_over"),
        error => error.into(),
    }
}

/// Waits until the run has to end: the client left, somebody else took the session, or time is up. Each is told once.
async fn gone(
    left: &CancellationToken,
    lost: &CancellationToken,
    deadline: Instant,
    has_left: bool,
    is_late: bool,
) -> Leaving {
    tokio::select! {
        () = left.cancelled(), if !has_left => Leaving::Left,
        () = lost.cancelled(), if !has_left => Leaving::Left,
        () = sleep_until(deadline), if !is_late => Leaving::TimeUp,
        else => std::future::pending().await,
    }
}
