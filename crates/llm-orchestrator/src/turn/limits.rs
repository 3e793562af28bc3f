//! How much one question may cost.

use std::time::Duration;

/// How much one question may cost.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Calls of the model that give a turn. The last one runs without tools.
    pub steps: u32,
    pub tool_calls: u32,
    pub time: Duration,
    /// Input and output of all calls of the model together.
    pub tokens: u64,
}

/// Within one question: where it stands, and the randomness that a decision may need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Since the run began.
    pub elapsed: Duration,
    /// Between 0 and 1.
    pub jitter: f64,
}

/// Waiting before asking a model again that is busy: at most so often for one answer.
pub(super) const MOST_WAITS: u32 = 4;

/// The longest single wait. A model that wants more is better asked again by the user.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What must be left for the answer after a wait.
const LEFT_FOR_ANSWER: Duration = Duration::from_secs(10);

impl Limits {
    /// Past this time the model has to answer with what it has.
    pub(super) fn is_late(&self, moment: Moment) -> bool {
        moment.elapsed >= self.time.mul_f64(0.8)
    }

    /// How long to wait before asking again for the `nth` time (from 1); `None`: not worth it.
    ///
    /// What the vendor advises counts; else full jitter over 1 s, 2 s, 4 s, ….
    pub(super) fn wait(&self, nth: u32, advised: Option<Duration>, moment: Moment) -> Option<Duration> {
        if nth > MOST_WAITS {
            return None;
        }
        let own =
            Duration::from_secs(1 << nth.saturating_sub(1).min(6)).mul_f64(moment.jitter.clamp(0.0, 1.0));
        let wait = advised.unwrap_or(own);
        let end = moment.elapsed + wait + LEFT_FOR_ANSWER.min(self.time / 4);
        (wait <= LONGEST_WAIT && end <= self.time).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { steps: 12, tool_calls: 40, time: Duration::from_secs(300), tokens: 400_000 }
    }

    fn at(seconds: u64) -> Moment {
        Moment { elapsed: Duration::from_secs(seconds), jitter: 0.5 }
    }

    #[test]
    fn what_the_vendor_advises_is_kept_to_if_there_is_time_for_it() {
        let advised = Some(Duration::from_secs(26));
        assert_eq!(limits().wait(1, advised, at(0)), advised);
        assert_eq!(limits().wait(1, advised, at(270)), None, "no time would be left for the answer");
        assert_eq!(limits().wait(1, Some(Duration::from_secs(61)), at(0)), None);
    }

    #[test]
    fn without_advice_the_waits_grow_and_end() {
        let waits: Vec<_> = (1..=5).map(|nth| limits().wait(nth, None, at(0))).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(waits, [ms(500), ms(1000), ms(2000), ms(4000), None]);
    }
}
