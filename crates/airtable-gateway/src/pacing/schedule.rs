//! Who may send next, as a pure function of what happened and what time it is. No clock, no tasks, no HTTP.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::limits::{Limits, OWNER_SLOTS, slots_of};
use super::{Ask, Class, Lane};

/// Interactive grants in a row before one background waiter gets its turn.
const INTERACTIVE_WEIGHT: u32 = 4;

/// Lanes and owners remembered before idle ones are forgotten.
const FORGET_ABOVE: usize = 1_024;

/// A place in the queue; numbers are given in order of arrival.
pub(super) type Ticket = u64;

/// A ticket whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) ticket: Ticket,
    /// Whether it is the single call that finds out if a pause is over.
    pub(super) probe: bool,
}

/// All lanes (one per base, or per owner for calls without a base), their queues and their slots.
#[derive(Default)]
pub(super) struct Schedule {
    lanes: HashMap<Lane, Queue>,
    owners: HashMap<Arc<str>, Gate>,
    /// Lanes with somebody waiting, the one to be served next first.
    turns: VecDeque<Lane>,
    last_ticket: Ticket,
    /// Lanes and owners that were left when idle ones were last forgotten.
    left: usize,
    limits: Limits,
}

impl Schedule {
    /// Puts a call into the queue.
    pub(super) fn enqueue(&mut self, ask: &Ask) -> Ticket {
        self.last_ticket += 1;
        let queue = self.lanes.entry(ask.lane.clone()).or_insert_with(|| Queue::new(&ask.lane));
        if queue.is_empty() {
            self.turns.push_back(ask.lane.clone());
        }
        queue.push(ask, self.last_ticket);
        self.last_ticket
    }

    /// Takes a call that is no longer wanted out of the queue; it has cost nothing.
    pub(super) fn cancel(&mut self, ask: &Ask, ticket: Ticket) {
        let Some(queue) = self.lanes.get_mut(&ask.lane) else { return };
        queue.remove(ask, ticket);
        if queue.is_empty() {
            self.turns.retain(|lane| *lane != ask.lane);
        }
    }

    /// Everybody whose turn it is at `now`, in the order of their turns. Lanes take turns as well, because they share
    /// the owner's slots.
    pub(super) fn grant(&mut self, now: Instant) -> Vec<Grant> {
        self.forget_idle(now);
        if self.limits.from.is_some_and(|from| now < from) {
            return Vec::new();
        }
        let mut grants = Vec::new();
        let mut blocked = VecDeque::new();
        while let Some(lane) = self.turns.pop_front() {
            let Some(queue) = self.lanes.get_mut(&lane) else { continue };
            match queue.next(now, &mut self.owners, self.limits) {
                Some(grant) => {
                    grants.push(grant);
                    if !queue.is_empty() {
                        self.turns.push_back(lane);
                    }
                }
                None if queue.is_empty() => {}
                None => blocked.push_back(lane),
            }
        }
        self.turns = blocked;
        grants
    }

    /// From now on these limits count, also for calls that wait.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The call has its answer, or is given up: its slots are free again at `free_at`; `None`: it was never sent, so
    /// they are free at once.
    pub(super) fn release(&mut self, ask: &Ask, probe: bool, answered: bool, free_at: Option<Instant>) {
        if let Some(queue) = self.lanes.get_mut(&ask.lane) {
            queue.gate.release(free_at);
            if probe {
                queue.gate.probe_is_back(answered);
            }
        }
        if let Some(owner) = self.owners.get_mut(&ask.owner) {
            owner.release(free_at);
        }
    }

    /// Nobody sends on this lane before `until`; then one call goes first to see whether the others may follow.
    pub(super) fn pause(&mut self, lane: &Lane, until: Instant) {
        let queue = self.lanes.entry(lane.clone()).or_insert_with(|| Queue::new(lane));
        let until = match queue.gate.pause {
            Some(Pause::Until(other) | Pause::Probing(other)) => until.max(other),
            None => until,
        };
        queue.gate.pause = Some(Pause::Until(until));
    }

