//! How long a session may live.

use std::time::Duration;

use crate::{Result, timeout_millis};

/// How long a session lives: idle, and in all.
///
/// The presets follow published rules; their documentation names the section. What is not a preset is
/// [`new`](Self::new).
///
/// # Example: "remember me"
///
/// ```
/// use std::time::Duration;
/// use session_store_core::Policy;
///
/// const DAY: Duration = Duration::from_hours(24);
/// let remember_me = Policy::new(14 * DAY, 90 * DAY)?;
/// assert!(remember_me.absolute() > Policy::NIST_AAL2.absolute());
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    idle: Duration,
    absolute: Duration,
}

impl Policy {
    /// NIST SP 800-63B-4, section 2.1.3 (AAL1): 30 days in all. It asks for no idle timeout, so that is 30 days
    /// as well.
    pub const NIST_AAL1: Self = Self { idle: Duration::from_hours(30 * 24), absolute: Duration::from_hours(30 * 24) };

    /// NIST SP 800-63B-4, section 2.2.3 (AAL2): 1 hour idle, 24 hours in all.
    pub const NIST_AAL2: Self = Self { idle: Duration::from_hours(1), absolute: Duration::from_hours(24) };

    /// NIST SP 800-63B-4, section 2.3.3 (AAL3): 15 minutes idle, 12 hours in all.
    pub const NIST_AAL3: Self = Self { idle: Duration::from_mins(15), absolute: Duration::from_hours(12) };

    /// OWASP Session Management Cheat Sheet, "Session Expiration": 30 minutes idle, the most of what it gives for
    /// applications of low risk (15 to 30), and 8 hours in all, the most of what it gives for a working day (4 to 8).
    pub const OWASP_LOW_RISK: Self = Self { idle: Duration::from_mins(30), absolute: Duration::from_hours(8) };

    /// OWASP Session Management Cheat Sheet, "Session Expiration": 5 minutes idle, the most of what it gives for
    /// applications of high value (2 to 5), and 4 hours in all, the least of what it gives for a working day (4 to 8).
    pub const OWASP_HIGH_VALUE: Self = Self { idle: Duration::from_mins(5), absolute: Duration::from_hours(4) };

    /// A session dies `idle` after it was last seen, and `absolute` after it was created at the latest. Both count
    /// in whole milliseconds, the rest cut off.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when one is not within 1 ms and 10 years.
    pub fn new(idle: Duration, absolute: Duration) -> Result<Self> {
        let whole = |timeout| Ok(Duration::from_millis(timeout_millis(timeout)?.unsigned_abs()));
        Ok(Self { idle: whole(idle)?, absolute: whole(absolute)? })
    }

    /// How long it lives when it is not used.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// How long it lives in all, counted from its creation.
    #[must_use]
    pub const fn absolute(&self) -> Duration {
        self.absolute
    }
}
