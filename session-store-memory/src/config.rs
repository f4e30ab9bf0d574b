//! How a store is made.

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{DEFAULT_DATA_LIMIT, Error, Result};

use crate::{Clock, MemoryStore, SystemClock};

/// What a [`MemoryStore`] may be given. Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_limit: usize,
    pub(crate) prune_every: Option<Duration>,
}

impl Default for Builder {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::new()), data_limit: DEFAULT_DATA_LIMIT, prune_every: None }
    }
}

impl Builder {
    /// The clock that decides what is live. Unless set, the system's, which never steps back.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The most bytes of data of one session. Unless set, 1 MiB.
    pub fn data_limit(mut self, bytes: usize) -> Self {
        self.data_limit = bytes;
        self
    }

    /// Removes dead sessions in the background, every so often, until the last handle of the store is
    /// dropped. Unless set, dead sessions stay in memory until [`prune`] is called or their key is used
    /// again.
    ///
    /// [`prune`]: session_store_core::SessionStore::prune
    pub fn prune_every(mut self, interval: Duration) -> Self {
        self.prune_every = Some(interval);
        self
    }

    /// The store.
    ///
    /// # Errors
    ///
    /// `Config` when the data limit or the prune interval is zero, or when
    /// [`prune_every`](Self::prune_every) is set and no Tokio runtime is running here.
    pub fn build(self) -> Result<MemoryStore> {
        if self.data_limit == 0 {
            return Err(Error::config("a data limit of 0 bytes would refuse every session; set a larger one"));
        }
        if self.prune_every == Some(Duration::ZERO) {
            return Err(Error::config("a prune interval of 0 would never rest; set a longer one"));
        }
        MemoryStore::from_builder(self)
    }
}
