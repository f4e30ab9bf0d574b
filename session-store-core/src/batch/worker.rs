//! Who runs batches: a task, or the caller whose request is alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

use super::{Batch, Shared};
use crate::unwind::caught;
use crate::{Error, ErrorKind, Result};

/// A place among those who run batches. Dropped, it goes to a new task where requests wait, and is free where not.
pub(super) struct Worker<B: Batch> {
    shared: Arc<Shared<B>>,
    /// Where the next one is started: the worker may be dropped outside of it.
    runtime: Handle,
    has_begun: bool,
}

impl<B: Batch> Worker<B> {
    /// In a place that the queue has given.
    pub(super) fn new(shared: &Arc<Shared<B>>, runtime: Handle) -> Self {
        Self { shared: Arc::clone(shared), runtime, has_begun: false }
    }

    pub(super) fn start(self) {
        self.runtime.clone().spawn(self.work());
    }

    /// Runs batches for as long as there are requests.
    async fn work(mut self) {
        self.has_begun = true;
        loop {
            // Who has just been answered may ask again at once, and comes into this batch then, not after it.
            if self.shared.queue.len() < self.shared.limits.requests {
                tokio::task::yield_now().await;
            }
            let taken = self.shared.queue.next(&self.shared.batch, &self.shared.limits);
            if taken.is_empty() {
                return;
            }
            let (requests, senders): (Vec<_>, Vec<_>) =
                taken.into_iter().map(|pending| (pending.request, pending.sender)).unzip();
            let requests: Vec<&B::Request> = requests.iter().collect();
            for (sender, answer) in senders.into_iter().zip(self.run(&requests).await) {
                // The caller may have gone away.
                let _ = sender.send(answer);
            }
        }
    }

    /// Runs the batch of one request, as a part of the caller's task.
    pub(super) async fn run_alone(self, request: B::Request) -> Result<B::Answer> {
        let runtime = self.runtime.clone();
        ToTheEnd { future: Some(Box::pin(self.alone(request))), runtime }.await
    }

    async fn alone(mut self, request: B::Request) -> Result<B::Answer> {
        self.has_begun = true;
        self.run(&[&request]).await.pop().unwrap_or_else(|| Err(unanswered()))
    }

    async fn run(&self, requests: &[&B::Request]) -> Vec<Result<B::Answer>> {
        let answers = caught(run(&self.shared.batch, requests)).await;
        answers.unwrap_or_else(|| requests.iter().map(|_| Err(unanswered())).collect())
    }
}

impl<B: Batch> Drop for Worker<B> {
    fn drop(&mut self) {
        // One that never began was refused by a runtime that ends, as the next would be.
        if self.shared.queue.leave(self.has_begun) {
            Self::new(&self.shared, self.runtime.clone()).start();
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

pub(super) fn unanswered() -> Error {
    Error::new(ErrorKind::Internal, "a batch ended without an answer").with_outcome_unknown()
}

/// A future that a task of its own finishes where this is dropped before its end.
struct ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    future: Option<Pin<Box<F>>>,
    runtime: Handle,
}

impl<F> Future for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<F> Drop for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.runtime.spawn(future);
        }
    }
}
