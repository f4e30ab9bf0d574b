//! The store's clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use session_store_core::Timestamp;

/// What tells a store the time. The one clock that decides what is live (clause X1).
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now. It should never be earlier than the time before.
    fn now(&self) -> Timestamp;
}

/// The system's wall clock, but never stepping back: while the system's clock is set back, it stands.
#[derive(Debug)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// The clock.
    #[must_use]
    pub fn new() -> Self {
        Self { latest: AtomicI64::new(i64::MIN) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "here it is the store's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.forward(Timestamp::from_millis(0).saturating_add(since_epoch))
    }
}

impl SystemClock {
    /// The later of the wall clock and the latest time that was told.
    fn forward(&self, wall: Timestamp) -> Timestamp {
        let now = wall.as_millis();
        // Written once a millisecond, not once a call: cores must not fight for the cache line.
        let latest = self.latest.load(Ordering::Relaxed);
        let latest = if now > latest { self.latest.fetch_max(now, Ordering::Relaxed) } else { latest };
        Timestamp::from_millis(now.max(latest))
    }
}

/// A clock that stands until it is moved, for tests of timeouts that need no waiting.
///
/// # Example: a session that dies without a wait
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use session_store_memory::core::{SessionKey, SessionStore, SetMode, Timestamp, Write};
/// use session_store_memory::{ManualClock, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> session_store_memory::core::Result<()> {
/// let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
/// let store = MemoryStore::builder().clock(clock.clone()).build()?;
///
/// let key = SessionKey::from_bytes([1; 32]);
/// let minute = Duration::from_secs(60);
/// store.set(&key, &Write::new("data", minute, 10 * minute)?, SetMode::Create).await?;
/// clock.advance(minute);
/// assert!(store.get(&key).await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { now: AtomicI64::new(start.as_millis()) }
    }

    /// Moves the clock on, by whole milliseconds.
    pub fn advance(&self, duration: Duration) {
        let later = |now| Timestamp::from_millis(now).saturating_add(duration).as_millis();
        self.now.update(Ordering::SeqCst, Ordering::SeqCst, later);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_stands_while_the_wall_clock_is_behind() {
        let clock = SystemClock::new();
        let told: Vec<_> = [1_000, 2_000, 1_500, 1_999, 2_000, 2_001]
            .map(|wall| clock.forward(Timestamp::from_millis(wall)).as_millis())
            .into();
        assert_eq!(told, [1_000, 2_000, 2_000, 2_000, 2_000, 2_001]);
    }

    #[test]
    fn a_manual_clock_stops_at_the_last_time() {
        let clock = ManualClock::new(Timestamp::from_millis(5));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::from_millis(i64::MAX));
    }
}
