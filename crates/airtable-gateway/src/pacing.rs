//! Pacing: a call is sent only when Airtable will take it. Knows time, not HTTP.
//!
//! Five slots per base and fifty per token owner. A slot is free again one second after the *answer* to its call arrived:
//! Airtable received the call somewhere between its sending and its answer, so no second can ever hold a sixth one.
//! Counting from the sending is not safe: on a busy machine late wake-ups bunch the arrivals.
//!
//! Where processes share Redis, a call that has its turn here also takes slots that all share. While Redis is lost, each
//! process keeps to its part of the limits. Whenever that changes, nobody is sent for a moment: what others sent just
//! before is not known here.

mod limits;
mod replicas;
mod schedule;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::{SharedSlot, SharedSlots};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Duration, Instant};

use limits::Limits;
use replicas::{Mode, Refused, Replicas};
use schedule::{Grant, Schedule, Ticket};

/// The span over which Airtable counts.
const WINDOW: Duration = Duration::from_secs(1);

/// What a call that was given up may still need to reach Airtable: its bytes may be on the way.
const STRAGGLER: Duration = Duration::from_secs(1);

/// How long nobody is sent after the way of counting has changed: a call sent under the old one may need so long to reach
/// Airtable and to be forgotten there.
const SETTLE: Duration = Duration::from_secs(2);

/// Longest `Retry-After` we name for our own queue.
const LONGEST_ESTIMATE: Duration = Duration::from_secs(300);

/// Whose limit a call counts against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// The id of a base.
    Base(Arc<str>),
    /// A call without a base, by the token's owner.
    Owner(Arc<str>),
}

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody waits for it.
    Interactive,
    /// Nobody does: refreshing, synchronising.
    Background,
}

/// Whose turn a call takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// See [`Ask::principal`].
    pub principal: Arc<str>,
    /// How urgent.
    pub class: Class,
}

/// Who asks for a slot, and where.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Where.
    pub lane: Lane,
    /// The token's owner, who has fifty calls a second for all bases together.
    pub owner: Arc<str>,
    /// Who has turns: one principal's crowd does not push back another's single call.
    pub principal: Arc<str>,
    /// How urgent.
    pub class: Class,
}

/// There will be no slot in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSlot {
    /// After which asking again is likely to succeed; at least a second.
    pub retry_after: Duration,
}

/// Hands out slots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pacing {
    /// `None`: switched off, everybody goes at once.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    state: Mutex<State>,
    /// Tells the driver that something changed.
    changed: Notify,
    /// `None`: nobody shares the limits with us, or each keeps to its part all the time.
    replicas: Option<Replicas>,
    /// How many processes there may be.
    most: usize,
}

#[derive(Default)]
struct State {
    schedule: Schedule,
    waiters: HashMap<Ticket, (oneshot::Sender<Slot>, Ask)>,
    driven: bool,
    /// As it was seen last; `None`: there was nothing to see yet.
    mode: Option<Mode>,
    /// How often it has changed.
    changes: u64,
}

impl Pacing {
    /// Airtable's limits, for at most `most` processes: together through `slots`, or else each its part.
    pub(crate) fn among(most: usize, slots: Option<SharedSlots>) -> Self {
        let mut state = State::default();
        let replicas = slots.map(Replicas::new);
        if replicas.is_none() {
            state.schedule.limit(Limits::shared_by(most));
        }
        let state = Mutex::new(state);
        Self { shared: Some(Arc::new(Shared { state, changed: Notify::new(), replicas, most })) }
    }

    /// Airtable's limits, all for this process.
    #[cfg(test)]
    pub(crate) fn on() -> Self {
        Self::among(1, None)
    }

    /// No limits: only for tests.
    pub(crate) fn off() -> Self {
        Self { shared: None }
    }

