//! Points in time and the bounds of timeouts.

use std::time::Duration;

use crate::{Error, Result};

/// A point in time by the store's clock: milliseconds since the Unix epoch.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use session_store_core::Timestamp;
///
/// let created = Timestamp::from_millis(1_700_000_000_000);
/// let read = created.saturating_add(Duration::from_secs(90));
/// assert_eq!(read.saturating_since(created), Duration::from_secs(90));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time so many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `duration` later, in whole milliseconds, or the last one that can be written.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The shortest idle or absolute timeout.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// The longest idle or absolute timeout: ten years of 365 days.
pub const MAX_TIMEOUT: Duration = Duration::from_hours(10 * 365 * 24);

/// A timeout in whole milliseconds, the rest cut off, as a store sends it.
///
/// # Errors
///
/// `InvalidInput` when it is shorter than [`MIN_TIMEOUT`] or longer than [`MAX_TIMEOUT`] (clause I1).
pub fn timeout_millis(timeout: Duration) -> Result<i64> {
    Some(timeout)
        .filter(|timeout| (MIN_TIMEOUT..=MAX_TIMEOUT).contains(timeout))
        .and_then(|timeout| i64::try_from(timeout.as_millis()).ok())
        .ok_or_else(|| Error::invalid_input("a timeout is 1 millisecond to 10 years"))
}