    /// When a pause of this lane ends.
    pub(super) fn paused_until(&self, lane: &Lane) -> Option<Instant> {
        match self.lanes.get(lane)?.gate.pause {
            Some(Pause::Until(until)) => Some(until),
            _ => None,
        }
    }

    /// When somebody who waits may have a turn through the passing of time alone, later than `now`; `None`: only a
    /// release can help.
    pub(super) fn next_event(&mut self, now: Instant) -> Option<Instant> {
        if let Some(from) = self.limits.from.filter(|from| now < *from) {
            return Some(from);
        }
        let limits = self.limits;
        let mut next: Option<Instant> = None;
        for lane in &self.turns {
            let at = self.lanes.get_mut(lane).and_then(|queue| queue.gate.next_event(now, limits));
            next = next.into_iter().chain(at).min();
        }
        let owners = self.owners.values_mut().filter_map(|gate| gate.next_event(now, limits));
        next.into_iter().chain(owners).min()
    }

    pub(super) fn anyone_waiting(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Calls waiting: interactive, background.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.lanes.values().fold((0, 0), |(i, b), q| (i + q.interactive.len, b + q.background.len))
    }

    /// Lanes that are paused at `now`.
    pub(super) fn paused_lanes(&self, now: Instant) -> usize {
        let paused = |queue: &&Queue| matches!(queue.gate.pause, Some(Pause::Until(until)) if until > now);
        self.lanes.values().filter(paused).count()
    }

    /// How long a call that joins the lane's queue now will have to wait, assuming that answers are quick.
    pub(super) fn estimate(&self, lane: &Lane, now: Instant) -> Duration {
        let Some(queue) = self.lanes.get(lane) else { return Duration::ZERO };
        let pause = match queue.gate.pause {
            Some(Pause::Until(until)) => until.saturating_duration_since(now),
            _ => Duration::ZERO,
        };
        let waiting = queue.interactive.len + queue.background.len;
        let rounds = (waiting / self.limits.of(queue.gate.slots)) as u64;
        pause + Duration::from_secs(rounds) * self.limits.stretch(lane)
    }

    /// Looks through all of them only when there are twice as many as the last time, so that it costs little per call.
    fn forget_idle(&mut self, now: Instant) {
        if self.lanes.len() + self.owners.len() > FORGET_ABOVE.max(2 * self.left) {
            self.lanes.retain(|_, queue| !queue.is_empty() || !queue.gate.is_idle(now));
            self.owners.retain(|_, gate| !gate.is_idle(now));
            self.left = self.lanes.len() + self.owners.len();
        }
    }
}

/// Slots, and when they are free again.
struct Gate {
    slots: usize,
    busy: usize,
    cooling: BinaryHeap<Reverse<Instant>>,
    pause: Option<Pause>,
}

enum Pause {
    Until(Instant),
    /// The pause ended then, and one call is out to see whether Airtable thinks so too.
    Probing(Instant),
}

impl Gate {
    fn new(slots: usize) -> Self {
        Self { slots, busy: 0, cooling: BinaryHeap::new(), pause: None }
    }

    fn is_free(&mut self, now: Instant, limits: Limits) -> bool {
        let open = match self.pause {
            None => true,
            Some(Pause::Until(until)) => until <= now,
            Some(Pause::Probing(_)) => false,
        };
        open && !self.is_full(now, limits)
    }

    fn is_full(&mut self, now: Instant, limits: Limits) -> bool {
        while self.cooling.peek().is_some_and(|Reverse(at)| *at <= now) {
            self.cooling.pop();
        }
        self.busy + self.cooling.len() >= limits.of(self.slots)
    }

    /// Takes a slot; true if the call is a probe.
    fn take(&mut self) -> bool {
        self.busy += 1;
        if let Some(Pause::Until(ended)) = self.pause {
            self.pause = Some(Pause::Probing(ended));
            return true;
        }
        false
    }

    fn release(&mut self, free_at: Option<Instant>) {
        self.busy = self.busy.saturating_sub(1);
        self.cooling.extend(free_at.map(Reverse));
    }

    fn probe_is_back(&mut self, answered: bool) {
        if let Some(Pause::Probing(ended)) = self.pause {
            // A probe without an answer proved nothing: the next call is one again.
            self.pause = if answered { None } else { Some(Pause::Until(ended)) };
        }
    }