    /// Whether anybody is ever made to wait.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Waits for a slot until `deadline`. Dropping the future gives the place in the queue back.
    ///
    /// Fails at once if the lane is paused beyond `deadline`.
    pub(crate) async fn slot(&self, ask: Ask, deadline: Instant) -> Result<Slot, NoSlot> {
        let Some(shared) = &self.shared else { return Ok(Slot { held: None }) };
        loop {
            let mut slot = shared.turn(&ask, deadline).await?;
            let Some(replicas) = &shared.replicas else { return Ok(slot) };
            let (mode, changes) = shared.look(replicas);
            match mode {
                // Its turn came under other limits: it has to ask again.
                _ if slot.granted_after() != changes => {}
                Mode::Alone => return Ok(slot),
                Mode::Together(_) => match replicas.reserve(&ask, deadline).await {
                    Ok(slots) => {
                        slot.share(slots);
                        return Ok(slot);
                    }
                    Err(Refused::Late(wait)) => {
                        let NoSlot { retry_after } = shared.lock().no_slot(&ask.lane);
                        return Err(NoSlot { retry_after: retry_after.max(wait).min(LONGEST_ESTIMATE) });
                    }
                    Err(Refused::Lost) => {
                        shared.look(replicas);
                    }
                },
            }
        }
    }

    /// How long a call that asks now is likely to wait.
    pub(crate) fn estimate(&self, lane: &Lane) -> Duration {
        self.shared.as_ref().map_or(Duration::ZERO, |shared| shared.lock().no_slot(lane).retry_after)
    }

    /// Calls waiting for a slot (interactive, background) and lanes that are paused.
    pub(crate) fn waiting(&self) -> (usize, usize, usize) {
        let Some(shared) = &self.shared else { return (0, 0, 0) };
        let state = shared.lock();
        let (interactive, background) = state.schedule.waiting();
        (interactive, background, state.schedule.paused_lanes(Instant::now()))
    }
}

impl State {
    fn no_slot(&self, lane: &Lane) -> NoSlot {
        let estimate = self.schedule.estimate(lane, Instant::now());
        NoSlot { retry_after: estimate.clamp(WINDOW, LONGEST_ESTIMATE) }
    }
}

impl Shared {
    /// Waits for a turn and a slot in this process.
    async fn turn(self: &Arc<Self>, ask: &Ask, deadline: Instant) -> Result<Slot, NoSlot> {
        let shared = self;
        let (sender, receiver) = oneshot::channel();
        let ticket = {
            let mut state = shared.lock();
            if state.schedule.paused_until(&ask.lane).is_some_and(|until| until >= deadline) {
                return Err(state.no_slot(&ask.lane));
            }
            let ticket = state.schedule.enqueue(ask);
            state.waiters.insert(ticket, (sender, ask.clone()));
            ticket
        };
        let place = Place { shared, ask, ticket };
        shared.serve();
        let granted = tokio::time::timeout_at(deadline, receiver).await;
        if let Ok(Ok(slot)) = granted {
            return Ok(slot);
        }
        drop(place);
        Err(shared.lock().no_slot(&ask.lane))
    }

