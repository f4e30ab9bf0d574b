//! What the tests of failures of all stores use.

use std::error::Error as _;
use std::time::{Duration, Instant};

use session_store_core::{Error, Owner, Result, SessionId, SessionKey, UserId, Write};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// Of stores whose server is made silent.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// What a busy machine may add to a time-out.
pub(crate) const SLACK: Duration = Duration::from_millis(250);

/// A key that no other session has.
pub(crate) fn new_key() -> SessionKey {
    SessionKey::from(&SessionId::generate().unwrap())
}

/// A user that has no session.
pub(crate) fn new_user() -> UserId {
    UserId::new(format!("user {}", new_key().to_text())).unwrap()
}

/// A write of a session whose life a touch makes longer.
pub(crate) fn write_of(user: &UserId) -> Write {
    Write::new("data", HOUR / 2, HOUR).unwrap().with_owner(Owner::User(user.clone()))
}

/// The outcome, and how long it took.
pub(crate) async fn timed<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    (operation.await, started.elapsed())
}

/// All that an error shows to a log.
pub(crate) fn all_text(error: &Error) -> String {
    let mut texts = vec![format!("{error} {error:?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    texts.join(" ")
}

/// Asks until the store works, and gives how long it took.
pub(crate) async fn recovery<T, Answer>(ask: impl Fn() -> Answer) -> Duration
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
