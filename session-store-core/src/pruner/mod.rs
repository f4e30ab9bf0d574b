//! Pruning in the background.
//!
//! A database that does not remove expired sessions by itself keeps them until
//! [`prune`](crate::SessionStore::prune) is called. A [`Pruner`] calls it every so often, a bounded piece at a
//! time.

mod builder;
mod round;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::builder::Builder;
use crate::SessionStore;

/// A task that prunes a store until it is stopped or dropped.
///
/// One **round** calls `prune` again and again, with a pause between, until nothing is left to remove or the most
/// calls of a round are made; then the pruner rests for its interval. Two rounds of one pruner never overlap. Any
/// number of nodes may have one each (clause P2): the first round begins after a random part of the interval, and
/// each interval is up to a tenth longer or shorter, so that nodes that were started together do not prune
/// together.
///
/// An error, or a panic of the store, ends the round and nothing else: it is counted and logged, and the next round
/// comes after the interval.
///
/// # What it tells
///
/// Metrics, each with the label `store`, which is the [name](Builder::name) of the pruner:
///
/// | metric | kind | what |
/// | --- | --- | --- |
/// | `session_store_pruned_total` | counter | what was removed: records, or entries of an index |
/// | `session_store_prune_seconds` | histogram | how long each round took, pauses included |
/// | `session_store_prune_more` | gauge | 1 where the last complete round has left some for the next, else 0 |
/// | `session_store_prune_failures_total` | counter | rounds that an error has ended; label `kind`: its [kind](crate::ErrorKind) |
///
/// To tracing: each failure as a warning; each round that has left some at level info; every other at level debug.
///
/// # Example: a server that prunes while it serves
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use session_store_core::pruner::Pruner;
/// use session_store_core::{Result, SessionStore};
///
/// async fn run(store: Arc<dyn SessionStore>) -> Result<()> {
///     let pruner = Pruner::builder(Arc::clone(&store))
///         .name("postgres")
///         .every(Duration::from_secs(60))
///         .spawn()?;
///     serve(store).await;
///     pruner.stop().await;
///     Ok(())
/// }
///
/// async fn serve(store: Arc<dyn SessionStore>) {
///     // until it is told to end
/// }
/// ```
#[derive(Debug)]
#[must_use = "a pruner ends when it is dropped"]
pub struct Pruner {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Pruner {
    /// A pruner of this store: of the store itself, a clone of its handle, or an `Arc` of it. It holds it until it
    /// ends.
    pub fn builder(store: impl SessionStore) -> Builder {
        Builder::new(store)
    }

    /// Ends the pruner. A call of `prune` that is under way comes to its end first, which may take the store's
    /// sweep timeout; to end it at once, drop the pruner, or this future.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended with its runtime.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

/// Ends the task at once, in the middle of a call too: a store is valid whatever future is dropped (clause K2).
impl Drop for Pruner {
    fn drop(&mut self) {
        self.task.abort();
    }
}
