//! Deadlines, and the pauses before a statement is sent again.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{Result, entropy};

/// The moment at which an operation, or a statement of it, must have ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline that is `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Returns the moment.
    #[must_use]
    pub fn instant(self) -> std::time::Instant {
        self.0.into_std()
    }

    /// Returns the time that is left; zero if it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Returns whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// Runs a future until the deadline. Returns `None`, and drops the future, if it has not ended by then.
    pub async fn limit<F: Future>(self, future: F) -> Option<F::Output> {
        timeout_at(self.0, future).await.ok()
    }
}

/// The time of a bulk operation: for each of its statements, and for the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct BulkBudget {
    each: Duration,
    end: Deadline,
}

impl BulkBudget {
    pub(super) fn new(each: Duration, whole: Duration) -> Self {
        Self { each, end: Deadline::after(whole) }
    }

    /// Returns the deadline of a statement that begins now.
    pub(super) fn statement(&self) -> Deadline {
        Deadline::after(self.each).min(self.end)
    }

    pub(super) fn end(&self) -> Deadline {
        self.end
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What is left of the time for the last statement. Without it, the deadline would fall into a statement, and leave its
/// outcome unknown.
const RESERVE: Duration = Duration::from_millis(100);

/// Pauses that double each time, from 1 to 50 milliseconds, each shortened by a random part of up to a half.
///
/// The random part keeps callers apart that failed at the same moment ("equal jitter", see "Exponential Backoff And Jitter"
/// in the AWS Architecture Blog).
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    end: Instant,
}

impl Backoff {
    /// Creates pauses. They stop before the deadline, so that one more statement has time.
    #[must_use]
    pub fn until(deadline: Deadline) -> Self {
        let now = Instant::now();
        let left = deadline.remaining();
        Self { next: FIRST_PAUSE, end: now + left.saturating_sub(RESERVE.min(left / 4)) }
    }

    /// Returns whether there is no time for another pause.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        Instant::now() + self.next >= self.end
    }

    /// Waits for the next pause. Returns `false`, at once, if there is no time for it.
    pub async fn wait(&mut self) -> bool {
        if self.is_exhausted() {
            return false;
        }
        sleep(self.next.mul_f64(random_share().unwrap_or(1.0))).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}

/// Returns a random number from 0.5 to 1.
fn random_share() -> Result<f64> {
    entropy::part().map(|part| 0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_of_a_bulk_operation_ends_with_the_whole() {
        let minute = Duration::from_mins(1);
        let short = BulkBudget::new(minute, Duration::from_millis(1));
        assert!(short.statement().remaining() < minute / 2);
        let long = BulkBudget::new(minute, 3 * minute);
        assert!(long.statement().remaining() > minute / 2 && long.statement().remaining() <= minute);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_leave_time_for_a_statement() {
        let started = Instant::now();
        let mut backoff = Backoff::until(Deadline(started + Duration::from_mins(1)));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let before = Instant::now();
            assert!(backoff.wait().await);
            pauses.push(before.elapsed());
        }
        assert!(pauses[0] <= Duration::from_millis(2), "{pauses:?}");
        assert!(pauses[11] >= Duration::from_millis(25) && pauses[11] <= Duration::from_millis(52), "{pauses:?}");
        let mut short = Backoff::until(Deadline(Instant::now() + Duration::from_millis(1)));
        assert!(!short.wait().await);
    }
}