    /// When the gate may open by itself, if it is closed.
    fn next_event(&mut self, now: Instant, limits: Limits) -> Option<Instant> {
        if let Some(Pause::Until(until)) = self.pause
            && until > now
        {
            return Some(until);
        }
        if self.is_full(now, limits) { self.cooling.peek().map(|Reverse(at)| *at) } else { None }
    }

    /// Whether forgetting it changes nothing, but that no call goes ahead of the others after a pause.
    fn is_idle(&self, now: Instant) -> bool {
        let open = match self.pause {
            None => true,
            Some(Pause::Until(until)) => until <= now,
            Some(Pause::Probing(_)) => false,
        };
        open && self.busy == 0 && self.cooling.iter().all(|Reverse(at)| *at <= now)
    }
}

/// Those who wait for one lane.
struct Queue {
    gate: Gate,
    interactive: FairQueue,
    background: FairQueue,
    /// Interactive grants since a background waiter had its turn.
    run: u32,
}

impl Queue {
    fn new(lane: &Lane) -> Self {
        Self {
            gate: Gate::new(slots_of(lane)),
            interactive: FairQueue::default(),
            background: FairQueue::default(),
            run: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.interactive.len + self.background.len == 0
    }

    fn class(&mut self, class: Class) -> &mut FairQueue {
        match class {
            Class::Interactive => &mut self.interactive,
            Class::Background => &mut self.background,
        }
    }

    fn push(&mut self, ask: &Ask, ticket: Ticket) {
        self.class(ask.class).push(ask, ticket);
    }

    fn remove(&mut self, ask: &Ask, ticket: Ticket) {
        self.class(ask.class).remove(&ask.principal, ticket);
    }

    fn next(&mut self, now: Instant, owners: &mut HashMap<Arc<str>, Gate>, limits: Limits) -> Option<Grant> {
        if !self.gate.is_free(now, limits) {
            return None;
        }
        let order = if self.run >= INTERACTIVE_WEIGHT && self.background.len > 0 {
            [Class::Background, Class::Interactive]
        } else {
            [Class::Interactive, Class::Background]
        };
        for class in order {
            let Some(ticket) = self.class(class).pop(now, owners, limits) else { continue };
            self.run = if class == Class::Interactive && self.background.len > 0 { self.run + 1 } else { 0 };
            return Some(Grant { ticket, probe: self.gate.take() });
        }
        None
    }
}

/// Principals take turns; each one's calls keep their order.
#[derive(Default)]
struct FairQueue {
    turns: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<(Ticket, Arc<str>)>>,
    len: usize,
}

impl FairQueue {
    fn push(&mut self, ask: &Ask, ticket: Ticket) {
        let own = self.waiting.entry(ask.principal.clone()).or_default();
        if own.is_empty() {
            self.turns.push_back(ask.principal.clone());
        }
        own.push_back((ticket, ask.owner.clone()));
        self.len += 1;
    }

    fn remove(&mut self, principal: &Arc<str>, ticket: Ticket) {
        let Some(own) = self.waiting.get_mut(principal) else { return };
        let Ok(at) = own.binary_search_by_key(&ticket, |(ticket, _)| *ticket) else { return };
        own.remove(at);
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(principal);
            self.turns.retain(|other| other != principal);
        }
    }