    /// Notices whether Redis was lost or came back, and changes the limits accordingly.
    fn look(&self, replicas: &Replicas) -> (Mode, u64) {
        let mut state = self.lock();
        let mode = replicas.mode();
        let before = state.mode.replace(mode);
        let first_seen = matches!(before, None | Some(Mode::Together(None))) && mode != Mode::Alone;
        if before == Some(mode) || first_seen {
            return (mode, state.changes);
        }
        state.changes += 1;
        let share = if mode == Mode::Alone { self.most } else { 1 };
        state.schedule.limit(Limits::shared_by(share).from(Instant::now() + SETTLE));
        let is_alone = mode == Mode::Alone;
        metrics::gauge!("ratelimit_degraded").set(if is_alone { 1.0 } else { 0.0 });
        if is_alone {
            tracing::warn!("this process keeps to its part of Airtable's limits by itself");
        } else {
            tracing::info!("Airtable's limits are shared through Redis again");
        }
        let changes = state.changes;
        drop(state);
        self.changed.notify_one(); // who waits may wait for something else now
        (mode, changes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what can be handed out now, and sees to it that somebody does so later. Returns the next time at which
    /// something may change by itself.
    fn serve(self: &Arc<Self>) -> Option<Instant> {
        let (ready, next) = {
            let mut state = self.lock();
            let now = Instant::now();
            let grants = state.schedule.grant(now);
            let ready: Vec<_> = grants
                .into_iter()
                .filter_map(|Grant { ticket, probe }| {
                    let (sender, ask) = state.waiters.remove(&ticket)?;
                    let granted_after = state.changes;
                    let shared = self.clone();
                    Some((sender, Held { shared, ask, probe, sent: false, granted_after, slots: Vec::new() }))
                })
                .collect();
            if state.schedule.anyone_waiting() && !state.driven {
                state.driven = true;
                tokio::spawn(drive(self.clone()));
            }
            (ready, state.schedule.next_event(now))
        };
        // Outside the lock: a slot whose waiter has gone comes back at once, and locks.
        for (sender, held) in ready {
            let _ = sender.send(Slot { held: Some(held) });
        }
        next
    }
}

/// Serves the queue until nobody waits any more.
async fn drive(shared: Arc<Shared>) {
    loop {
        let next = shared.serve();
        {
            let mut state = shared.lock();
            let (interactive, background) = state.schedule.waiting();
            metrics::gauge!("queue_depth", "class" => "interactive").set(interactive as f64);
            metrics::gauge!("queue_depth", "class" => "background").set(background as f64);
            if !state.schedule.anyone_waiting() {
                state.driven = false;
                return;
            }
        }
        match next {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, shared.changed.notified()).await;
            }
            None => shared.changed.notified().await,
        }
    }
}

/// Shows a pause in the metrics while it lasts.
async fn measure_pause(shared: Arc<Shared>, over: Instant) {
    let measure = || {
        let paused = shared.lock().schedule.paused_lanes(Instant::now());
        metrics::gauge!("airtable_cooldown_active").set(paused as f64);
    };
    measure();
    tokio::time::sleep_until(over).await;
    measure();
}

/// A place in the queue; gone when dropped.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    ask: &'a Ask,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.waiters.remove(&self.ticket).is_some() {
            state.schedule.cancel(self.ask, self.ticket);
        }
    }
}

/// The right to send one call. Dropped unused, it costs nothing.
#[must_use]
pub(crate) struct Slot {
    held: Option<Held>,
}

struct Held {
    shared: Arc<Shared>,
    ask: Ask,
    probe: bool,
    sent: bool,
    /// How often the limits had changed by then.
    granted_after: u64,
    /// What is taken of all processes' slots.
    slots: Vec<SharedSlot>,
}

impl Slot {
    fn granted_after(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.granted_after)
    }

    fn share(&mut self, slots: Vec<SharedSlot>) {
        if let Some(held) = &mut self.held {
            held.slots = slots;
        }
    }

    /// The call is being sent: from here on the slot is spent.
    pub(crate) fn sent(&mut self) {
        if let Some(held) = &mut self.held {
            held.sent = true;
        }
    }

    /// It was not sent after all: not a byte of it.
    pub(crate) fn unsent(&mut self) {
        if let Some(held) = &mut self.held {
            held.sent = false;
        }
    }

    /// The head of the answer is here.
    pub(crate) fn answered(mut self) {
        if let Some(held) = self.held.take() {
            held.release(true, Some(WINDOW));
        }
    }

    /// The answer is that there were too many calls: everybody on this lane waits for `pause`.
    pub(crate) fn too_many(mut self, pause: Duration) {
        if let Some(mut held) = self.held.take() {
            let over = Instant::now() + pause;
            held.shared.lock().schedule.pause(&held.ask.lane, over);
            tokio::spawn(measure_pause(held.shared.clone(), over));
            // The first is the lane's own; it is the last for the others as well.
            if !held.slots.is_empty() {
                held.slots.remove(0).pause(pause, WINDOW);
            }
            held.release(true, Some(WINDOW));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            let free_after = held.sent.then_some(WINDOW + STRAGGLER);
            held.release(false, free_after);
        }
    }
}

