//! How errors are classified, and that they show no secret to a log.

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, Meta, SessionKey, SessionStore};

use super::common::all_text;
use super::operations::{Fixture, Operation, all};

/// An error's kind, whether it is transient, and whether the outcome is unknown.
pub type Classification = (ErrorKind, bool, bool);

/// Something is set up wrong.
pub const CONFIG: Classification = (ErrorKind::Config, false, false);
/// The store or its pool was closed.
pub const CLOSED: Classification = (ErrorKind::Unavailable, false, false);
/// The server cannot serve now, and nothing was changed.
pub const UNAVAILABLE: Classification = (ErrorKind::Unavailable, true, false);
/// The connection broke before the answer: whether something was changed is unknown.
pub const BROKEN: Classification = (ErrorKind::Unavailable, true, true);
/// No answer came in time, and nothing was changed.
pub const TIMEOUT: Classification = (ErrorKind::Timeout, true, false);

/// Classifies an error, and panics if it shows a secret of the fixture.
#[must_use]
pub fn classify(error: &Error, fixture: &Fixture) -> Classification {
    let text = all_text(error).to_lowercase();
    for secret in [hex(&fixture.live), hex(&fixture.free), fixture.user.as_str().to_owned()] {
        assert!(!text.contains(&secret), "{text}");
    }
    (error.kind(), error.is_transient(), error.outcome_unknown())
}

/// Returns whether an operation changes something.
#[must_use]
pub fn changes(operation: Operation) -> bool {
    operation.is_write() || matches!(operation, Operation::DestroyByUser | Operation::Prune | Operation::Clear)
}

/// Runs all these operations at once, each on a fixture of its own, and returns their errors. Panics if one succeeds.
pub async fn errors_of(
    store: &dyn SessionStore,
    operations: impl IntoIterator<Item = Operation>,
) -> Vec<(Operation, Classification, Error)> {
    join_all(operations.into_iter().map(async |operation| {
        let fixture = Fixture::without_session();
        let error = operation.run(store, &fixture).await.expect_err(&format!("{operation:?} is to fail"));
        (operation, classify(&error, &fixture), error)
    }))
    .await
}

/// Returns the metadata under the two keys of a fixture.
pub async fn metas_of(store: &dyn SessionStore, fixture: &Fixture) -> [Option<Meta>; 2] {
    let [live, free] = [store.get(&fixture.live).await.unwrap(), store.get(&fixture.free).await.unwrap()];
    [live.map(|record| record.meta), free.map(|record| record.meta)]
}

/// Panics unless every method of the store does what it should.
pub async fn assert_works(store: &dyn SessionStore) {
    for operation in all() {
        let fixture = Fixture::create(store).await.unwrap();
        let answer = operation.run(store, &fixture).await;
        assert!(answer.unwrap_or_else(|error| panic!("{operation:?}: {error:?}")), "{operation:?}");
    }
}

/// Runs a hundred tasks, each of which performs one operation after another on a session of its own.
pub async fn serves_a_hundred_tasks<S: SessionStore + Clone>(store: &S) {
    const ROUNDS: usize = 10;
    let operations: Vec<_> = all().filter(|operation| *operation != Operation::Clear).collect();
    let task = |number: usize| {
        let (store, operations) = (store.clone(), operations.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let fixture = Fixture::create(&store).await.unwrap();
                let operation = operations[(number + round) % operations.len()];
                assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
            }
        })
    };
    for task in (0..100).map(task).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Returns a key as databases show it: in hexadecimal digits.
#[must_use]
pub fn hex(key: &SessionKey) -> String {
    key.to_text().trim_start_matches("k1_").to_owned()
}
