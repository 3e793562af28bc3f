//! What a request says about stored answers (RFC 9111 §5.2.1), and what the answer says back (RFC 9211).

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

/// The request's `Cache-Control`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    /// Ask Airtable, whatever is stored.
    pub no_cache: bool,
    /// Do not keep the answer.
    pub no_store: bool,
    /// Never ask Airtable.
    pub only_if_cached: bool,
    /// Oldest answer that will do.
    pub max_age: Option<Duration>,
    /// How long it must stay fresh.
    pub min_fresh: Option<Duration>,
}

impl Directives {
    /// Reads the request's headers; what is not understood is ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let lines = headers.get_all(CACHE_CONTROL);
        for part in lines.iter().filter_map(|v| v.to_str().ok()).flat_map(|line| line.split(',')) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let seconds = || value.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                "max-age" => directives.max_age = seconds(),
                "min-fresh" => directives.min_fresh = seconds(),
                _ => {}
            }
        }
        let pragma = || headers.get(PRAGMA).is_some_and(|value| value.as_bytes() == b"no-cache");
        directives.no_cache |= lines.iter().next().is_none() && pragma();
        directives.no_cache |= directives.max_age == Some(Duration::ZERO);
        directives
    }

    /// Whether an answer of this age, fresh for `fresh_for` in all, will do.
    pub(crate) fn accept(&self, age: Duration, fresh_for: Duration) -> bool {
        let fresh_after = age.saturating_add(self.min_fresh.unwrap_or_default());
        !self.no_cache && fresh_after < fresh_for && self.max_age.is_none_or(|oldest| age <= oldest)
    }

    /// Whether the caller leaves it to us how old an answer may be.
    pub(crate) fn allow_stale(&self) -> bool {
        !self.no_cache && self.max_age.is_none() && self.min_fresh.is_none()
    }
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheStatus {
    pub source: Source,
    /// Shared the flight of another request.
    pub collapsed: bool,
    /// Kept for others.
    pub stored: bool,
    /// Seconds for which it stays fresh; negative: for how long it has not been.
    pub ttl: Option<i64>,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A stored answer, fresh.
    Hit,
    /// A stored answer past its time, while a new one is fetched.
    StaleWhileRevalidate,
    /// A stored answer past its time, because Airtable could not be asked.
    StaleIfError,
    /// Airtable: nothing was stored.
    Miss,
    /// Airtable: what was stored is too old.
    Expired,
    /// Airtable: the caller wanted it so.
    Request,
    /// Airtable: such calls are not cached.
    Bypass,
    /// Airtable: writes are not cached.
    Method,
}

impl CacheStatus {
    /// An answer straight from Airtable.
    pub(crate) fn forwarded(source: Source) -> Self {
        Self { source, collapsed: false, stored: false, ttl: None }
    }

    /// A label for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self.source {
            Source::Hit => "hit",
            Source::StaleWhileRevalidate | Source::StaleIfError => "stale",
            _ if self.collapsed => "collapsed",
            Source::Miss | Source::Expired | Source::Request => "miss",
            Source::Bypass | Source::Method => "bypass",
        }
    }

    /// The `Cache-Status` header of an answer with this status.
    pub(crate) fn header(&self, status: http::StatusCode) -> HeaderValue {
        let mut text = String::from("pyairtable");
        let (kind, detail) = match self.source {
            Source::Hit => ("hit", None),
            Source::StaleWhileRevalidate => ("hit", Some("stale-while-revalidate")),
            Source::StaleIfError => ("hit", Some("stale-if-error")),
            Source::Miss => ("fwd=miss", None),
            Source::Expired => ("fwd=stale", None),
            Source::Request => ("fwd=request", None),
            Source::Bypass => ("fwd=bypass", None),
            Source::Method => ("fwd=method", None),
        };
        let _ = write!(text, "; {kind}");
        if kind.starts_with("fwd") {
            let _ = write!(text, "; fwd-status={}", status.as_u16());
        }
        for (flag, name) in [(self.stored, "stored"), (self.collapsed, "collapsed")] {
            if flag {
                let _ = write!(text, "; {name}");
            }
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(text, "; ttl={ttl}");
        }
        if let Some(detail) = detail {
            let _ = write!(text, "; detail={detail}");
        }
        HeaderValue::try_from(text).expect("made of visible ASCII")
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn of(value: &str) -> Directives {
        Directives::of(&HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]))
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn requests_say_how_old_an_answer_may_be() {
        assert!(of("").accept(secs(29), secs(30)));
        assert!(!of("").accept(secs(30), secs(30)));
        assert!(!of("no-cache").accept(secs(0), secs(30)));
        assert!(!of("Max-Age=0").accept(secs(0), secs(30)));
        assert!(of("max-age=10").accept(secs(10), secs(30)));
        assert!(!of("max-age=10").accept(secs(11), secs(30)));
        assert!(!of("min-fresh=10").accept(secs(21), secs(30)));
        assert!(of("max-age=soon, private").accept(secs(1), secs(30)));
        assert!(!of("min-fresh=18446744073709551615").accept(secs(1), secs(30)));
        assert!(of("max-age=18446744073709551615").accept(secs(1), secs(30)));
        assert!(of("only-if-cached, no-store").only_if_cached);
        let pragma = HeaderMap::from_iter([(PRAGMA, HeaderValue::from_static("no-cache"))]);
        assert!(Directives::of(&pragma).no_cache);
    }

    #[test]
    fn the_answer_says_how_it_came_about() {
        let miss = CacheStatus { source: Source::Miss, collapsed: true, stored: true, ttl: Some(30) };
        assert_eq!(
            miss.header(StatusCode::OK),
            "pyairtable; fwd=miss; fwd-status=200; stored; collapsed; ttl=30"
        );
        let stale = CacheStatus { ttl: Some(-5), ..CacheStatus::forwarded(Source::StaleIfError) };
        assert_eq!(stale.header(StatusCode::OK), "pyairtable; hit; ttl=-5; detail=stale-if-error");
        let hit = CacheStatus { ttl: Some(7), ..CacheStatus::forwarded(Source::Hit) };
        assert_eq!(hit.header(StatusCode::OK), "pyairtable; hit; ttl=7");
    }
}
