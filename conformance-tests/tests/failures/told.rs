//! What errors tell code, and what they do not tell a log.

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, Meta, SessionKey, SessionStore};

use crate::common::all_text;
use crate::operations::{Operation, Stage, all};

/// An error's kind, whether it is transient, and whether the outcome is unknown.
pub(crate) type Told = (ErrorKind, bool, bool);

pub(crate) const CONFIG: Told = (ErrorKind::Config, false, false);
pub(crate) const CLOSED: Told = (ErrorKind::Unavailable, false, false);
pub(crate) const UNAVAILABLE: Told = (ErrorKind::Unavailable, true, false);
pub(crate) const BROKEN: Told = (ErrorKind::Unavailable, true, true);
pub(crate) const TIMEOUT: Told = (ErrorKind::Timeout, true, false);

/// What an error tells code, while it tells no secret to a log.
pub(crate) fn told(error: &Error, stage: &Stage) -> Told {
    let text = all_text(error).to_lowercase();
    for secret in [hex(&stage.live), hex(&stage.free), stage.user.as_str().to_owned()] {
        assert!(!text.contains(&secret), "{text}");
    }
    (error.kind(), error.is_transient(), error.outcome_unknown())
}

/// Whether it changes something.
pub(crate) fn changes(operation: Operation) -> bool {
    operation.is_write() || matches!(operation, Operation::DestroyByUser | Operation::Prune | Operation::Clear)
}

/// The errors of all operations on a session, side by side, with how they say of themselves.
pub(crate) async fn errors_of(
    store: &dyn SessionStore,
    operations: impl IntoIterator<Item = Operation>,
) -> Vec<(Operation, Told, Error)> {
    join_all(operations.into_iter().map(async |operation| {
        let stage = Stage::without_session();
        let error = operation.run(store, &stage).await.expect_err(&format!("{operation:?} is to fail"));
        (operation, told(&error, &stage), error)
    }))
    .await
}

/// What is under the two keys of a stage.
pub(crate) async fn found(store: &dyn SessionStore, stage: &Stage) -> [Option<Meta>; 2] {
    let [live, free] = [store.get(&stage.live).await.unwrap(), store.get(&stage.free).await.unwrap()];
    [live.map(|record| record.meta), free.map(|record| record.meta)]
}

/// Every method does what it should.
pub(crate) async fn works(store: &dyn SessionStore) {
    for operation in all() {
        let stage = Stage::set(store).await.unwrap();
        let answer = operation.run(store, &stage).await;
        assert!(answer.unwrap_or_else(|error| panic!("{operation:?}: {error:?}")), "{operation:?}");
    }
}

/// A hundred tasks, each of which does one thing after another on a session of its own.
pub(crate) async fn serves_a_hundred_tasks<S: SessionStore + Clone>(store: &S) {
    const ROUNDS: usize = 10;
    let operations: Vec<_> = all().filter(|operation| *operation != Operation::Clear).collect();
    let task = |number: usize| {
        let (store, operations) = (store.clone(), operations.clone());
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let stage = Stage::set(&store).await.unwrap();
                let operation = operations[(number + round) % operations.len()];
                assert!(operation.run(&store, &stage).await.unwrap(), "{operation:?}");
            }
        })
    };
    for task in (0..100).map(task).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// As a database shows a key.
pub(crate) fn hex(key: &SessionKey) -> String {
    key.to_text().trim_start_matches("k1_").to_owned()
}
