//! The one place that sends to Airtable, and the only one that repeats.
//!
//! What may be repeated:
//!
//! | what happened | reads | writes |
//! | --- | --- | --- |
//! | no connection came about, so no byte was sent | yes | yes |
//! | 429: too many calls (never: monthly quota) | yes, after the pause | yes, after the pause |
//! | 503 `RETRIABLE_ERROR`: Airtable says that it is safe | yes | yes |
//! | other 502, 503, 504; connection broken; answer broken off | yes | no |
//! | timeout, 500, any other status | no | no |
//!
//! Writes are not repeated in the other cases even where they name their records. A second PATCH or PUT would overwrite
//! what somebody else wrote after the first, and runs automations twice; a second DELETE reports "not found" for a
//! deletion that worked. Their outcome is unknown, and the caller is told so.
//!
//! Repetitions other than after a 429 come out of a budget (a fifth of the traffic), three attempts at most. A breaker
//! stops calls to a base that does not answer.

mod breaker;
mod budget;

use std::sync::Arc;

use airtable_api::{
    AirtableClient, Failure, Outbound, SendError, Sent, Target, collect, full_body, retry_after,
    without_token,
};
use axum::body::Body;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use secrecy::SecretString;
use service_kit::serve::Shutdown;
use tokio::time::{Duration, Instant, timeout_at};

use crate::call::Call;
use crate::caller::Caller;
use crate::flights::Progress;
use crate::pacing::{Ask, Lane, NoSlot, Pacing, Slot};
use crate::payload::Payload;
use crate::stats::Stats;
use breaker::{Breakers, Outcome, Permit};
use budget::RetryBudget;

/// Attempts in all, when Airtable is in trouble.
const ATTEMPTS: u32 = 3;

/// First and longest wait between them; each is drawn evenly from zero up to a doubling bound.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// Shortest and longest time that everybody waits after a 429, whatever Airtable says.
const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(300);

/// How long calls may still wait for a slot once the process was told to stop. The rest of the time that it has for
/// requests in flight (20 s) is for their answers.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Longest answer that is held in memory.
pub(crate) const ANSWER_LIMIT: usize = 64 << 20;

/// A write that was sent gets at least this long to be answered, whether or not anybody waits.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer of Airtable's to give.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    /// No slot before the deadline; nothing was sent.
    #[error("no slot was free in time")]
    NoSlot(NoSlot),
    /// Airtable does not answer on this base at the moment; nothing was sent.
    #[error("calls are refused because Airtable does not answer")]
    CircuitOpen {
        /// When calls are tried again.
        retry_after: Duration,
    },
    /// The process stops before the call has its turn; nothing was sent.
    #[error("the gateway is stopping")]
    Stopping,
    /// Sending failed, or the answer is of no use.
    #[error(transparent)]
    Send(Arc<SendError>),
    /// The deadline passed after the request was sent.
    #[error("the answer did not come in time")]
    Late,
    /// The caller takes a kept answer only.
    #[error("no kept answer")]
    NotCached,
    /// The request's own body could not be read.
    #[error("the request's body could not be read")]
    Payload(Arc<axum::Error>),
    /// A bug of ours.
    #[error("the work was lost")]
    Lost,
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Self {
        Self::Send(Arc::new(error))
    }
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub method: Method,
    pub target: Target,
    /// End-to-end, without credentials.
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The way to Airtable. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream(Arc<Inner>);

struct Inner {
    client: AirtableClient,
    pacing: Pacing,
    budget: RetryBudget,
    breakers: Breakers,
    stats: Arc<Stats>,
    shutdown: Shutdown,
}

/// Leave to send one call: Airtable's limits allow it, and so does the breaker.
struct Leave {
    slot: Slot,
    permit: Permit,
}

/// What an attempt came to.
struct Reply {
    head: Parts,
    body: ReplyBody,
    verdict: Verdict,
}

enum ReplyBody {
    Stream(Incoming),
    Whole(Bytes),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// An answer.
    Fine,
    /// Too many calls: nothing was done.
    TooMany,
    /// 503 with the promise that nothing was done.
    Retriable(Option<Duration>),
    /// 502, 503, 504.
    Outage(Option<Duration>),
}

