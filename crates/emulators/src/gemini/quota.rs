//! The limits of a project: requests and input tokens a minute, requests a day; for each key and model.
//!
//! Time is passed in; this module knows no clock and no HTTP.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::civil::Date;

use super::errors::{GeminiError, Quota};

const MINUTE: Duration = Duration::from_secs(60);

/// How much is let through; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quotas {
    pub requests_per_minute: Option<u64>,
    /// Of input.
    pub tokens_per_minute: Option<u64>,
    /// The day ends at midnight in California.
    pub requests_per_day: Option<u64>,
}

/// Counts the requests of every key and model.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    lanes: HashMap<(String, &'static str), Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    /// When, and how many tokens.
    minute: VecDeque<(Instant, u64)>,
    day: Option<(Date, u64)>,
}

impl Limiter {
    /// Counts one request if it is let through. `today` is the date in California, and `midnight` how far its end is.
    pub(super) fn admit(
        &mut self,
        (key, model): (&str, &'static str),
        tokens: u64,
        quotas: &Quotas,
        now: Instant,
        (today, midnight): (Date, Duration),
    ) -> Result<(), GeminiError> {
        if *quotas == Quotas::default() {
            return Ok(());
        }
        let lane = self.lanes.entry((key.to_owned(), model)).or_default();
        while lane.minute.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= MINUTE) {
            lane.minute.pop_front();
        }
        let until_free = |at: Instant| MINUTE.saturating_sub(now.saturating_duration_since(at));
        let of_today = lane.day.filter(|(day, _)| *day == today).map_or(0, |(_, count)| count);
        if let Some(limit) = quotas.requests_per_day
            && of_today >= limit
        {
            return Err(GeminiError::exhausted(Quota::RequestsPerDay, limit, model, Some(midnight)));
        }
        if let Some(limit) = quotas.requests_per_minute
            && lane.minute.len() as u64 >= limit
        {
            // The oldest of those that fill the window; with a limit of 0 there is none.
            let index =
                lane.minute.len() - usize::try_from(limit).unwrap_or(usize::MAX).min(lane.minute.len());
            let wait = lane.minute.get(index).map_or(MINUTE, |(at, _)| until_free(*at));
            return Err(GeminiError::exhausted(Quota::RequestsPerMinute, limit, model, Some(wait)));
        }
        if let Some(limit) = quotas.tokens_per_minute {
            let used: u64 = lane.minute.iter().map(|(_, tokens)| tokens).sum();
            if used + tokens > limit {
                let wait = lane.minute.front().map_or(MINUTE, |(at, _)| until_free(*at));
                return Err(GeminiError::exhausted(Quota::TokensPerMinute, limit, model, Some(wait)));
            }
        }
        lane.minute.push_back((now, tokens));
        lane.day = Some((today, of_today + 1));
        Ok(())
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: (&str, &str) = ("key", "gemini-3.8-flash");
    const DAY: (Date, Duration) = (Date::constant(2026, 11, 25), Duration::from_secs(3600));

    #[test]
    fn requests_of_a_minute_are_counted_and_the_wait_is_told() {
        let quotas = Quotas { requests_per_minute: Some(2), ..Quotas::default() };
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let mut at = |s: u64| limiter.admit(LANE, 1, &quotas, start + Duration::from_secs(s), DAY);
        assert_eq!((at(0), at(10)), (Ok(()), Ok(())));
        let refused = at(20).unwrap_err();
        assert_eq!((refused.code, refused.status.as_str()), (429, "RESOURCE_EXHAUSTED"));
        assert_eq!(refused.details[2]["retryDelay"], "40s");
        assert_eq!(at(60), Ok(()));
        assert_eq!(at(61).unwrap_err().details[2]["retryDelay"], "9s");
    }

    #[test]
    fn a_days_requests_end_with_the_day() {
        let quotas = Quotas { requests_per_day: Some(1), ..Quotas::default() };
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        assert_eq!(limiter.admit(LANE, 1, &quotas, now, DAY), Ok(()));
        let refused = limiter.admit(LANE, 1, &quotas, now, DAY).unwrap_err();
        let id = &refused.details[0]["violations"][0]["quotaId"];
        assert_eq!(id, "GenerateRequestsPerDayPerProjectPerModel-FreeTier");
        assert_eq!(limiter.admit(("other", LANE.1), 1, &quotas, now, DAY), Ok(()), "another key");
        let tomorrow = (Date::constant(2026, 11, 26), DAY.1);
        assert_eq!(limiter.admit(LANE, 1, &quotas, now, tomorrow), Ok(()));
    }

    #[test]
    fn tokens_of_a_minute_are_counted() {
        let quotas = Quotas { tokens_per_minute: Some(100), ..Quotas::default() };
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        assert_eq!(limiter.admit(LANE, 60, &quotas, now, DAY), Ok(()));
        assert!(limiter.admit(LANE, 60, &quotas, now, DAY).is_err());
        assert_eq!(limiter.admit(LANE, 40, &quotas, now, DAY), Ok(()));
    }
}
