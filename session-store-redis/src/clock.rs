//! An estimate of the server's clock, for `Record::read_at`: `get` stays one GET.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use session_store_core::Timestamp;

/// How often the server is asked.
pub(crate) const REFRESH: Duration = Duration::from_mins(1);

/// The server's clock as it was asked last, carried on by this process's monotonic one.
#[derive(Debug)]
pub(crate) struct ServerClock {
    start: Instant,
    /// The server's time at `start`, in milliseconds.
    at_start: AtomicI64,
}

impl ServerClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), at_start: AtomicI64::new(0) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.at_start.load(Ordering::Relaxed)).saturating_add(self.start.elapsed())
    }

    /// The server said `time` to a question asked at `asked`: it meant the middle of the way there and back.
    pub(crate) fn set(&self, time: Timestamp, asked: Instant) {
        let middle = asked + asked.elapsed() / 2;
        let elapsed = i64::try_from((middle - self.start).as_millis()).unwrap_or(i64::MAX);
        self.at_start.store(time.as_millis().saturating_sub(elapsed), Ordering::Relaxed);
    }
}
