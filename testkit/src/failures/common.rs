//! Durations, keys and users, and how long something takes.

use std::error::Error as _;
use std::time::{Duration, Instant};

use session_store_core::{Error, Owner, Result, SessionId, SessionKey, UserId, Write};

/// The lifetime of sessions that do not expire during a test.
pub const HOUR: Duration = Duration::from_hours(1);

/// The timeouts of stores whose server is made silent.
pub const SHORT: Duration = Duration::from_millis(300);

/// What a busy machine may add to a timeout.
pub const SLACK: Duration = Duration::from_millis(250);

/// Returns a key that no other session has.
#[must_use]
pub fn new_key() -> SessionKey {
    SessionKey::from(&SessionId::generate().unwrap())
}

/// Returns a user that has no session.
#[must_use]
pub fn new_user() -> UserId {
    UserId::new(format!("user {}", new_key().to_text())).unwrap()
}

/// Returns a write of a session whose life a touch extends.
#[must_use]
pub fn write_of(user: &UserId) -> Write {
    Write::new("data", HOUR / 2, HOUR).unwrap().with_owner(Owner::User(user.clone()))
}

/// Returns the outcome of an operation, and how long it took.
pub async fn timed<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    (operation.await, started.elapsed())
}

/// Returns everything that an error and its sources show to a log.
#[must_use]
pub fn all_text(error: &Error) -> String {
    let mut texts = vec![format!("{error} {error:?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    texts.join(" ")
}

/// Repeats a request until it succeeds, and returns how long that took.
pub async fn recovery<T, Answer>(ask: impl Fn() -> Answer) -> Duration
where
    Answer: Future<Output = Result<T>>,
{
    const LIMIT: Duration = Duration::from_secs(10);
    let started = Instant::now();
    while let Err(error) = ask().await {
        assert!(started.elapsed() < LIMIT, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}
