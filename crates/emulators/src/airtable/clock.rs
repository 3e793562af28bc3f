//! The emulator's clock: the system's, until somebody sets, stops or advances it.
//!
//! Everything that Airtable's time decides goes by it: times of records, formulas, expiry, rate windows. Two readings that
//! move together: the time of day, and an instant for measuring, which never goes back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use airtable_formula::Timestamp;

/// A clock that tests may turn.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<Turned>>);

/// What it showed when it was last turned.
#[derive(Debug, Clone, Copy)]
struct Turned {
    at: Instant,
    time: Timestamp,
    instant: Instant,
    stopped: bool,
}

impl Turned {
    fn elapsed(&self) -> Duration {
        if self.stopped { Duration::ZERO } else { self.at.elapsed() }
    }

    fn time(&self) -> Timestamp {
        self.time.checked_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

impl Clock {
    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.turned().map_or_else(Timestamp::now, |turned| turned.time())
    }

    /// For measuring how long ago something was.
    pub(crate) fn instant(&self) -> Instant {
        self.turned().map_or_else(Instant::now, |turned| turned.instant + turned.elapsed())
    }

    /// Whether time stands still.
    pub(crate) fn is_stopped(&self) -> bool {
        self.turned().is_some_and(|turned| turned.stopped)
    }

    /// Goes on from `time`. What lies between counts as having passed; going back is no time passing.
    pub(crate) fn set(&self, time: Timestamp) {
        self.turn(|turned| {
            let ahead = Duration::try_from(time.duration_since(turned.time)).unwrap_or_default();
            turned.instant += ahead;
            turned.time = time;
        });
    }

    /// Lets so much time pass at once.
    pub(crate) fn advance(&self, by: Duration) {
        self.turn(|turned| {
            turned.instant += by;
            turned.time = turned.time.checked_add(by).unwrap_or(Timestamp::MAX);
        });
    }

    /// Stops time, or lets it go on from where it stands.
    pub(crate) fn stop(&self, stopped: bool) {
        self.turn(|turned| turned.stopped = stopped);
    }

    /// The system's time again.
    pub(crate) fn reset(&self) {
        // An instant that has run ahead stays ahead: measured times never go back.
        self.turn(|turned| {
            turned.time = Timestamp::now();
            turned.stopped = false;
        });
    }

    fn turned(&self) -> Option<Turned> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, change: impl FnOnce(&mut Turned)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let mut turned = match *state {
            None => Turned { at, time: Timestamp::now(), instant: at, stopped: false },
            Some(before) => Turned {
                at,
                time: before.time(),
                instant: before.instant + before.elapsed(),
                stopped: before.stopped,
            },
        };
        change(&mut turned);
        *state = Some(turned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_clock_that_nobody_turned_is_the_systems() {
        let clock = Clock::default();
        let before = Timestamp::now();
        let shown = clock.now();
        assert!(before <= shown && shown <= Timestamp::now());
    }

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::default();
        clock.stop(true);
        let (time, instant) = (clock.now(), clock.instant());
        assert_eq!((clock.now(), clock.instant()), (time, instant));
        clock.advance(HOUR);
        assert_eq!(clock.now().duration_since(time), jiff::SignedDuration::from_hours(1));
        assert_eq!(clock.instant() - instant, HOUR);
    }

    #[test]
    fn setting_it_ahead_lets_the_time_between_pass_and_setting_it_back_lets_none() {
        let clock = Clock::default();
        clock.stop(true);
        let (time, instant) = (clock.now(), clock.instant());
        clock.set(time + HOUR);
        assert_eq!(clock.instant() - instant, HOUR);
        clock.set(time);
        assert_eq!((clock.now(), clock.instant() - instant), (time, HOUR));
        clock.reset();
        assert!(!clock.is_stopped() && clock.instant() - instant >= HOUR);
    }
}