impl Upstream {
    /// Everything through one client and one pacing.
    pub(crate) fn new(client: AirtableClient, pacing: Pacing, stats: Arc<Stats>, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner {
            client,
            pacing,
            budget: RetryBudget::new(),
            breakers: Breakers::default(),
            stats,
            shutdown,
        }))
    }

    /// The pacing that calls go through.
    pub(crate) fn pacing(&self) -> &Pacing {
        &self.0.pacing
    }

    /// Bases on which calls are refused because Airtable does not answer.
    pub(crate) fn open_circuits(&self) -> usize {
        self.0.breakers.open()
    }

    /// Whose limit a call counts against.
    pub(crate) fn lane(caller: &Caller, call: &Call) -> Lane {
        match &call.base {
            Some(base) => Lane::Base(base.as_str().into()),
            None => Lane::Owner(caller.credential.scope.clone()),
        }
    }

    /// Reads a whole answer, of whatever status. An answer that breaks off is never returned.
    pub(crate) async fn read(
        &self,
        caller: &Caller,
        call: &Call,
        out: &Outgoing,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<(Parts, Bytes), Trouble> {
        self.read_with(caller, call, out, deadline, progress, async |body| collect(body, ANSWER_LIMIT).await)
            .await
    }

    /// Passes a read on without holding its answer: the body streams.
    pub(crate) async fn pass(
        &self,
        caller: &Caller,
        call: &Call,
        out: &Outgoing,
        deadline: Instant,
    ) -> Result<(Parts, Body), Trouble> {
        let progress = Progress::default();
        let stream = async |body: Incoming| Ok(Body::new(body));
        let (head, body) = self.read_with(caller, call, out, deadline, &progress, stream).await?;
        Ok((head, body))
    }

    async fn read_with<B: From<Bytes>>(
        &self,
        caller: &Caller,
        call: &Call,
        out: &Outgoing,
        deadline: Instant,
        progress: &Progress,
        take: impl AsyncFn(Incoming) -> Result<B, SendError>,
    ) -> Result<(Parts, B), Trouble> {
        let lane = Self::lane(caller, call);
        self.0.budget.deposit();
        let mut attempt = 1;
        loop {
            progress.set_sent(false);
            let leave = self.leave(caller, &lane, deadline).await?;
            progress.set_sent(true);
            let token = &caller.credential.token;
            let body = full_body(out.body.clone());
            let sent = self.exchange(leave, call, out.outbound(body), token, deadline).await;
            let result = match sent {
                Ok(Reply { verdict: Verdict::TooMany, .. }) => continue,
                Ok(Reply { head, body: ReplyBody::Stream(body), verdict }) => {
                    // The body counts against the deadline too; a stream is left to whoever reads it.
                    let taken = timeout_at(deadline, take(body)).await;
                    let taken = taken.unwrap_or(Err(SendError::Timeout(Duration::ZERO)));
                    taken.map(|body| (head, body, verdict))
                }
                Ok(Reply { head, body: ReplyBody::Whole(body), verdict }) => {
                    Ok((head, B::from(body), verdict))
                }
                Err(error) => Err(error),
            };
            let wait = match &result {
                Ok((_, _, Verdict::Retriable(wait) | Verdict::Outage(wait))) => *wait,
                Ok(_) => None,
                Err(SendError::Connect(_) | SendError::Broken(_) | SendError::Truncated(_)) => {
                    Some(Duration::ZERO)
                }
                Err(_) => None,
            };
            let troubled =
                !matches!(&result, Ok((_, _, Verdict::Fine | Verdict::TooMany)) | Err(SendError::Timeout(_)));
            if troubled && self.may_repeat(&mut attempt, wait, deadline).await {
                continue;
            }
            return match result {
                Ok((head, body, _)) => Ok((head, body)),
                Err(SendError::Timeout(_)) => Err(Trouble::Late),
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Sends a write, at most once as far as anybody can tell. `begin` runs right before it is sent and `end` when its
    /// outcome is there or never will be; from `begin` on it runs to its end, even if the caller leaves.
    pub(crate) async fn write(
        &self,
        caller: &Caller,
        call: &Call,
        out: &Outgoing,
        mut payload: Payload,
        deadline: Instant,
        around: Arc<dyn Around>,
    ) -> Result<(Parts, Bytes), Trouble> {
        let lane = Self::lane(caller, call);
        self.0.budget.deposit();
        let mut attempt = 1;
        loop {
            let leave = self.leave(caller, &lane, deadline).await?;
            let body = payload.send();
            let work = {
                let (this, call) = (self.clone(), call.clone());
                let (out, token, around) =
                    (out.outbound(body), caller.credential.token.clone(), around.clone());
                let patience = deadline.max(Instant::now() + WRITE_PATIENCE);
                async move {
                    around.begin().await;
                    let sent = this.exchange(leave, &call, out, &token, patience).await;
                    let reply = match sent {
                        Ok(Reply { head, body: ReplyBody::Whole(body), verdict }) => {
                            Ok((head, body, verdict))
                        }
                        Ok(Reply { head, body: ReplyBody::Stream(body), verdict }) => {
                            let whole = timeout_at(patience, collect(body, ANSWER_LIMIT)).await;
                            let whole = whole.unwrap_or(Err(SendError::Timeout(WRITE_PATIENCE)));
                            whole.map(|body| (head, body, verdict))
                        }
                        Err(error) => Err(error),
                    };
                    around.end().await;
                    reply
                }
            };
            let task = self.0.shutdown.spawn_detached(service_kit::telemetry::trace_context::carry(work));
            let reply = match timeout_at(deadline, task).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(_)) => return Err(Trouble::Lost),
                Err(_) => return Err(Trouble::Late),
            };
            let wait = match &reply {
                Ok((_, _, Verdict::TooMany)) if payload.can_repeat() => continue,
                Ok((_, _, Verdict::TooMany)) => {
                    let retry_after = self.0.pacing.estimate(&lane);
                    return Err(Trouble::NoSlot(NoSlot { retry_after }));
                }
                Ok((_, _, Verdict::Retriable(wait))) => Some(wait.unwrap_or_default()),
                Err(error) if error.sent() == Sent::Nothing => Some(Duration::ZERO),
                _ => None,
            };
            if wait.is_some() && payload.can_repeat() && self.may_repeat(&mut attempt, wait, deadline).await {
                continue;
            }
            return match reply {
                Ok((head, body, _)) => Ok((head, body)),
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Waits for leave to send one call, unless calls on this lane are refused anyway.
    async fn leave(&self, caller: &Caller, lane: &Lane, deadline: Instant) -> Result<Leave, Trouble> {
        if let Some(retry_after) = self.0.breakers.is_open(lane) {
            return Err(Trouble::CircuitOpen { retry_after });
        }
        let ask = Ask {
            lane: lane.clone(),
            owner: caller.credential.scope.clone(),
            principal: caller.principal.clone(),
            class: caller.class,
        };
        let asked = Instant::now();
        let slot = tokio::select! {
            biased;
            slot = self.0.pacing.slot(ask, deadline) => slot.map_err(Trouble::NoSlot),
            () = self.stopping() => Err(Trouble::Stopping),
        };
        metrics::histogram!("airtable_slot_wait_seconds").record(asked.elapsed());
        self.0.stats.waited(asked.elapsed());
        let permit = self.0.breakers.permit(lane);
        let permit = permit.map_err(|retry_after| Trouble::CircuitOpen { retry_after });
        Ok(Leave { slot: slot?, permit: permit? })
    }

    /// Ends when nobody may wait any longer because the process stops.
    async fn stopping(&self) {
        self.0.shutdown.requested().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    }

    /// Sends once, and settles slot, breaker, counters and pause by what comes back.
    async fn exchange(
        &self,
        leave: Leave,
        call: &Call,
        out: Outbound,
        token: &SecretString,
        deadline: Instant,
    ) -> Result<Reply, SendError> {
        let inner = &*self.0;
        let Leave { mut slot, permit } = leave;
        let started = Instant::now();
        let left = deadline.saturating_duration_since(started);
        slot.sent();
        inner.stats.sent();
        let result = AirtableClient::in_time(left, async {
            let (head, body) = inner.client.forward(out, token).await?.into_parts();
            if head.status.is_informational() {
                // Nobody asked for another protocol; passed on, it would take the caller's connection with it.
                return Err(SendError::Broken("the answer switches protocols".into()));
            }
            // Refusals are short, and decide what happens next; and they must not name our token.
            let is_refusal = head.status.is_client_error() || head.status.is_server_error();
            let body = if is_refusal {
                ReplyBody::Whole(without_token(collect(body, ANSWER_LIMIT).await?, token))
            } else {
                ReplyBody::Stream(body)
            };
            Ok((head, body))
        })
        .await;
        let label = match &result {
            Ok((head, _)) => class(head.status),
            Err(SendError::Connect(_)) => "unreachable",
            Err(SendError::Timeout(_)) => "timeout",
            Err(_) => "broken",
        };
        metrics::counter!("airtable_requests_total", "op" => call.label(), "outcome" => label).increment(1);
        metrics::histogram!("airtable_request_duration_seconds", "op" => call.label())
            .record(started.elapsed());
        let (head, body) = match result {
            Ok(answer) => answer,
            Err(error) => {
                match &error {
                    // Nothing reached Airtable: the slot is as good as new.
                    SendError::Connect(_) => {
                        slot.unsent();
                        permit.settle(Outcome::Unreachable);
                    }
                    SendError::Unsendable(_) => slot.unsent(),
                    _ => permit.settle(Outcome::Failed),
                }
                return Err(error);
            }
        };
        permit.settle(if head.status.is_server_error() { Outcome::Failed } else { Outcome::Answered });
        let failure = match &body {
            ReplyBody::Whole(body) => Failure::parse(body),
            ReplyBody::Stream(_) => Failure::default(),
        };
        let said = retry_after(&head.headers);
        let verdict = match head.status.as_u16() {
            // Without pacing nobody would wait before it is sent again.
            429 if failure.is_quota() || !inner.pacing.is_on() => Verdict::Fine,
            429 => {
                let pause = said.unwrap_or(airtable_api::PENALTY).clamp(PAUSE_LEAST, PAUSE_MOST);
                inner.stats.too_many();
                metrics::counter!("airtable_429_total").increment(1);
                tracing::warn!("Airtable says that there are too many calls: waiting {} s", pause.as_secs());
                slot.too_many(pause);
                return Ok(Reply { head, body, verdict: Verdict::TooMany });
            }
            503 if failure.is_retriable() => Verdict::Retriable(said),
            502..=504 => Verdict::Outage(said),
            _ => Verdict::Fine,
        };
        slot.answered();
        Ok(Reply { head, body, verdict })
    }

    /// Whether to try again; if so, waits first.
    async fn may_repeat(&self, attempt: &mut u32, wait: Option<Duration>, deadline: Instant) -> bool {
        let bound = (BACKOFF_FIRST * 2_u32.pow(*attempt - 1)).min(BACKOFF_MOST);
        let wait = bound.mul_f64(rand::random::<f64>()).max(wait.unwrap_or_default());
        if *attempt >= ATTEMPTS || Instant::now() + wait >= deadline {
            return false;
        }
        if !self.0.budget.withdraw() {
            metrics::counter!("retry_budget_exhausted_total").increment(1);
            return false;
        }
        *attempt += 1;
        self.0.stats.retried();
        metrics::counter!("retries_total").increment(1);
        tokio::time::sleep(wait).await;
        true
    }
}

/// What has to happen around a write.
#[async_trait::async_trait]
pub(crate) trait Around: Send + Sync {
    /// Right before it is sent.
    async fn begin(&self);
    /// When its outcome is there, or never will be.
    async fn end(&self);
}

impl Outgoing {
    fn outbound(&self, body: airtable_api::Body) -> Outbound {
        Outbound {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body,
        }
    }
}

/// A body of axum's as one of the client's.
pub(crate) fn outbound_body(body: Body) -> airtable_api::Body {
    body.map_err(Into::into).boxed_unsync()
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "429",
        ..=399 => "ok",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use airtable_api::Origin;
    use service_kit::outbound::http_client;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_still_waits_when_the_process_stops_is_told_so_before_it_is_cut_off() {
        let origin = Origin::parse("http://127.0.0.1:1").unwrap();
        let client = AirtableClient::new(http_client(&origin.to_uri()).unwrap(), origin);
        let shutdown = Shutdown::manual();
        let upstream = Upstream::new(client, Pacing::on(), Arc::default(), shutdown.clone());
        let (caller, lane) = (Caller::of_token("patX".into()), Lane::Base("appA".into()));
        let later = Instant::now() + Duration::from_secs(290);
        let mut taken = Vec::new();
        for _ in 0..5 {
            let mut leave = upstream.leave(&caller, &lane, later).await.ok().unwrap();
            leave.slot.sent();
            taken.push(leave);
        }
        shutdown.request();
        let asked = Instant::now();
        taken.pop().unwrap().slot.answered();
        taken.push(upstream.leave(&caller, &lane, later).await.expect("there is time for some"));
        let refused = upstream.leave(&caller, &lane, later).await.err();
        assert!(matches!(refused, Some(Trouble::Stopping)), "{refused:?}");
        assert!(asked.elapsed() < Duration::from_secs(20));
    }
}
