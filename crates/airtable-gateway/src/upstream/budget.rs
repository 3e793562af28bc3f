//! How much of our traffic may be repetition: so that an Airtable in trouble is not asked more, but less.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// What each request adds: one retry for five requests.
const PER_REQUEST: f64 = 0.2;

/// What passing time adds, so that a quiet gateway can repeat as well.
const PER_SECOND: f64 = 1.0;

/// Most that is saved up.
const MOST: f64 = 50.0;

/// What a start-up or a quiet time leaves to spend.
const QUIET: f64 = 10.0;

/// Retries that may still be made.
pub(super) struct RetryBudget(Mutex<(f64, Instant)>);

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self(Mutex::new((QUIET, Instant::now())))
    }

    /// A request was made.
    pub(super) fn deposit(&self) {
        self.change(|balance| (balance + PER_REQUEST).min(MOST));
    }

    /// Takes one retry, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        let mut taken = false;
        self.change(|balance| {
            taken = balance > 0.999_999; // fifths do not add up exactly
            if taken { balance - 1.0 } else { balance }
        });
        taken
    }

    fn change(&self, with: impl FnOnce(f64) -> f64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (balance, since) = *state;
        let rest = (balance + now.duration_since(since).as_secs_f64() * PER_SECOND).min(balance.max(QUIET));
        *state = (with(rest), now);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_requests_may_be_repeated_and_a_few_in_quiet_times() {
        let budget = RetryBudget::new();
        let spend = || std::iter::repeat_with(|| budget.withdraw()).take_while(|taken| *taken).count();
        assert_eq!(spend(), 10);
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(spend(), 20);
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(spend(), 10);
    }
}
