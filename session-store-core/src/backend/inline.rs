//! A statement that its caller runs itself.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A future that its caller polls, and that a task finishes if the caller stops polling.
///
/// Running a statement on the caller's own task spares a switch of tasks, which is a good part of the time that a
/// single request takes. But callers may be dropped, or may not be polled any more. So the future is kept where others
/// can reach it: it moves to a task of its own when the caller is dropped, and when somebody else has to wait for it.
pub(super) struct Inline<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    runtime: Handle,
}

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Shared<T>(Mutex<State<T>>);

enum State<T> {
    Running { future: Running<T>, caller: Option<Waker> },
    Moved(oneshot::Receiver<T>),
    Ended,
}

/// What can move to a task of its own.
pub(super) trait Adopt: Send + Sync {
    /// Moves the future to a task of its own if its caller still runs it.
    fn adopt(&self, runtime: &Handle);
}

impl<T: Send + 'static> Inline<T> {
    pub(super) fn new(runtime: Handle, future: impl Future<Output = T> + Send + 'static) -> Self {
        let state = State::Running { future: Box::pin(future), caller: None };
        Self { shared: Arc::new(Shared(Mutex::new(state))), runtime }
    }

    /// Returns what moves the future to a task.
    pub(super) fn adopter(&self) -> Arc<dyn Adopt> {
        Arc::clone(&self.shared) as Arc<dyn Adopt>
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Adopt for Shared<T> {
    fn adopt(&self, runtime: &Handle) {
        let mut state = self.state();
        let (sender, receiver) = oneshot::channel();
        match std::mem::replace(&mut *state, State::Moved(receiver)) {
            State::Running { future, caller } => {
                runtime.spawn(async move {
                    // The caller may have gone away.
                    let _ = sender.send(future.await);
                });
                // So that the caller waits for the task from now on.
                if let Some(caller) = caller {
                    caller.wake();
                }
            }
            moved_or_ended => *state = moved_or_ended,
        }
    }
}

/// Its output is `None` if the runtime ended before the future did.
impl<T: Send + 'static> Future for Inline<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.shared.state();
        let polled = match &mut *state {
            State::Running { future, caller } => match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => {
                    match caller {
                        Some(caller) => caller.clone_from(context.waker()),
                        None => *caller = Some(context.waker().clone()),
                    }
                    Poll::Pending
                }
            },
            State::Moved(receiver) => Pin::new(receiver).poll(context).map(Result::ok),
            State::Ended => Poll::Pending,
        };
        if polled.is_ready() {
            // Dropped after the lock is given up: what ends with the future may take other locks.
            let ended = std::mem::replace(&mut *state, State::Ended);
            drop(state);
            drop(ended);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Inline<T> {
    fn drop(&mut self) {
        self.shared.adopt(&self.runtime);
    }
}