    /// The next call whose owner has a slot left.
    fn pop(&mut self, now: Instant, owners: &mut HashMap<Arc<str>, Gate>, limits: Limits) -> Option<Ticket> {
        for at in 0..self.turns.len() {
            let Some(own) = self.waiting.get_mut(&self.turns[at]) else { continue };
            let Some((ticket, owner)) = own.front() else { continue };
            let gate = owners.entry(owner.clone()).or_insert_with(|| Gate::new(OWNER_SLOTS));
            if !gate.is_free(now, limits) {
                continue;
            }
            gate.take();
            let ticket = *ticket;
            own.pop_front();
            self.len -= 1;
            let empty = own.is_empty();
            if let Some(principal) = self.turns.remove(at) {
                if empty {
                    self.waiting.remove(&principal);
                } else {
                    self.turns.push_back(principal);
                }
            }
            return Some(ticket);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::limits::BASE_SLOTS;
    use super::*;

    fn ask(base: &str, principal: &str, class: Class) -> Ask {
        Ask { lane: Lane::Base(base.into()), owner: "token".into(), principal: principal.into(), class }
    }

    fn tickets(grants: &[Grant]) -> Vec<Ticket> {
        grants.iter().map(|grant| grant.ticket).collect()
    }

    #[test]
    fn five_go_at_once_and_the_sixth_waits_for_a_second_after_an_answer() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        let who = ask("appA", "p", Class::Interactive);
        for _ in 0..6 {
            schedule.enqueue(&who);
        }
        assert_eq!(tickets(&schedule.grant(now)), [1, 2, 3, 4, 5]);
        assert_eq!(schedule.next_event(now), None, "time alone frees nothing while all are out");
        let free_at = now + Duration::from_secs(1);
        schedule.release(&who, false, true, Some(free_at));
        assert!(schedule.grant(now).is_empty());
        assert_eq!(schedule.next_event(now), Some(free_at));
        assert_eq!(tickets(&schedule.grant(free_at)), [6]);
    }

    #[test]
    fn one_who_floods_does_not_make_the_others_wait() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        for _ in 0..100 {
            schedule.enqueue(&ask("appA", "flood", Class::Interactive));
        }
        let modest = schedule.enqueue(&ask("appA", "modest", Class::Interactive));
        assert!(tickets(&schedule.grant(now))[..2].contains(&modest));
    }

