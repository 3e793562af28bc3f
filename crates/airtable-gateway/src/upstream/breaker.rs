//! Stops asking an Airtable that does not answer, and asks again carefully.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use crate::pacing::Lane;

/// Outcomes that are looked at, and for how long they count.
const WINDOW: usize = 20;
const WINDOW_TIME: Duration = Duration::from_secs(10);

/// Fewer outcomes prove nothing.
const LEAST: usize = 10;

/// Refused connections in a row that open it at once.
const CONNECTS: u32 = 5;

/// Successes that close it again.
const CLOSES: u32 = 2;

const OPEN_FIRST: Duration = Duration::from_secs(5);
const OPEN_MOST: Duration = Duration::from_secs(60);

/// Lanes remembered; healthy ones are forgotten beyond that.
const FORGET_ABOVE: usize = 1_024;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Any answer below 500: Airtable is there, whatever it said.
    Answered,
    /// 5xx, a broken answer, or none.
    Failed,
    /// Not even a connection.
    Unreachable,
}

/// One breaker for each lane.
#[derive(Default, Clone)]
pub(super) struct Breakers(Arc<Mutex<HashMap<Lane, Breaker>>>);

/// Leave to make one call. Dropped without an outcome (the call was given up), it proves nothing.
pub(super) struct Permit {
    breakers: Breakers,
    lane: Lane,
    probe: bool,
    settled: bool,
}

#[derive(Default)]
struct Breaker {
    recent: Vec<(Instant, bool)>,
    connects: u32,
    state: State,
    opened: u32,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        probing: bool,
        successes: u32,
    },
}

impl Breakers {
    /// Leave to call, or how long to wait before asking again.
    pub(super) fn permit(&self, lane: &Lane) -> Result<Permit, Duration> {
        let now = Instant::now();
        let mut breakers = self.lock();
        let mut probe = false;
        if let Some(breaker) = breakers.get_mut(lane) {
            if let State::Open { until } = breaker.state {
                if until > now {
                    return Err(until - now);
                }
                breaker.state = State::HalfOpen { probing: false, successes: 0 };
            }
            if let State::HalfOpen { probing, successes } = breaker.state {
                if probing {
                    return Err(Duration::from_secs(1));
                }
                breaker.state = State::HalfOpen { probing: true, successes };
                probe = true;
            }
        }
        Ok(Permit { breakers: self.clone(), lane: lane.clone(), probe, settled: false })
    }

    /// How long calls on this lane are refused, if they are.
    pub(super) fn is_open(&self, lane: &Lane) -> Option<Duration> {
        match self.lock().get(lane)?.state {
            State::Open { until } => {
                until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            }
            _ => None,
        }
    }

    /// Lanes on which calls are refused.
    pub(super) fn open(&self) -> usize {
        let now = Instant::now();
        self.lock()
            .values()
            .filter(|breaker| matches!(breaker.state, State::Open { until } if until > now))
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    pub(super) fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        let mut breakers = self.breakers.lock();
        if outcome == Outcome::Answered && !breakers.contains_key(&self.lane) {
            return; // healthy lanes need no memory
        }
        if breakers.len() > FORGET_ABOVE {
            let now = Instant::now();
            breakers.retain(|_, breaker| !breaker.is_over(now));
        }
        breakers.entry(self.lane.clone()).or_default().note(outcome, self.probe, Instant::now());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe
            && !self.settled
            && let Some(breaker) = self.breakers.lock().get_mut(&self.lane)
            && let State::HalfOpen { successes, .. } = breaker.state
        {
            breaker.state = State::HalfOpen { probing: false, successes };
        }
    }
}

