//! Times, all moved by the same span: what lay a week apart still does, and weekdays stay.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Span, Timestamp};

use super::Key;

/// How far times are moved: a number of weeks, and for times of day some seconds more.
pub(super) struct Shift {
    days: i64,
    seconds: i64,
}

impl Shift {
    pub(super) fn new(key: &Key) -> Self {
        let mut stream = key.stream("shift", "", 0);
        let weeks = 26 + stream.below(235) as i64; // half a year to five years
        let back = stream.below(2) == 1;
        let days = 7 * if back { -weeks } else { weeks };
        Self { days, seconds: 1 + stream.below(86_399) as i64 }
    }

    /// A text that is a date, or a date and time, and nothing else; `None` for any other.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        let day = text.get(..10)?;
        let shape = day.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        if !shape {
            return None;
        }
        if text.len() == 10 {
            return Some(self.date(text.parse().ok()?).to_string());
        }
        if !matches!(text.as_bytes()[10], b'T' | b' ') {
            return None;
        }
        match text.parse::<Timestamp>() {
            Ok(instant) => Some(iso(self.instant(instant))),
            Err(_) => {
                // Local times, and the last hours of the calendar, which are no instant.
                let bare = text.strip_suffix('Z').unwrap_or(text);
                let local: DateTime = bare.parse().ok()?;
                let span = Span::new().days(self.days).seconds(self.seconds);
                let moved = local.checked_add(span).or_else(|_| local.checked_sub(span)).ok()?;
                let end = &text[bare.len()..];
                Some(format!("{}{end}", moved.strftime("%Y-%m-%dT%H:%M:%S.%3f")))
            }
        }
    }

    fn date(&self, date: Date) -> Date {
        let span = Span::new().days(self.days);
        let moved = date.checked_add(span).ok().filter(|moved| (0..=9999).contains(&moved.year()));
        // At the ends of the calendar the other way is open.
        moved.or_else(|| date.checked_sub(span).ok()).unwrap_or(date)
    }

    pub(super) fn instant(&self, instant: Timestamp) -> Timestamp {
        let span = SignedDuration::from_secs(self.days * 86_400 + self.seconds);
        let is_usual = |moved: &Timestamp| (-62_167_219_200..253_402_300_800).contains(&moved.as_second());
        let moved = instant.checked_add(span).ok().filter(is_usual);
        moved.or_else(|| instant.checked_sub(span).ok()).unwrap_or(instant)
    }
}

/// As Airtable writes it.
pub(super) fn iso(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift() -> Shift {
        Shift::new(&Key::from_secret("a key for tests"))
    }

    #[test]
    fn times_move_together_and_keep_their_form() {
        let shift = shift();
        let day = |text: &str| shift.text(text).unwrap();
        let apart = day("2024-03-08").parse::<Date>().unwrap() - day("2024-03-01").parse::<Date>().unwrap();
        assert_eq!(apart.get_days(), 7);
        let moved = day("2024-03-08T01:02:03.456Z");
        assert!(moved.ends_with(".456Z") && moved.len() == 24 && !moved.contains("01:02:03"), "{moved}");
        assert_ne!(day("2024-03-08"), "2024-03-08");
        assert_eq!(day("9999-12-31").len(), 10);
        assert_eq!(day("0000-01-01").len(), 10);
        assert_eq!(day("9999-12-31T23:59:59.999Z").len(), 24);
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for text in ["2024-13-45", "2024-01-01 and more", "2024", "", "2024-01-0é", "20240-1-01"] {
            assert_eq!(shift().text(text), None, "{text}");
        }
    }
}
