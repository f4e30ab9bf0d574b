//! How a pruner is made.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Pruner;
use super::round::Rounds;
use crate::entropy::part;
use crate::{Error, Result, SessionStore};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(30 * 24);
const MOST_RECORDS: u32 = 100_000;

/// What a [`Pruner`] may be given. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn`"]
pub struct Builder {
    store: Arc<dyn SessionStore>,
    name: &'static str,
    every: Duration,
    limit: u32,
    pause: Duration,
    max_calls: u32,
}

impl Builder {
    pub(super) fn new(store: impl SessionStore) -> Self {
        Self {
            store: Arc::new(store),
            name: "unnamed",
            every: Duration::from_mins(5),
            limit: 1_000,
            pause: Duration::from_millis(100),
            max_calls: 1_000,
        }
    }

    /// What tells this pruner from others in metrics and logs, such as `postgres`. Unless set, `unnamed`.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long the pruner rests after each round, give or take a tenth: 1 second to 30 days. Unless set, 5 minutes.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// How many records each call removes at the most, 1 to 100,000: how long one statement holds its locks.
    /// Unless set, 1,000.
    pub fn limit(mut self, records: u32) -> Self {
        self.limit = records;
        self
    }

    /// How long it waits between two calls of a round, the interval at the most: what it leaves of the database to
    /// others. Unless set, 100 milliseconds.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// How many calls a round makes at the most, 1 or more; what is left then is for the next round. Unless set,
    /// 1,000: with the other defaults, a million records, in about two minutes and the time of the calls.
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.max_calls = calls;
        self
    }

    /// Starts the pruner. Nothing is sent before its first round, within the interval.
    ///
    /// # Errors
    ///
    /// `Config` when a setting is out of its bounds, or when no Tokio runtime is running here; `Internal` when the
    /// operating system gives no random bytes.
    pub fn spawn(self) -> Result<Pruner> {
        self.check_bounds()?;
        let runtime = Handle::try_current().map_err(|_| {
            Error::config("a pruner needs a Tokio runtime; spawn it inside one, or call `prune` yourself")
        })?;
        let Self { store, name, every, limit, pause, max_calls } = self;
        let (stop, stopped) = oneshot::channel();
        let rounds = Rounds { store, name, every, limit, pause, max_calls, stopped };
        let task = runtime.spawn(rounds.run(every.mul_f64(part()?)));
        Ok(Pruner { task, stop: Some(stop) })
    }

    fn check_bounds(&self) -> Result<()> {
        let refused = |why| Err(Error::config(why));
        if !(SHORTEST..=LONGEST).contains(&self.every) {
            return refused("the interval of a pruner is not within 1 second and 30 days; set one that is");
        }
        if !(1..=MOST_RECORDS).contains(&self.limit) {
            return refused("a call of a pruner removes 1 to 100,000 records; set a limit within these");
        }
        if self.pause > self.every {
            return refused("the pause of a pruner is longer than its interval; set a shorter pause");
        }
        if self.max_calls == 0 {
            return refused("a round of 0 calls would remove nothing; set 1 or more, or spawn no pruner");
        }
        Ok(())
    }
}
