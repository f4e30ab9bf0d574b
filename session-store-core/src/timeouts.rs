//! The time that the operations of a networked store have.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// The time that the operations of a networked store have (clause E3), for its author.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use session_store_core::Timeouts;
///
/// let timeouts = Timeouts { operation: Duration::from_secs(1), ..Timeouts::default() };
/// timeouts.check()?;
/// let sweep = timeouts.sweep(); // every statement of it has a second, and all of them have five minutes
/// assert!(sweep.deadline() <= timeouts.deadline());
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// An operation on a session in all. Unless set, 5 seconds.
    pub operation: Duration,
    /// An attempt to connect, or the wait for a connection. Unless set, 2 seconds.
    pub connect: Duration,
    /// A list, `destroy_by_user`, `prune`, `count` or `clear` as a whole. Unless set, 5 minutes.
    pub sweep: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { operation: Duration::from_secs(5), connect: Duration::from_secs(2), sweep: Duration::from_mins(5) }
    }
}

impl Timeouts {
    /// Refuses what no operation could keep.
    ///
    /// # Errors
    ///
    /// `Config` where one is not within 1 millisecond and 24 hours.
    pub fn check(&self) -> Result<()> {
        let all = [("operation", self.operation), ("connect", self.connect), ("sweep", self.sweep)];
        for (name, timeout) in all {
            if !(Duration::from_millis(1)..=Duration::from_hours(24)).contains(&timeout) {
                return Err(Error::config(format!("the {name} timeout is {timeout:?}; set 1 millisecond to 24 hours")));
            }
        }
        Ok(())
    }

    /// When an operation that begins now must have ended.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.operation
    }

    /// The time of a sweeping operation that begins now.
    #[must_use]
    pub fn sweep(&self) -> Sweep {
        Sweep { each: self.operation, end: Instant::now() + self.sweep }
    }
}

/// The time of one sweeping operation: for each of its statements, and for the whole.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    each: Duration,
    end: Instant,
}

impl Sweep {
    /// When a statement that begins now must have ended.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        (Instant::now() + self.each).min(self.end)
    }

    /// When the whole must have ended.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn timeouts_out_of_bounds_are_refused_by_name() {
        let usual = Timeouts::default();
        usual.check().unwrap();
        for timeout in [Duration::ZERO, Duration::from_micros(999), Duration::from_hours(25)] {
            let table = [
                ("operation", Timeouts { operation: timeout, ..usual }),
                ("connect", Timeouts { connect: timeout, ..usual }),
                ("sweep", Timeouts { sweep: timeout, ..usual }),
            ];
            for (name, timeouts) in table {
                let error = timeouts.check().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains(&format!("the {name} timeout")), "{error}");
            }
        }
    }

    #[test]
    fn a_statement_of_a_sweep_ends_with_the_sweep() {
        let minute = Duration::from_mins(1);
        let short = Timeouts { operation: minute, sweep: Duration::from_millis(1), ..Timeouts::default() }.sweep();
        assert!(short.deadline() < Instant::now() + minute / 2);
        let long = Timeouts { operation: minute, sweep: 3 * minute, ..Timeouts::default() }.sweep();
        let deadline = long.deadline();
        assert!(deadline > Instant::now() + minute / 2 && deadline <= Instant::now() + minute);
    }
}