impl Held {
    /// `None`: it was never sent, so that its slots are free at once.
    fn release(self, answered: bool, free_after: Option<Duration>) {
        {
            let mut state = self.shared.lock();
            let stretch = state.schedule.limits().stretch(&self.ask.lane);
            let free_at = free_after.map(|after| Instant::now() + after * stretch);
            state.schedule.release(&self.ask, self.probe, answered, free_at);
        }
        self.shared.changed.notify_one();
        if let Some(after) = free_after {
            for slot in self.slots {
                slot.release(after, answered);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(base: &str) -> Ask {
        Ask {
            lane: Lane::Base(base.into()),
            owner: "token".into(),
            principal: "p".into(),
            class: Class::Interactive,
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    async fn send(pacing: &Pacing, base: &str) {
        let mut slot = pacing.slot(ask(base), soon()).await.unwrap();
        slot.sent();
        slot.answered();
    }

    #[tokio::test(start_paused = true)]
    async fn twelve_calls_on_one_base_take_two_seconds_and_another_base_is_free() {
        let pacing = Pacing::on();
        let start = Instant::now();
        for _ in 0..12 {
            send(&pacing, "appA").await;
        }
        assert_eq!(start.elapsed().as_secs(), 2);
        let before = Instant::now();
        send(&pacing, "appB").await;
        assert!(before.elapsed() < Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_holds_its_slot() {
        let pacing = Pacing::on();
        let start = Instant::now();
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut slot = pacing.slot(ask("appA"), soon()).await.unwrap();
            slot.sent();
            held.push(slot);
        }
        let waiting = tokio::spawn({
            let pacing = pacing.clone();
            async move { send(&pacing, "appA").await }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!waiting.is_finished());
        held.pop().unwrap().answered();
        waiting.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_given_up_in_flight_keeps_its_slot_a_little_longer() {
        let pacing = Pacing::on();
        for _ in 0..5 {
            let mut slot = pacing.slot(ask("appA"), soon()).await.unwrap();
            slot.sent();
        }
        let start = Instant::now();
        send(&pacing, "appA").await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_slot_costs_nothing() {
        let pacing = Pacing::on();
        let start = Instant::now();
        for _ in 0..50 {
            drop(pacing.slot(ask("appA"), soon()).await.unwrap());
        }
        assert!(start.elapsed() < Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_time_left_is_told_when_to_come_back() {
        let pacing = Pacing::on();
        for _ in 0..5 {
            send(&pacing, "appA").await;
        }
        let at_once = Instant::now() + Duration::from_millis(100);
        let refused = pacing.slot(ask("appA"), at_once).await.err().unwrap();
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        assert_eq!(pacing.waiting(), (0, 0, 0), "who gave up does not stand in the queue");
    }

    #[tokio::test(start_paused = true)]
    async fn after_too_many_calls_everybody_waits_once_and_together() {
        let pacing = Pacing::on();
        let mut slot = pacing.slot(ask("appA"), soon()).await.unwrap();
        slot.sent();
        slot.too_many(Duration::from_secs(30));
        let start = Instant::now();
        let refused = pacing.slot(ask("appA"), start + Duration::from_secs(10)).await.err().unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "no use waiting ten seconds for thirty");
        assert!(refused.retry_after >= Duration::from_secs(29));
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let pacing = pacing.clone();
            calls.spawn(async move {
                send(&pacing, "appA").await;
                start.elapsed().as_secs()
            });
        }
        let mut times = calls.join_all().await;
        times.sort_unstable();
        assert_eq!(times, [30, 30, 30, 30, 30, 31, 31, 31]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_moves_on_when_waiters_leave() {
        let pacing = Pacing::on();
        let start = Instant::now();
        for _ in 0..5 {
            send(&pacing, "appA").await;
        }
        let leaves: Vec<_> = (0..20)
            .map(|_| {
                let pacing = pacing.clone();
                tokio::spawn(async move { send(&pacing, "appA").await })
            })
            .collect();
        tokio::task::yield_now().await;
        leaves.iter().for_each(tokio::task::JoinHandle::abort);
        send(&pacing, "appA").await;
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn switched_off_nobody_waits() {
        let pacing = Pacing::off();
        let start = Instant::now();
        for _ in 0..100 {
            send(&pacing, "appA").await;
        }
        assert!(start.elapsed() < Duration::from_millis(5));
    }
}
