use std::str::FromStr;
use std::time::SystemTime;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// When a key ends, as people write it: `90d`, `12h`, `2027-01-31` (the end of that day, UTC) or a full RFC 3339 instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expiry(Wish);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wish {
    At(Timestamp),
    After(SignedDuration),
}

impl Expiry {
    /// The instant, counted from `now` where a period was given.
    ///
    /// # Errors
    /// A text for people, if the instant is not in the future.
    pub(crate) fn resolve(self, now: SystemTime) -> Result<SystemTime, String> {
        let now = Timestamp::try_from(now).map_err(|error| error.to_string())?;
        let at = match self.0 {
            Wish::At(at) => at,
            Wish::After(period) => now.checked_add(period).map_err(|_| "lies too far ahead".to_owned())?,
        };
        if at <= now {
            return Err("does not lie in the future".to_owned());
        }
        at.try_into().map_err(|_| "lies too far ahead".to_owned())
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self(Wish::At(at)));
        }
        if let Ok(date) = text.parse::<Date>() {
            return end_of(date).map(|at| Self(Wish::At(at)));
        }
        let unclear = || {
            format!("'{text}' is no period (90d, 12h), date (2027-01-31) or instant (2027-01-31T12:00:00Z)")
        };
        let span: Span = text.parse().map_err(|_| unclear())?;
        span.to_duration(SpanRelativeTo::days_are_24_hours())
            .map(|period| Self(Wish::After(period)))
            .map_err(|_| unclear())
    }
}

fn end_of(date: Date) -> Result<Timestamp, String> {
    date.tomorrow()
        .and_then(|next| next.to_zoned_datetime(TimeZone::UTC))
        .map(|midnight| midnight.timestamp())
        .map_err(|_| "lies too far ahead".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let actual = match text.parse::<Expiry>().and_then(|expiry| expiry.resolve(now.try_into().unwrap())) {
            Ok(at) => Timestamp::try_from(at).unwrap().to_string(),
            Err(problem) => format!("error: {problem}"),
        };
        assert_eq!(actual, expected, "{text}");
    }

    #[test]
    fn periods_dates_and_instants_are_understood() {
        check("90d", "2027-02-22T10:00:00Z");
        check("12h", "2026-11-24T22:00:00Z");
        check("2w", "2026-12-08T10:00:00Z");
        check("2027-01-31", "2027-02-01T00:00:00Z");
        check("2026-11-24", "2026-11-25T00:00:00Z");
        check("2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z");
    }

    #[test]
    fn the_past_and_the_unclear_are_refused() {
        check("2020-01-01", "error: does not lie in the future");
        check("-5d", "error: does not lie in the future");
        check("0s", "error: does not lie in the future");
        check(
            "soon",
            "error: 'soon' is no period (90d, 12h), date (2027-01-31) or instant (2027-01-31T12:00:00Z)",
        );
    }
}
