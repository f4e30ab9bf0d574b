//! Many requests in one statement.
//!
//! Under load, many tasks ask for one key each. While a statement is under way, the requests that arrive are
//! collected, and go out together as the next one. Nothing waits for a timer, but those tasks are let ask first that the
//! last answers have just woken; and a request that is alone is sent by its caller itself: it is as fast as without.

mod queue;
mod worker;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::queue::{Entry, Queue};
use self::worker::{Worker, unanswered};
use crate::{Error, ErrorKind, Result};

/// What a [`Batcher`] sends its batches through: one kind of statement of one store.
#[async_trait]
pub trait Batch: Send + Sync + 'static {
    /// What one caller asks for.
    type Request: Send + Sync + 'static;
    /// What that caller is told.
    type Answer: Send + 'static;
    /// What at most one request of a batch may be about.
    type Key: Eq + Hash + Send;

    /// Whether its statements change anything. Where they do, the outcome of one that was sent is unknown until it is
    /// answered.
    const CHANGES: bool;

    /// The key of a request, where a batch must not have two of the same; `None` where it may.
    fn key(&self, request: &Self::Request) -> Option<Self::Key>;

    /// About how many bytes a request takes on its way to the database.
    fn bytes(&self, request: &Self::Request) -> usize;

    /// Runs one statement for all requests, and gives an answer for each, in their order.
    ///
    /// A caller's task may begin it and another one finish it. Only the end of the runtime cuts it off, so it has to
    /// end by itself: until then it is one of those that are [under way](BatchLimits::in_flight).
    ///
    /// # Errors
    ///
    /// Where the statement as a whole failed. If it has changed nothing for certain, and the error is not
    /// [transient](Error::is_transient), the batch is halved and run again, so that the one request that the
    /// database refuses does not fail its neighbours; else every caller is told of this error.
    async fn run(&self, requests: &[&Self::Request]) -> Result<Vec<Result<Self::Answer>>>;
}

/// How large batches are, and how many go out at once.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// The most requests of a batch. Unless set, 64.
    pub requests: usize,
    /// The most bytes of a batch; a single request may have more. Unless set, 1 MiB.
    pub bytes: usize,
    /// How many batches are under way at once. Unless set, 3.
    pub in_flight: usize,
    /// How many requests wait at the most; further callers wait to be let in. Unless set, 16,384.
    pub waiting: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        // Three keep a server busy, also while one waits for its disk; more make smaller batches, unless it is far away.
        Self { requests: 64, bytes: 1 << 20, in_flight: 3, waiting: 16_384 }
    }
}

impl BatchLimits {
    /// The most requests that a batch may be allowed: more make it no faster, and one command should not take long.
    pub const MOST_REQUESTS: usize = 10_000;

    /// Refuses what no user should set.
    ///
    /// # Errors
    ///
    /// `Config` where a batch may have no request or too many, or none may be under way.
    pub fn check(&self) -> Result<()> {
        let most = Self::MOST_REQUESTS;
        if !(1..=most).contains(&self.requests) || self.in_flight == 0 {
            return Err(Error::config(format!(
                "a batch has 1 to {most} sessions, and 1 batch at least is in flight; set other numbers"
            )));
        }
        Ok(())
    }
}

/// Collects requests while statements are under way, and sends them as the next one.
///
/// Each caller gets its own answer and its own error. A caller that goes away disturbs no other: what was not sent
/// yet is not sent, and what was sent is executed, by a task where the caller itself had begun to. Clones are the
/// same batcher.
pub struct Batcher<B: Batch> {
    shared: Arc<Shared<B>>,
}

struct Shared<B: Batch> {
    batch: B,
    limits: BatchLimits,
    queue: Queue<B>,
    room: Semaphore,
}

impl<B: Batch> Clone for Batcher<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B: Batch> fmt::Debug for Batcher<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

impl<B: Batch> Batcher<B> {
    /// A batcher of these statements.
    ///
    /// # Errors
    ///
    /// `Config` where a limit is 0.
    pub fn new(batch: B, limits: BatchLimits) -> Result<Self> {
        let BatchLimits { requests, bytes, in_flight, waiting } = limits;
        if [requests, bytes, in_flight, waiting].contains(&0) {
            return Err(Error::config("a batch has room for 1 request at least; set no limit of batches to 0"));
        }
        let room = Semaphore::new(waiting.min(Semaphore::MAX_PERMITS));
        Ok(Self { shared: Arc::new(Shared { batch, limits, queue: Queue::new(), room }) })
    }

    /// Asks for one thing, in the next batch that has room for it; where no batch is under way and nothing waits,
    /// at once and without a change of tasks.
    ///
    /// # Errors
    ///
    /// The request's own; that of its batch; `Timeout` at the deadline, of unknown outcome if the request was sent
    /// by then; `Unavailable` once the batcher is closed; `Internal`, of unknown outcome, where the batch panicked.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime with timers.
    pub async fn call(&self, request: B::Request, deadline: Instant) -> Result<B::Answer> {
        let started = Instant::now();
        let timeout = deadline.saturating_duration_since(started);
        // Else it would be sent, and not waited for.
        if timeout.is_zero() {
            return Err(late(timeout, false));
        }
        let sent = Arc::new(AtomicBool::new(false));
        match timeout_at(deadline, self.answer(request, &sent)).await {
            Ok(answer) => answer,
            Err(_) => Err(late(timeout, B::CHANGES && sent.load(Ordering::Acquire))),
        }
    }

    async fn answer(&self, request: B::Request, sent: &Arc<AtomicBool>) -> Result<B::Answer> {
        let _room = self.shared.room.acquire().await.map_err(|_| closed())?;
        // Before a place is taken, which a panic here would lose.
        let runtime = Handle::current();
        let entry = self.shared.queue.enter(request, sent, self.shared.limits.in_flight).map_err(|_| closed())?;
        match entry {
            Entry::Alone(request) => Worker::new(&self.shared, runtime).run_alone(request).await,
            Entry::Waits { answer, has_place } => {
                if has_place {
                    Worker::new(&self.shared, runtime).start();
                }
                answer.await.unwrap_or_else(|_| Err(unanswered()))
            }
        }
    }

    /// Answers those who wait with `Unavailable`, and takes no more requests. What is under way ends by itself.
    pub fn close(&self) {
        self.shared.room.close();
        for pending in self.shared.queue.close() {
            // The caller may have gone away.
            let _ = pending.sender.send(Err(closed()));
        }
    }
}

fn late(timeout: Duration, may_have_run: bool) -> Error {
    let error =
        Error::new(ErrorKind::Timeout, format!("no answer from the database in the operation timeout of {timeout:?}"));
    if may_have_run { error.with_outcome_unknown() } else { error }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}
