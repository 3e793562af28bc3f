//! Faults that a caller asks for: slow answers, refusals, outages, connections that are cut before or after the work is
//! done, and answers that end too early, trickle or are rubbish. Each request draws anew; 100 percent is always.

mod spoil;

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::AirtableError;

/// The longest wait before an answer, in milliseconds.
const MAX_LATENCY_MS: u64 = 600_000;

/// Outages that may be asked for at once.
const MAX_OUTAGES: usize = 1000;

/// Of a normal distribution, one in a hundred is this many deviations above the middle.
const DEVIATIONS_OF_P99: f64 = 2.326;

/// Faults in force; without any, everything is answered as it should be
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Faults {
    /// Each request waits this long at least, in milliseconds
    pub(crate) latency_min_ms: u64,
    /// And no longer than this; lengths in between are equally likely, unless the next two say otherwise
    pub(crate) latency_max_ms: u64,
    /// Half of the requests wait no longer than this: waits are log-normal, within the two above (0 above: no bound)
    pub(crate) latency_median_ms: u64,
    /// And all but one in a hundred no longer than this
    pub(crate) latency_p99_ms: u64,
    /// Requests in a hundred that are refused, with nothing done
    pub(crate) refuse_percent: u8,
    /// What they are refused with: 429, 500, 502 or 503
    pub(crate) refuse_status: u16,
    /// Requests in a hundred whose connection is cut, with nothing done
    pub(crate) cut_before_percent: u8,
    /// Requests in a hundred that are carried out, and whose connection is cut instead of an answer
    pub(crate) cut_after_percent: u8,
    /// Requests in a hundred that are carried out, and whose answer ends in the middle
    pub(crate) truncate_percent: u8,
    /// Requests in a hundred that are carried out, and answered with something that is not Airtable's
    pub(crate) rubbish_percent: u8,
    /// Requests in a hundred whose answer trickles
    pub(crate) slow_percent: u8,
    /// As fast as this
    pub(crate) slow_bytes_per_second: u32,
    /// Times during which nothing is carried out, counted from now by the emulator's clock
    pub(crate) outages: Vec<Outage>,
    /// Only requests of these methods; none is all
    #[schema(value_type = Vec<String>)]
    pub(crate) methods: Vec<String>,
    /// Only requests whose path and query contain this
    pub(crate) target: String,
    /// Only so many requests from now on; null is all
    pub(crate) requests: Option<u64>,
}

/// A time during which nothing is carried out
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Outage {
    /// When it begins, in seconds from now
    #[serde(default)]
    pub(crate) after_seconds: f64,
    /// How long it takes
    pub(crate) for_seconds: f64,
    /// What requests are refused with: 429, 500, 502 or 503; null cuts their connections
    #[serde(default)]
    pub(crate) status: Option<u16>,
}

impl Outage {
    fn is_at(&self, seconds: f64) -> bool {
        (self.after_seconds..self.after_seconds + self.for_seconds).contains(&seconds)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_min_ms: 0,
            latency_max_ms: 0,
            latency_median_ms: 0,
            latency_p99_ms: 0,
            refuse_percent: 0,
            refuse_status: 503,
            cut_before_percent: 0,
            cut_after_percent: 0,
            truncate_percent: 0,
            rubbish_percent: 0,
            slow_percent: 0,
            slow_bytes_per_second: 100,
            outages: Vec::new(),
            methods: Vec::new(),
            target: String::new(),
            requests: None,
        }
    }
}

