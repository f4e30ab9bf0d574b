//! The pauses before a statement is run again.

use std::time::{Duration, Instant};

use session_store_core::{Error, ErrorKind, Result};
use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// Pauses that double each time. A statement of ours holds a row for a millisecond or two.
pub(crate) struct Pauses {
    next: Duration,
    deadline: Instant,
}

impl Pauses {
    /// They end with the deadline.
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { next: FIRST, deadline }
    }

    /// Whether the next one would go beyond the deadline.
    pub(crate) fn are_over(&self) -> bool {
        Instant::now() + self.next >= self.deadline
    }

    pub(crate) async fn pause(&mut self) {
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
    }

    /// The pause before a row is asked for again that another transaction holds.
    pub(crate) async fn wait_for_row(&mut self) -> Result<()> {
        if self.are_over() {
            return Err(Error::new(
                ErrorKind::Timeout,
                "another transaction holds the session's row; nothing was changed",
            ));
        }
        self.pause().await;
        Ok(())
    }
}
