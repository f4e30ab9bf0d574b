//! Stores of sessions, which are numbered, and what is done to them.

use std::sync::Arc;
use std::time::Duration;

use crate::measure::{Error, Operation, Result};

/// How long a session lasts.
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// How many tasks fill a store.
const FILLERS: usize = 64;

/// Sessions in a store, by number.
pub(crate) trait Store: Send + Sync + 'static {
    fn load(&self, session: usize) -> impl Future<Output = Result> + Send;
    fn save(&self, session: usize) -> impl Future<Output = Result> + Send;
}

pub(crate) struct Load<S>(pub(crate) Arc<S>);
pub(crate) struct Save<S>(pub(crate) Arc<S>);

impl<S: Store> Operation for Load<S> {
    async fn operate(&self, session: usize) -> Result {
        self.0.load(session).await
    }
}

impl<S: Store> Operation for Save<S> {
    async fn operate(&self, session: usize) -> Result {
        self.0.save(session).await
    }
}

/// Does an operation once for each of so many sessions.
pub(crate) async fn each<O: Operation>(sessions: usize, operation: O) -> Result {
    let operation = Arc::new(operation);
    let work = |task: usize| {
        let operation = Arc::clone(&operation);
        tokio::spawn(async move {
            for session in (task..sessions).step_by(FILLERS) {
                operation.operate(session).await?;
            }
            Ok::<_, Error>(())
        })
    };
    let running: Vec<_> = (0..FILLERS).map(work).collect();
    for task in running {
        task.await??;
    }
    Ok(())
}

/// There are more numbers than sessions, and more sessions than the corpus has.
pub(crate) fn nth<T>(items: &[T], number: usize) -> Result<&T> {
    items.get(number % items.len().max(1)).ok_or_else(|| "there are no sessions".into())
}

pub(crate) fn found(is_there: bool) -> Result {
    if is_there { Ok(()) } else { Err("a session is not there that should be".into()) }
}
