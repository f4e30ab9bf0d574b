//! A step of a store's start-up, and its repeats.

use super::{Backoff, Deadline, Failure, Retry};

/// Runs a step of a store's start-up, and repeats it after a pause while its failure [allows that](Failure::with_retry).
///
/// The connections of a pool or a client that the application has made may be dead, so the first attempt can fail. The
/// [`Store`](super::Store) retries its statements by itself; this is for what a builder does before there is a store. The
/// step must have the same effect if it runs twice.
///
/// Returns `None` if an attempt has not ended by the deadline.
///
/// # Errors
///
/// The error of the last attempt.
///
/// # Example: a ping that may find a dead connection
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// use session_store_core::ErrorKind;
/// use session_store_core::backend::{Deadline, Failure, Retry, retry};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let is_dead = AtomicBool::new(true);
/// let ping = || async { if is_dead.swap(false, Ordering::Relaxed) { Err("the connection broke") } else { Ok("pong") } };
/// let classify = |_: &&str| {
///     Failure::new(ErrorKind::Unavailable, "the connection broke").with_retry(Retry::UntilDeadline)
/// };
/// let answer = retry(Deadline::after(Duration::from_secs(1)), classify, ping).await;
/// assert_eq!(answer, Ok(Some("pong")));
/// # }
/// ```
pub async fn retry<T, E, Running>(
    deadline: Deadline,
    classify: impl Fn(&E) -> Failure,
    step: impl Fn() -> Running,
) -> Result<Option<T>, E>
where
    Running: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::until(deadline);
    loop {
        match deadline.limit(step()).await {
            Some(Err(error)) if classify(&error).retry() != Retry::Never && backoff.wait().await => {}
            ended => return ended.transpose(),
        }
    }
}