impl Faults {
    /// What is wrong with them, if anything is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let percents = [
            self.refuse_percent,
            self.cut_before_percent,
            self.cut_after_percent,
            self.truncate_percent,
            self.rubbish_percent,
            self.slow_percent,
        ];
        if percents.iter().any(|percent| *percent > 100) {
            return Some("a percentage is from 0 to 100");
        }
        let statuses = self.outages.iter().filter_map(|outage| outage.status);
        if statuses.chain([self.refuse_status]).any(|status| refusal(status).is_none()) {
            return Some("a refusal's status is one of 429, 500, 502 and 503");
        }
        if self.latency_min_ms > self.latency_max_ms && self.latency_max_ms > 0
            || self.latency_min_ms > 0 && self.latency_max_ms == 0 && self.latency_median_ms == 0
            || [self.latency_min_ms, self.latency_max_ms, self.latency_median_ms, self.latency_p99_ms]
                .iter()
                .any(|latency| *latency > MAX_LATENCY_MS)
        {
            return Some("latencyMinMs must not be above latencyMaxMs, and no latency above 600000");
        }
        if (self.latency_median_ms == 0) != (self.latency_p99_ms == 0)
            || self.latency_p99_ms < self.latency_median_ms
        {
            return Some("latencyP99Ms must be given with latencyMedianMs, and not be below it");
        }
        if self.slow_bytes_per_second == 0 {
            return Some("slowBytesPerSecond must be above 0");
        }
        if self.outages.len() > MAX_OUTAGES {
            return Some("there are more than 1000 outages");
        }
        let is_time = |seconds: f64| (0.0..1e9).contains(&seconds);
        if self.outages.iter().any(|outage| !is_time(outage.after_seconds) || !is_time(outage.for_seconds)) {
            return Some("an outage's times are seconds from 0 on");
        }
        None
    }

    fn concern(&self, method: &Method, target: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|own| own.eq_ignore_ascii_case(method.as_str())))
            && target.contains(&self.target)
    }

    fn latency(&self) -> Duration {
        let (least, most) = (self.latency_min_ms, self.latency_max_ms);
        let millis = if self.latency_median_ms > 0 {
            let spread =
                (self.latency_p99_ms as f64 / self.latency_median_ms as f64).ln() / DEVIATIONS_OF_P99;
            let drawn = self.latency_median_ms as f64 * (spread * normal()).exp();
            let most = if most == 0 { MAX_LATENCY_MS } else { most };
            drawn.clamp(least as f64, most as f64)
        } else if most > 0 {
            rand::random_range(least..=most) as f64
        } else {
            0.0
        };
        Duration::from_secs_f64(millis / 1000.0)
    }
}

/// Drawn from the standard normal distribution (Box and Muller's way).
fn normal() -> f64 {
    let (radius, angle) =
        (rand::random_range(f64::EPSILON..1.0), rand::random_range(0.0..std::f64::consts::TAU));
    (-2.0 * f64::ln(radius)).sqrt() * f64::cos(angle)
}

fn drawn(percent: u8) -> bool {
    rand::random_range(0..100) < percent
}

fn refusal(status: u16) -> Option<AirtableError> {
    Some(match status {
        429 => AirtableError::rate_limited(None),
        500 => AirtableError::server_error(),
        502 => AirtableError::timed_out().with_status(StatusCode::BAD_GATEWAY),
        503 => AirtableError::timed_out(),
        _ => return None,
    })
}

/// The faults that were asked for, since when, and how many requests they still concern.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    pub(crate) faults: Faults,
    since: Option<Instant>,
    left: Option<u64>,
}

impl InForce {
    /// From `now` on, by the emulator's clock.
    pub(crate) fn new(faults: Faults, now: Instant) -> Self {
        Self { left: faults.requests, faults, since: Some(now) }
    }

    /// Draws what happens to one request.
    pub(crate) fn draw(&mut self, method: &Method, target: &str, now: Instant) -> Drawn {
        let faults = &self.faults;
        let Some(since) = self.since.filter(|_| faults.concern(method, target)) else {
            return Drawn::default();
        };
        if let Some(left) = &mut self.left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Drawn::default(),
            }
        }
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let outage = faults.outages.iter().find(|outage| outage.is_at(seconds));
        let before = match outage {
            Some(Outage { status: None, .. }) => Before::Cut,
            Some(Outage { status: Some(status), .. }) => refusal(*status).map_or(Before::Cut, Before::Refuse),
            None if drawn(faults.cut_before_percent) => Before::Cut,
            None => match refusal(faults.refuse_status) {
                Some(refusal) if drawn(faults.refuse_percent) => Before::Refuse(refusal),
                _ => Before::Nothing,
            },
        };
        let after = [
            (faults.cut_after_percent, After::Cut),
            (faults.truncate_percent, After::Truncate),
            (faults.rubbish_percent, After::Rubbish),
            (faults.slow_percent, After::Slow { bytes_per_second: faults.slow_bytes_per_second }),
        ];
        let after = after.into_iter().find(|(percent, _)| drawn(*percent));
        Drawn { latency: faults.latency(), before, after: after.map(|(_, after)| after) }
    }
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) latency: Duration,
    pub(crate) before: Before,
    after: Option<After>,
}

