//! The pauses before a statement is run again.

use std::time::{Duration, Instant};

use session_store_core::{Error, ErrorKind, Result};
use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// What is left of the time for the last statement, so that it does not end in the middle of it, and its outcome is
/// known.
const RESERVE: Duration = Duration::from_millis(100);

/// Pauses that double each time. A statement of ours holds a row for a millisecond or two.
pub(crate) struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    /// They end so long before the deadline that there is time for a statement.
    pub(crate) fn until(deadline: Instant) -> Self {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        Self { next: FIRST, end: now + left.saturating_sub(RESERVE.min(left / 4)) }
    }

    /// Whether there is no time for another one.
    pub(crate) fn are_over(&self) -> bool {
        Instant::now() + self.next >= self.end
    }

    pub(crate) async fn pause(&mut self) {
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
    }

    /// The pause before a row is asked for again that another transaction holds.
    pub(crate) async fn wait_for_row(&mut self) -> Result<()> {
        self.wait_or("another transaction holds the session's row; nothing was changed").await
    }

    /// The same where other sessions have been ended.
    pub(crate) async fn wait_for_rest(&mut self) -> Result<()> {
        self.wait_or("another transaction holds some sessions' rows; call again to end them as well").await
    }

    async fn wait_or(&mut self, refusal: &'static str) -> Result<()> {
        if self.are_over() {
            return Err(Error::new(ErrorKind::Timeout, refusal));
        }
        self.pause().await;
        Ok(())
    }
}