    #[test]
    fn background_work_gets_one_turn_in_five() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        let who = ask("appA", "p", Class::Interactive);
        for _ in 0..20 {
            schedule.enqueue(&who);
        }
        let background = ask("appA", "sync", Class::Background);
        let first = schedule.enqueue(&background);
        let second = schedule.enqueue(&background);
        let mut order = Vec::new();
        for _ in 0..12 {
            for grant in schedule.grant(now) {
                order.push(grant.ticket);
                schedule.release(&who, false, true, None);
            }
        }
        assert_eq!(order.iter().position(|t| *t == first), Some(4), "{order:?}");
        assert_eq!(order.iter().position(|t| *t == second), Some(9), "{order:?}");
    }

    #[test]
    fn lanes_that_nobody_uses_any_more_are_forgotten() {
        let mut schedule = Schedule::default();
        let mut now = Instant::now();
        for n in 0..10 * FORGET_ABOVE {
            let who =
                Ask { owner: format!("token{n}").into(), ..ask(&format!("app{n}"), "p", Class::Interactive) };
            schedule.enqueue(&who);
            assert_eq!(schedule.grant(now).len(), 1);
            schedule.release(&who, false, true, Some(now + Duration::from_secs(1)));
            now += Duration::from_millis(5);
        }
        assert!(schedule.lanes.len() <= FORGET_ABOVE && schedule.owners.len() <= FORGET_ABOVE);
    }

    #[test]
    fn bases_share_the_fifty_slots_of_their_owner_in_turns() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        for base in 0..20 {
            for _ in 0..5 {
                schedule.enqueue(&ask(&format!("app{base}"), "p", Class::Interactive));
            }
        }
        let granted = tickets(&schedule.grant(now));
        assert_eq!(granted.len(), 50);
        let mut per_base = [0; 20];
        granted.iter().for_each(|ticket| per_base[(*ticket as usize - 1) / 5] += 1);
        assert!(per_base.iter().all(|n| (2..=3).contains(n)), "{per_base:?}");
    }

    #[test]
    fn one_of_several_processes_keeps_to_its_part() {
        let now = Instant::now();
        for (processes, slots, stretch) in [(1, 5, 1), (2, 2, 1), (5, 1, 1), (8, 1, 2)] {
            let mut schedule = Schedule::default();
            let who = ask("appA", "p", Class::Interactive);
            for _ in 0..6 {
                schedule.enqueue(&who);
            }
            let limits = Limits::shared_by(processes);
            schedule.limit(limits);
            assert_eq!(schedule.grant(now).len(), slots, "{processes}");
            assert_eq!(limits.stretch(&who.lane), stretch, "{processes}");
        }
    }

    #[test]
    fn when_limits_change_nobody_is_sent_for_a_while() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        let who = ask("appA", "p", Class::Interactive);
        let from = now + Duration::from_secs(2);
        schedule.limit(Limits::shared_by(2).from(from));
        schedule.enqueue(&who);
        assert!(schedule.grant(now).is_empty());
        assert_eq!(schedule.next_event(now), Some(from));
        assert_eq!(schedule.grant(from).len(), 1);
    }

    #[test]
    fn a_cancelled_call_costs_nothing() {
        let mut schedule = Schedule::default();
        let who = ask("appA", "p", Class::Interactive);
        let first = schedule.enqueue(&who);
        let second = schedule.enqueue(&who);
        schedule.cancel(&who, first);
        assert_eq!(tickets(&schedule.grant(Instant::now())), [second]);
        assert!(!schedule.anyone_waiting());
        schedule.cancel(&who, second);
    }

    #[test]
    fn after_a_pause_one_call_goes_first() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        let who = ask("appA", "p", Class::Interactive);
        let over = now + Duration::from_secs(30);
        schedule.pause(&who.lane, over);
        schedule.pause(&who.lane, now + Duration::from_secs(1));
        for _ in 0..4 {
            schedule.enqueue(&who);
        }
        assert!(schedule.grant(now + Duration::from_secs(2)).is_empty());
        assert_eq!(schedule.next_event(now), Some(over));
        assert_eq!(schedule.grant(over), [Grant { ticket: 1, probe: true }]);
        assert!(schedule.grant(over).is_empty());
        schedule.release(&who, true, true, Some(over + Duration::from_secs(1)));
        assert_eq!(tickets(&schedule.grant(over)), [2, 3, 4]);
    }

    proptest! {
        /// Whatever arrives when, however long answers take: in no window of a second were more than five calls of a
        /// base on their way or answered.
        #[test]
        fn no_second_ever_sees_a_sixth_call(
            calls in prop::collection::vec((0_u64..5_000, 0_u64..3_000, 0_usize..3, any::<bool>()), 1..120)
        ) {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let who = |n: usize| ask("appA", &format!("p{n}"), Class::Interactive);
            let mut schedule = Schedule::default();
            let mut arrivals = calls.clone();
            arrivals.sort_by_key(|call| Reverse(call.0));
            let mut waiting: HashMap<Ticket, (u64, bool, Ask)> = HashMap::new();
            let mut out: Vec<(u64, bool, Ask)> = Vec::new();
            let mut spans: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            while now < 400_000 && (!arrivals.is_empty() || !waiting.is_empty() || !out.is_empty()) {
                while arrivals.last().is_some_and(|call| call.0 <= now) {
                    let (_, takes, principal, cancelled) = arrivals.pop().unwrap();
                    let ticket = schedule.enqueue(&who(principal));
                    if cancelled && principal == 0 {
                        schedule.cancel(&who(principal), ticket);
                    } else {
                        waiting.insert(ticket, (takes, cancelled, who(principal)));
                    }
                }
                out.retain(|(ends, _, ask)| {
                    if *ends <= now {
                        schedule.release(ask, false, true, Some(at(*ends + 1_000)));
                    }
                    *ends > now
                });
                for grant in schedule.grant(at(now)) {
                    let (takes, flag, ask) = waiting.remove(&grant.ticket).unwrap();
                    spans.push((now, now + takes));
                    out.push((now + takes, flag, ask));
                }
                let times = arrivals.last().map(|call| call.0).into_iter()
                    .chain(out.iter().map(|(ends, ..)| *ends))
                    .chain(schedule.next_event(at(now)).map(|t| (t - start).as_millis() as u64));
                now = times.filter(|t| *t > now).min().unwrap_or(now + 1);
            }
            prop_assert!(waiting.is_empty() && !schedule.anyone_waiting(), "somebody waits for ever");
            for (sent, _) in &spans {
                let seen = spans.iter().filter(|(s, e)| s <= sent && e + 1_000 > *sent).count();
                prop_assert!(seen <= BASE_SLOTS, "{seen} calls in the second before {sent} ms");
            }
        }
    }
}