impl Breaker {
    fn note(&mut self, outcome: Outcome, probe: bool, now: Instant) {
        let failed = outcome != Outcome::Answered;
        self.connects = if outcome == Outcome::Unreachable { self.connects + 1 } else { 0 };
        match self.state {
            State::HalfOpen { .. } if probe && failed => self.open(now),
            State::HalfOpen { successes, .. } if probe => {
                if successes + 1 >= CLOSES {
                    *self = Self::default();
                    metrics::counter!("circuit_transitions_total", "to" => "closed").increment(1);
                } else {
                    self.state = State::HalfOpen { probing: false, successes: successes + 1 };
                }
            }
            State::Closed => {
                self.recent.retain(|(at, _)| now.duration_since(*at) < WINDOW_TIME);
                if self.recent.len() >= WINDOW {
                    self.recent.remove(0);
                }
                self.recent.push((now, failed));
                let failures = self.recent.iter().filter(|(_, failed)| *failed).count();
                let many = self.recent.len() >= LEAST && failures * 2 >= self.recent.len();
                if many || self.connects >= CONNECTS {
                    self.open(now);
                }
            }
            State::Open { .. } | State::HalfOpen { .. } => {} // calls from before it opened
        }
    }

    /// Closed, or open once upon a time, and nobody asked since.
    fn is_over(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => until + OPEN_MOST < now,
            State::HalfOpen { .. } => false,
        }
    }

    fn open(&mut self, now: Instant) {
        let doubled = OPEN_FIRST * 2_u32.pow(self.opened.min(4));
        // Not all replicas should come back at the same moment.
        let jitter = 0.8 + 0.4 * rand::random::<f64>();
        self.state = State::Open { until: now + doubled.min(OPEN_MOST).mul_f64(jitter) };
        self.opened += 1;
        self.recent.clear();
        metrics::counter!("circuit_transitions_total", "to" => "open").increment(1);
        tracing::warn!("Airtable does not answer: calls on one base are refused for a while");
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn lane() -> Lane {
        Lane::Base("appA".into())
    }

    fn call(breakers: &Breakers, outcome: Outcome) -> bool {
        breakers.permit(&lane()).map(|permit| permit.settle(outcome)).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_ten_calls_failing_opens_it() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            assert!(call(&breakers, Outcome::Failed));
            assert!(call(&breakers, Outcome::Answered));
        }
        assert!(!call(&breakers, Outcome::Answered));
        assert!(breakers.is_open(&lane()).is_some());
        assert!(breakers.permit(&Lane::Base("appB".into())).is_ok(), "another base is another matter");
    }

    #[tokio::test(start_paused = true)]
    async fn five_refused_connections_open_it_and_two_successes_close_it() {
        let breakers = Breakers::default();
        (0..5).for_each(|_| assert!(call(&breakers, Outcome::Unreachable)));
        assert!(!call(&breakers, Outcome::Answered));
        advance(Duration::from_secs(7)).await;
        let probe = breakers.permit(&lane()).ok().unwrap();
        assert!(breakers.permit(&lane()).is_err(), "one probe at a time");
        drop(probe);
        assert!(call(&breakers, Outcome::Answered), "a probe that was given up is free again");
        assert!(call(&breakers, Outcome::Answered));
        assert!(call(&breakers, Outcome::Failed), "closed");
        assert!(call(&breakers, Outcome::Answered));
    }

    #[tokio::test(start_paused = true)]
    async fn bases_that_nobody_asks_for_any_more_are_forgotten() {
        let breakers = Breakers::default();
        for base in 0..3 * FORGET_ABOVE {
            let lane = Lane::Base(format!("app{base}").into());
            for _ in 0..CONNECTS {
                breakers.permit(&lane).ok().unwrap().settle(Outcome::Unreachable);
            }
            advance(Duration::from_secs(1)).await;
        }
        assert!(breakers.lock().len() <= FORGET_ABOVE + 1);
        assert!(breakers.open() > 0, "those of the last seconds are known");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_probe_opens_it_for_longer() {
        let breakers = Breakers::default();
        (0..5).for_each(|_| assert!(call(&breakers, Outcome::Unreachable)));
        advance(Duration::from_secs(7)).await;
        assert!(call(&breakers, Outcome::Failed));
        assert!(breakers.is_open(&lane()).unwrap() >= Duration::from_secs(8));
    }
}
