//! Many requests in one statement.
//!
//! Under load, many tasks ask for one key each. While a statement is under way, the requests that arrive are
//! collected, and go out together as the next one. Nothing waits for a timer, so a lone request is as fast as
//! without.

mod queue;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use self::queue::{Pending, Queue};
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

    /// The key of a request, where a batch must not have two of the same; `None` where it may.
    fn key(&self, request: &Self::Request) -> Option<Self::Key>;

    /// About how many bytes a request takes on its way to the database.
    fn bytes(&self, request: &Self::Request) -> usize;

    /// Runs one statement for all requests, and gives an answer for each, in their order.
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
    /// How many batches are under way at once. Unless set, 4.
    pub in_flight: usize,
    /// How many requests wait at the most; further callers wait to be let in. Unless set, 16,384.
    pub waiting: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { requests: 64, bytes: 1 << 20, in_flight: 4, waiting: 16_384 }
    }
}

/// Collects requests while statements are under way, and sends them as the next one.
///
/// Each caller gets its own answer and its own error. A caller that goes away disturbs no other: what was not sent
/// yet is not sent, and what was sent is executed. Clones are the same batcher.
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

    /// Asks for one thing, in the next batch that has room for it.
    ///
    /// # Errors
    ///
    /// The request's own; that of its batch; `Timeout` at the deadline, of unknown outcome if the request was sent
    /// by then; `Unavailable` once the batcher is closed.
    pub async fn call(&self, request: B::Request, deadline: Instant) -> Result<B::Answer> {
        let started = Instant::now();
        let sent = Arc::new(AtomicBool::new(false));
        match timeout_at(deadline, self.answer(request, Arc::clone(&sent))).await {
            Ok(answer) => answer,
            Err(_) => Err(late(deadline - started, sent.load(Ordering::Acquire))),
        }
    }

    async fn answer(&self, request: B::Request, sent: Arc<AtomicBool>) -> Result<B::Answer> {
        let room = self.shared.room.acquire().await.map_err(|_| closed())?;
        let (sender, receiver) = oneshot::channel();
        let pending = Pending { request, sender, sent };
        if self.shared.queue.push(pending, self.shared.limits.in_flight).map_err(|_| closed())? {
            tokio::spawn(work(Arc::clone(&self.shared)));
        }
        let answer = receiver.await;
        drop(room);
        answer.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "a batch ended without an answer").with_outcome_unknown())
        })
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

fn late(timeout: Duration, sent: bool) -> Error {
    let error =
        Error::new(ErrorKind::Timeout, format!("no answer from the database in the operation timeout of {timeout:?}"));
    if sent { error.with_outcome_unknown() } else { error }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}

/// Runs batches for as long as there are requests.
async fn work<B: Batch>(shared: Arc<Shared<B>>) {
    let mut worker = Worker { shared, is_done: false };
    let Shared { batch, limits, queue, .. } = &*worker.shared;
    while let Some(taken) = queue.next(batch, limits) {
        let (requests, senders): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|pending| (pending.request, pending.sender)).unzip();
        let requests: Vec<&B::Request> = requests.iter().collect();
        let answers = run(batch, &requests).await;
        for (sender, answer) in senders.into_iter().zip(answers) {
            // The caller may have gone away.
            let _ = sender.send(answer);
        }
    }
    worker.is_done = true;
}

/// Gives up its place where it ends before its time: by a panic, or with its runtime.
struct Worker<B: Batch> {
    shared: Arc<Shared<B>>,
    is_done: bool,
}

impl<B: Batch> Drop for Worker<B> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let is_needed = self.shared.queue.lose_worker(std::thread::panicking());
        if let (true, Ok(runtime)) = (is_needed, tokio::runtime::Handle::try_current()) {
            runtime.spawn(work(Arc::clone(&self.shared)));
        }
    }
}

/// Runs a batch; in halves, where it was refused as a whole.
async fn run<B: Batch>(batch: &B, requests: &[&B::Request]) -> Vec<Result<B::Answer>> {
    let error = match batch.run(requests).await {
        Ok(answers) if answers.len() == requests.len() => return answers,
        Ok(_) => Error::new(ErrorKind::Internal, "a batch was not answered in full").with_outcome_unknown(),
        Err(error) => error,
    };
    if requests.len() > 1 && !error.is_transient() && !error.outcome_unknown() {
        let (first, second) = requests.split_at(requests.len() / 2);
        let mut answers = Box::pin(run(batch, first)).await;
        answers.extend(Box::pin(run(batch, second)).await);
        return answers;
    }
    requests.iter().map(|_| Err(error.share())).collect()
}
