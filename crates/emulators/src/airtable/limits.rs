//! Airtable's request limits: so many per rolling second for a base and for a user, then a penalty.
//!
//! Time is passed in; this module knows no clock and no HTTP.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::ids::BaseId;

/// The window that requests are counted in.
const WINDOW: Duration = Duration::from_secs(1);

/// How many requests are let through, and what happens beyond.
///
/// Source of the defaults: <https://airtable.com/developers/web/api/rate-limits>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Requests to one base in any second, all tokens together; `None` is no limit.
    pub requests_per_second_per_base: Option<u32>,
    /// Requests of one user in any second, all tokens together; `None` is no limit.
    pub requests_per_second_per_user: Option<u32>,
    /// How long everything is refused after a violation.
    pub penalty: Duration,
    /// Whether a 429 carries `Retry-After`; Airtable documents none.
    pub retry_after_header: bool,
}

/// No penalty is longer: clocks have an end, and so has patience.
const LONGEST_PENALTY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Limits {
    /// A penalty as seeds and requests give it; `None` if it is negative, no number, or longer than a year.
    pub(crate) fn penalty_of_seconds(seconds: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(seconds).ok().filter(|penalty| *penalty <= LONGEST_PENALTY)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second_per_base: Some(5),
            requests_per_second_per_user: Some(50),
            penalty: Duration::from_secs(30),
            retry_after_header: false,
        }
    }
}

/// What a base or a user has seen since the counters were last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Counters {
    /// Requests that arrived.
    pub(crate) requests: u64,
    /// Requests that went over the limit, each the start of a penalty.
    pub(crate) violations: u64,
    /// Requests answered 429: the violations, and what came during their penalties.
    pub(crate) refused: u64,
}

/// The request is over a limit; waiting this long helps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refused {
    pub(crate) wait: Duration,
}

/// Counts arrivals of every base and every user.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    bases: HashMap<BaseId, Lane>,
    users: HashMap<usize, Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    admitted: VecDeque<Instant>,
    penalty_until: Option<Instant>,
    counters: Counters,
}

impl Limiter {
    /// Counts one arrival. Call it only for bases and users that exist: each is remembered.
    pub(crate) fn arrive(
        &mut self,
        base: Option<BaseId>,
        user: usize,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), Refused> {
        let mut base = base.map(|base| self.bases.entry(base).or_default());
        let user = self.users.entry(user).or_default();
        user.counters.requests += 1;
        if let Some(base) = &mut base {
            base.counters.requests += 1;
            base.check(limits.requests_per_second_per_base, limits.penalty, now)?;
        }
        user.check(limits.requests_per_second_per_user, limits.penalty, now)?;
        if let Some(base) = base {
            base.admitted.push_back(now);
        }
        user.admitted.push_back(now);
        Ok(())
    }

    pub(crate) fn base_counters(&self, base: BaseId) -> Counters {
        self.bases.get(&base).map(|lane| lane.counters).unwrap_or_default()
    }

    pub(crate) fn user_counters(&self, user: usize) -> Counters {
        self.users.get(&user).map(|lane| lane.counters).unwrap_or_default()
    }

    /// Forgets counters, windows and penalties.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Lane {
    fn check(&mut self, limit: Option<u32>, penalty: Duration, now: Instant) -> Result<(), Refused> {
        while self.admitted.front().is_some_and(|&at| now.saturating_duration_since(at) >= WINDOW) {
            self.admitted.pop_front();
        }
        let Some(limit) = limit else { return Ok(()) };
        if let Some(until) = self.penalty_until.filter(|&until| now < until) {
            self.counters.refused += 1;
            return Err(Refused { wait: until - now });
        }
        self.penalty_until = None;
        if self.admitted.len() < limit as usize {
            return Ok(());
        }
        self.counters.violations += 1;
        self.counters.refused += 1;
        self.penalty_until = Some(now + penalty);
        Err(Refused { wait: penalty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: usize = 0;

    fn base(n: u8) -> BaseId {
        BaseId::parse(&format!("app{n:014}")).unwrap()
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_base_takes_five_requests_in_any_second_and_then_refuses_for_thirty() {
        let (mut limiter, limits, start) = (Limiter::default(), Limits::default(), Instant::now());
        let mut at = |ms| limiter.arrive(Some(base(1)), USER, &limits, start + millis(ms));
        for ms in [0, 400, 500, 600, 700] {
            assert_eq!(at(ms), Ok(()), "{ms}");
        }
        assert_eq!(at(1000), Ok(()), "the first one is a whole second ago");
        assert_eq!(at(1399), Err(Refused { wait: Duration::from_secs(30) }), "400 is not");
        assert_eq!(at(10_000), Err(Refused { wait: millis(21_399) }));
        assert_eq!(
            at(31_398),
            Err(Refused { wait: millis(1) }),
            "what comes during the penalty does not prolong it"
        );
        assert_eq!(at(31_399), Ok(()));
        assert_eq!(limiter.base_counters(base(1)), Counters { requests: 10, violations: 1, refused: 3 });
    }

    #[test]
    fn bases_are_limited_each_for_itself_and_a_user_over_all_of_them() {
        let limits = Limits { requests_per_second_per_user: Some(6), ..Limits::default() };
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..6 {
            assert_eq!(limiter.arrive(Some(base(n % 2)), USER, &limits, now), Ok(()));
        }
        assert!(limiter.arrive(None, USER, &limits, now).is_err());
        assert_eq!(limiter.arrive(Some(base(1)), USER + 1, &limits, now), Ok(()), "another user");
        assert_eq!(limiter.base_counters(base(1)).violations, 0);
        assert_eq!(limiter.user_counters(USER).violations, 1);
    }

    #[test]
    fn without_a_limit_everything_passes_at_once() {
        let limits = Limits {
            requests_per_second_per_base: None,
            requests_per_second_per_user: None,
            ..Limits::default()
        };
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        assert!((0..1000).all(|_| limiter.arrive(Some(base(1)), USER, &limits, now).is_ok()));
    }
}
