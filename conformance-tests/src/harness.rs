//! What the author of a backend writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_store_core::{Error, ErrorKind, Result, SessionKey, SessionStore, UserId};

/// Opens the store under test, and tells what the suite must know of it.
///
/// The suite opens a namespace of its own for every case, with a name that no other run uses, and
/// touches nothing outside it.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// What the report calls the store.
    fn name(&self) -> &str;

    /// Which server the store is tried on, and of which release, as in `PostgreSQL 17.6`: for the report. Unless said
    /// otherwise, it is not told.
    ///
    /// # Errors
    ///
    /// Where the server cannot be asked.
    async fn server(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// A new handle on a namespace, which is made if it is not there. Two calls give two independent
    /// handles: two nodes of one application.
    ///
    /// The store has its default settings, the data limit of 1 MiB among them.
    ///
    /// # Errors
    ///
    /// `Config` for a name that clause N1 refuses; whatever else goes wrong, which fails the case.
    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>>;

    /// Opens a store as [`open`](Self::open) does, and returns two handles on it: closing one closes both (clause W3).
    ///
    /// Defaults to one handle twice. Implement it if handles can be cloned.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.open(namespace).await?;
        Ok([Arc::clone(&store), store])
    }

    /// Returns whether all handles of a namespace are one store, so that closing one closes all (clause W3).
    ///
    /// Defaults to `false`. Return `true` for a store in memory whose handles share the sessions.
    fn handles_are_one_store(&self) -> bool {
        false
    }

    /// How many cases may run at once, each with two handles at the least. Unless said otherwise, 64; fewer
    /// where handles have connections of their own and the server allows few.
    fn cases_at_once(&self) -> usize {
        64
    }

    /// Not used any more: keys of equal placement rotate in one step (clause W2).
    fn rotates_in_one_step(&self) -> bool {
        true
    }

    /// Removes a namespace with all that it holds, after its case.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong, which fails the case.
    async fn remove(&self, namespace: &str) -> Result<()>;

    /// What the store or the harness cannot do. The cases that need it are reported as ignored.
    fn lacks(&self) -> &[Capability] {
        &[]
    }

    /// How exact [`Record::read_at`](session_store_core::Record::read_at) is. Unless said otherwise,
    /// one millisecond.
    fn clock_step(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// How long sessions must have been dead before a prune owes their removal (clause P3). Unless said
    /// otherwise, not at all.
    fn prune_lag(&self) -> Duration {
        Duration::ZERO
    }

    /// Lets time pass on the store's clock: by waiting, unless the store has a clock that can be moved.
    async fn pass(&self, _namespace: &str, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Puts bytes that no release of the store has written in the place of the record of `key`, which
    /// is `user`'s live session, so that index and record stay as they were but for its content.
    ///
    /// # Errors
    ///
    /// `Unsupported` unless it is implemented; then [`lacks`](Self::lacks) names
    /// [`Capability::PlantCorrupt`].
    async fn plant_corrupt(&self, _namespace: &str, _key: &SessionKey, _user: &UserId) -> Result<()> {
        Err(not_implemented("plant_corrupt"))
    }

    /// How many records, keys, rows or index entries the database holds of a namespace, dead ones
    /// included.
    ///
    /// # Errors
    ///
    /// `Unsupported` unless it is implemented; then [`lacks`](Self::lacks) names
    /// [`Capability::Leftovers`].
    async fn leftovers(&self, _namespace: &str) -> Result<u64> {
        Err(not_implemented("leftovers"))
    }
}

fn not_implemented(method: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the harness does not implement `{method}`, and `lacks` does not say so"),
    )
}

/// What a store or its harness may be unable to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Capability {
    /// The store has no index of users: `list_by_user` and `destroy_by_user` are `Unsupported`.
    UserIndex,
    /// The harness does not implement [`Harness::plant_corrupt`].
    PlantCorrupt,
    /// The harness does not implement [`Harness::leftovers`].
    Leftovers,
}