/// What is done to one request before it is carried out.
#[derive(Debug, Default)]
pub(crate) enum Before {
    #[default]
    Nothing,
    Refuse(AirtableError),
    Cut,
}

#[derive(Debug)]
enum After {
    Cut,
    Truncate,
    Rubbish,
    Slow { bytes_per_second: u32 },
}

impl Drawn {
    /// What becomes of an answer; `true` beside it says that nobody gets one.
    pub(crate) async fn spoil(&self, response: Response<Body>) -> (Response<Body>, bool) {
        match &self.after {
            None => (response, false),
            Some(After::Cut) => (cut_off(), true),
            Some(After::Truncate) => (spoil::truncated(response).await, false),
            Some(After::Rubbish) => (spoil::rubbish(), false),
            Some(After::Slow { bytes_per_second }) => (spoil::slow(response, *bytes_per_second).await, false),
        }
    }
}

/// An answer that ends with its connection before it has begun.
pub(crate) fn cut_off() -> Response<Body> {
    spoil::cut_off()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(faults: Faults, times: usize) -> Vec<Drawn> {
        assert_eq!(faults.problem(), None);
        let now = Instant::now();
        let mut in_force = InForce::new(faults, now);
        (0..times).map(|_| in_force.draw(&Method::GET, "/v0/app/T?a", now)).collect()
    }

    #[test]
    fn half_of_log_normal_waits_are_below_the_median_and_one_in_a_hundred_above_the_last_percentile() {
        let faults = Faults { latency_median_ms: 100, latency_p99_ms: 1000, ..Faults::default() };
        let waits: Vec<_> = draw(faults, 20_000).into_iter().map(|drawn| drawn.latency.as_millis()).collect();
        let above = |limit| waits.iter().filter(|wait| **wait > limit).count();
        assert!((9_500..10_500).contains(&above(100)), "{}", above(100));
        assert!((120..290).contains(&above(1000)), "{}", above(1000));
    }

    #[test]
    fn faults_concern_only_the_requests_that_they_are_asked_for() {
        let faults = |target: &str, methods: &[&str], requests| Faults {
            cut_before_percent: 100,
            target: target.to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            requests,
            ..Faults::default()
        };
        let cuts =
            |faults| draw(faults, 3).iter().filter(|drawn| matches!(drawn.before, Before::Cut)).count();
        assert_eq!(cuts(faults("", &[], None)), 3);
        assert_eq!(cuts(faults("/T", &["get"], None)), 3);
        assert_eq!(cuts(faults("/U", &[], None)), 0);
        assert_eq!(cuts(faults("", &["POST"], None)), 0);
        assert_eq!(cuts(faults("", &[], Some(2))), 2);
    }

    #[test]
    fn outages_come_and_go_with_the_clock() {
        let outages = vec![
            Outage { after_seconds: 1.0, for_seconds: 2.0, status: None },
            Outage { after_seconds: 10.0, for_seconds: 0.5, status: Some(502) },
        ];
        let start = Instant::now();
        let mut in_force = InForce::new(Faults { outages, ..Faults::default() }, start);
        let mut at = |seconds| {
            let drawn = in_force.draw(&Method::GET, "/", start + Duration::from_secs_f64(seconds));
            match drawn.before {
                Before::Nothing => 0,
                Before::Cut => 1,
                Before::Refuse(error) => error.status(),
            }
        };
        assert_eq!([at(0.5), at(1.0), at(2.9), at(3.1), at(10.2), at(10.6)], [0, 1, 1, 0, 502, 0]);
    }
}
