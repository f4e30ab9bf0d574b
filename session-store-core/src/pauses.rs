//! The pauses before a command is sent again.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{Error, ErrorKind, Result};

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// What is left of the time for the last command, so that it does not end in the middle of it, and its outcome is known.
const RESERVE: Duration = Duration::from_millis(100);

/// Pauses that double each time, from 1 to 50 milliseconds, for the author of a networked store.
#[derive(Debug)]
pub struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    /// They end so long before the deadline that there is time for a command.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        Self { next: FIRST, end: now + left.saturating_sub(RESERVE.min(left / 4)) }
    }

    /// Whether there is no time for another one.
    #[must_use]
    pub fn are_over(&self) -> bool {
        Instant::now() + self.next >= self.end
    }

    /// The next one.
    pub async fn pause(&mut self) {
        sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST);
    }

    /// The next one, if there is time for it.
    ///
    /// # Errors
    ///
    /// Else `Timeout`, with this text.
    pub async fn wait_or(&mut self, refusal: &'static str) -> Result<()> {
        if self.are_over() {
            return Err(Error::new(ErrorKind::Timeout, refusal));
        }
        self.pause().await;
        Ok(())
    }
}
