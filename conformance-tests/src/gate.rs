//! Operations held between their steps.
//!
//! A future stands still while nobody polls it. So an operation that returned `Pending` so many times,
//! and is not polled again, is held between two of its steps, whatever they are; an operation that asks,
//! waits and then acts can be caught in between.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{join, poll_fn};

/// The most steps that an operation is followed through.
pub(crate) const MAX_STEPS: usize = 64;

/// The same where every step waits for a session to expire.
pub(crate) const FEW_STEPS: usize = 6;

pub(crate) enum Held<F: Future> {
    Between(Pin<Box<F>>),
    Done(F::Output),
}

/// Starts an operation and holds it after its first `steps` steps, unless it is done before.
pub(crate) async fn hold<F: Future>(operation: F, steps: usize) -> Held<F> {
    let mut operation = Box::pin(operation);
    let mut taken = 0;
    let done = poll_fn(|context| match operation.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            taken += 1;
            if taken >= steps { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await;
    match done {
        Some(output) => Held::Done(output),
        None => Held::Between(operation),
    }
}

/// The answers of two operations, and whether the first was really held while the second went on.
pub(crate) struct Overlap<A, B> {
    pub(crate) held: A,
    pub(crate) other: B,
    pub(crate) was_held: bool,
}

/// Runs `other` from begin to end while `operation` is held after `steps` steps, then lets it finish.
pub(crate) async fn overlap<A: Future, B: Future>(
    operation: A,
    steps: usize,
    other: B,
) -> Overlap<A::Output, B::Output> {
    match hold(operation, steps).await {
        Held::Done(held) => Overlap { held, other: other.await, was_held: false },
        Held::Between(operation) => {
            let (held, other) = resume_after(operation, other).await;
            Overlap { held, other, was_held: true }
        }
    }
}

/// Lets a held operation go on once `other` is done. It may hold what the other needs, a connection or a
/// lock: then both go on after a quarter of a second.
pub(crate) async fn resume_after<A: Future + Unpin, B: Future>(operation: A, other: B) -> (A::Output, B::Output) {
    const PATIENCE: Duration = Duration::from_millis(250);
    let mut other = Box::pin(other);
    if let Ok(other) = tokio::time::timeout(PATIENCE, &mut other).await {
        (operation.await, other)
    } else {
        join(operation, other).await
    }
}

/// Runs operations as tasks of their own, all at once, and gives their answers in order.
pub(crate) async fn race<F>(operations: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let tasks: Vec<_> = operations.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.await {
            Ok(answer) => answers.push(answer),
            // A case is a task too: its panic is reported as the store's.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    answers
}
