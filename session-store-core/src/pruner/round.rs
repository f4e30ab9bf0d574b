//! The rounds of a pruner, and what they tell.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::entropy::part;
use crate::unwind::caught;
use crate::{Error, ErrorKind, Result, SessionStore};

pub(super) struct Rounds {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) name: &'static str,
    pub(super) every: Duration,
    pub(super) limit: u32,
    pub(super) pause: Duration,
    pub(super) max_calls: u32,
    pub(super) stopped: oneshot::Receiver<()>,
}

/// What a round has done so far.
#[derive(Default)]
struct Round {
    removed: u64,
    calls: u32,
    more: bool,
    /// The pruner is to end.
    is_last: bool,
}

impl Rounds {
    pub(super) async fn run(mut self, first: Duration) {
        let mut rest = first;
        while !self.is_stopped_within(rest).await {
            let (started, mut round) = (Instant::now(), Round::default());
            let ended = self.prune(&mut round).await;
            self.tell(&round, started.elapsed(), ended.err().as_ref());
            if round.is_last {
                return;
            }
            rest = self.interval();
        }
    }

    async fn is_stopped_within(&mut self, time: Duration) -> bool {
        timeout(time, &mut self.stopped).await.is_ok()
    }

    async fn prune(&mut self, round: &mut Round) -> Result<()> {
        loop {
            let call = caught(self.store.prune(self.limit)).await;
            let pruned = call.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "the store panicked")))?;
            // At each call: a pruner that is dropped amid a round has told what it did.
            metrics::counter!("session_store_pruned_total", "store" => self.name).increment(pruned.removed);
            round.removed = round.removed.saturating_add(pruned.removed);
            round.calls += 1;
            round.more = pruned.more;
            if !pruned.more || round.calls >= self.max_calls {
                return Ok(());
            }
            if self.is_stopped_within(self.pause).await {
                round.is_last = true;
                return Ok(());
            }
        }
    }

    /// The interval, give or take a tenth.
    fn interval(&self) -> Duration {
        // Without random bytes, nodes may meet: no reason to prune no more.
        self.every.mul_f64(0.9 + 0.2 * part().unwrap_or(0.5))
    }

    fn tell(&self, round: &Round, took: Duration, error: Option<&Error>) {
        let (store, &Round { removed, calls, more, .. }) = (self.name, round);
        metrics::histogram!("session_store_prune_seconds", "store" => store).record(took.as_secs_f64());
        if let Some(error) = error {
            let kind = error.kind().as_str();
            metrics::counter!("session_store_prune_failures_total", "store" => store, "kind" => kind).increment(1);
            tracing::warn!(store, kind, %error, removed, calls, ?took, "a round of pruning has failed");
            return;
        }
        metrics::gauge!("session_store_prune_more", "store" => store).set(if more { 1.0 } else { 0.0 });
        if more {
            tracing::info!(store, removed, calls, ?took, "a round of pruning has left some for the next");
        } else {
            tracing::debug!(store, removed, calls, ?took, "a round of pruning is done");
        }
    }
}
