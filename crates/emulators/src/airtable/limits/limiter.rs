//! Counting requests: so many per rolling second for a base and for a user, then a penalty; so many a month for a
//! workspace; so many CSV syncs in five minutes.
//!
//! Time is passed in; this module knows no clock and no HTTP.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::{Limits, Monthly};
use crate::airtable::errors::AirtableError;
use crate::airtable::ids::BaseId;

/// The window that requests are counted in.
const WINDOW: Duration = Duration::from_secs(1);

/// The window that CSV syncs are counted in.
const SYNC_WINDOW: Duration = Duration::from_secs(5 * 60);

/// Requests a second to a workspace whose month is used up, where that does not block it.
/// Source: <https://support.airtable.com/docs/managing-api-call-limits-in-airtable>.
const THROTTLED: u32 = 2;

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

/// The request is over a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refused {
    /// Too many in a short time; waiting this long helps.
    Rate { wait: Duration },
    /// The workspace's month is used up.
    Monthly,
}

impl Refused {
    /// What Airtable says to it.
    pub(crate) fn error(self, limits: &Limits) -> AirtableError {
        match self {
            Self::Monthly => AirtableError::month_used_up(),
            Self::Rate { wait } => {
                let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
                AirtableError::rate_limited(limits.retry_after_header.then_some(seconds))
            }
        }
    }
}

/// A request as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    /// The base that it is about, and the workspace of that.
    pub(crate) base: Option<(BaseId, &'a str)>,
    /// Position in the list of users.
    pub(crate) user: usize,
    /// Metadata is served also when the month is used up.
    pub(crate) is_metadata: bool,
    pub(crate) instant: Instant,
    /// The day in UTC, whose month counts.
    pub(crate) day: Date,
}

/// Counts arrivals of every base, user and workspace.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    bases: HashMap<BaseId, Lane>,
    users: HashMap<usize, Lane>,
    workspaces: HashMap<String, Workspace>,
    syncs: HashMap<BaseId, VecDeque<Instant>>,
}

#[derive(Debug, Default)]
struct Lane {
    admitted: VecDeque<Instant>,
    penalty_until: Option<Instant>,
    counters: Counters,
}

/// A workspace in one month.
#[derive(Debug, Default)]
struct Workspace {
    month: (i16, i8),
    requests: u64,
    refused: u64,
    /// Its slower pace once the month is used up.
    lane: Lane,
}

impl Limiter {
    /// Counts one arrival. Call it only for bases and users that exist: each is remembered.
    pub(crate) fn arrive(&mut self, arrival: Arrival<'_>, limits: &Limits) -> Result<(), Refused> {
        let now = arrival.instant;
        let within_month = self.count_month(&arrival, limits);
        let mut base = arrival.base.map(|(base, _)| self.bases.entry(base).or_default());
        let user = self.users.entry(arrival.user).or_default();
        user.counters.requests += 1;
        if let Some(base) = &mut base {
            base.counters.requests += 1;
            base.counters.refused += u64::from(within_month.is_err());
        }
        within_month?;
        if let Some(base) = &mut base {
            base.check(limits.requests_per_second_per_base, limits, now)?;
        }
        user.check(limits.requests_per_second_per_user, limits, now)?;
        if let Some(base) = base {
            base.admitted.push_back(now);
        }
        user.admitted.push_back(now);
        Ok(())
    }

    fn count_month(&mut self, arrival: &Arrival<'_>, limits: &Limits) -> Result<(), Refused> {
        let Some((_, workspace)) = arrival.base else { return Ok(()) };
        if !self.workspaces.contains_key(workspace) {
            self.workspaces.insert(workspace.to_owned(), Workspace::default());
        }
        let Some(workspace) = self.workspaces.get_mut(workspace) else { return Ok(()) };
        let month = (arrival.day.year(), arrival.day.month());
        if workspace.month != month {
            *workspace = Workspace { month, ..Workspace::default() };
        }
        workspace.requests += 1;
        let Some(monthly) = limits.monthly_requests_per_workspace else { return Ok(()) };
        if workspace.requests <= monthly {
            return Ok(());
        }
        match limits.monthly_behaviour {
            Monthly::Block if arrival.is_metadata => Ok(()),
            Monthly::Block => {
                workspace.refused += 1;
                Err(Refused::Monthly)
            }
            Monthly::Throttle => {
                workspace.lane.check(Some(THROTTLED), limits, arrival.instant)?;
                workspace.lane.admitted.push_back(arrival.instant);
                Ok(())
            }
        }
    }

    /// Counts a CSV sync into a base.
    pub(crate) fn sync(&mut self, base: BaseId, limits: &Limits, now: Instant) -> Result<(), Refused> {
        let Some(limit) = limits.syncs_per_five_minutes else { return Ok(()) };
        let syncs = self.syncs.entry(base).or_default();
        while syncs.front().is_some_and(|&at| now.saturating_duration_since(at) >= SYNC_WINDOW) {
            syncs.pop_front();
        }
        match syncs.front() {
            Some(&first) if syncs.len() >= limit as usize => {
                Err(Refused::Rate { wait: first + SYNC_WINDOW - now })
            }
            _ => {
                syncs.push_back(now);
                Ok(())
            }
        }
    }

    pub(crate) fn base_counters(&self, base: BaseId) -> Counters {
        self.bases.get(&base).map(|lane| lane.counters).unwrap_or_default()
    }

    pub(crate) fn user_counters(&self, user: usize) -> Counters {
        self.users.get(&user).map(|lane| lane.counters).unwrap_or_default()
    }

    /// Each workspace's id with the requests of this month, and how many of them were refused because it was used up.
    pub(crate) fn workspaces(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.workspaces.iter().map(|(id, seen)| (id.as_str(), seen.requests, seen.refused))
    }

    /// Forgets counters, windows and penalties.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Lane {
    fn check(&mut self, limit: Option<u32>, limits: &Limits, now: Instant) -> Result<(), Refused> {
        while self.admitted.front().is_some_and(|&at| now.saturating_duration_since(at) >= WINDOW) {
            self.admitted.pop_front();
        }
        let Some(limit) = limit else { return Ok(()) };
        if let Some(until) = self.penalty_until.filter(|&until| now < until) {
            self.counters.refused += 1;
            if limits.penalty_prolongs {
                self.penalty_until = Some(now + limits.penalty);
            }
            return Err(Refused::Rate { wait: self.penalty_until.unwrap_or(until) - now });
        }
        self.penalty_until = None;
        if self.admitted.len() < limit as usize {
            return Ok(());
        }
        self.counters.violations += 1;
        self.counters.refused += 1;
        self.penalty_until = Some(now + limits.penalty);
        Err(Refused::Rate { wait: limits.penalty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: usize = 0;

    fn base(n: u8) -> BaseId {
        BaseId::parse(&format!("app{n:014}")).unwrap()
    }

    fn arrival(base: Option<BaseId>, user: usize, instant: Instant) -> Arrival<'static> {
        let base = base.map(|base| (base, "wsp00000000000001"));
        Arrival { base, user, is_metadata: false, instant, day: jiff::civil::date(2026, 2, 28) }
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_base_takes_five_requests_in_any_second_and_then_refuses_for_thirty() {
        let (mut limiter, limits, start) = (Limiter::default(), Limits::default(), Instant::now());
        let mut at = |ms| limiter.arrive(arrival(Some(base(1)), USER, start + millis(ms)), &limits);
        for ms in [0, 400, 500, 600, 700] {
            assert_eq!(at(ms), Ok(()), "{ms}");
        }
        assert_eq!(at(1000), Ok(()), "the first one is a whole second ago");
        assert_eq!(at(1399), Err(Refused::Rate { wait: Duration::from_secs(30) }), "400 is not");
        assert_eq!(at(10_000), Err(Refused::Rate { wait: millis(21_399) }));
        assert_eq!(
            at(31_398),
            Err(Refused::Rate { wait: millis(1) }),
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
            assert_eq!(limiter.arrive(arrival(Some(base(n % 2)), USER, now), &limits), Ok(()));
        }
        assert!(limiter.arrive(arrival(None, USER, now), &limits).is_err());
        assert_eq!(limiter.arrive(arrival(Some(base(1)), USER + 1, now), &limits), Ok(()), "another user");
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
        assert!((0..1000).all(|_| limiter.arrive(arrival(Some(base(1)), USER, now), &limits).is_ok()));
    }

    #[test]
    fn a_penalty_may_be_prolonged_by_what_comes_during_it() {
        let limits = Limits { penalty_prolongs: true, ..Limits::default() };
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let mut at = |ms| limiter.arrive(arrival(Some(base(1)), USER, start + millis(ms)), &limits).is_ok();
        assert!((0..5).all(|_| at(0)) && !at(0) && !at(29_000));
        assert!(!at(58_000) && at(88_001));
    }

    #[test]
    fn a_month_that_is_used_up_blocks_records_until_the_next_one() {
        let limits = Limits { monthly_requests_per_workspace: Some(2), ..Limits::default() };
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        let mut ask = |base_number, is_metadata, day| {
            let arrival = Arrival { is_metadata, day, ..arrival(Some(base(base_number)), USER, now) };
            limiter.arrive(arrival, &limits)
        };
        let (last, next) = (jiff::civil::date(2026, 2, 28), jiff::civil::date(2026, 3, 1));
        assert_eq!([ask(1, false, last), ask(2, false, last)], [Ok(()), Ok(())], "bases of one workspace");
        assert_eq!(ask(1, false, last), Err(Refused::Monthly));
        assert_eq!(ask(1, true, last), Ok(()), "metadata is still served");
        assert_eq!(ask(1, false, next), Ok(()));
        assert_eq!(limiter.workspaces().next(), Some(("wsp00000000000001", 1, 0)));
    }

    #[test]
    fn a_month_that_is_used_up_may_only_slow_down() {
        let limits = Limits {
            monthly_requests_per_workspace: Some(1),
            monthly_behaviour: Monthly::Throttle,
            penalty: millis(0),
            ..Limits::default()
        };
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let mut at = |ms| limiter.arrive(arrival(Some(base(1)), USER, start + millis(ms)), &limits).is_ok();
        assert!(at(0) && at(1) && at(2) && !at(3), "the first one was within the month");
        assert!(at(1001));
    }

    #[test]
    fn syncs_are_counted_over_five_minutes() {
        let limits = Limits { syncs_per_five_minutes: Some(2), ..Limits::default() };
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let mut at = |seconds| limiter.sync(base(1), &limits, start + Duration::from_secs(seconds)).is_ok();
        assert!(at(0) && at(1) && !at(299) && at(300) && !at(300));
    }
}
