//! What all of these tests use.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, SessionStore};
use session_store_postgres::sqlx::postgres::{PgPool, PgPoolOptions};
use session_store_postgres::{Builder, PostgresStore, Server};

pub(crate) use crate::common::*;
use crate::database::hex;
use crate::operations::{Operation, Stage, all};

/// The table.
pub(crate) const APP: &str = "app";

/// An error's kind, whether it is transient, and whether the outcome is unknown.
pub(crate) type Told = (ErrorKind, bool, bool);

pub(crate) const CONFIG: Told = (ErrorKind::Config, false, false);
pub(crate) const CLOSED: Told = (ErrorKind::Unavailable, false, false);
pub(crate) const UNAVAILABLE: Told = (ErrorKind::Unavailable, true, false);
pub(crate) const BROKEN: Told = (ErrorKind::Unavailable, true, true);
pub(crate) const TIMEOUT: Told = (ErrorKind::Timeout, true, false);

pub(crate) fn builder(server: impl Into<Server>) -> Builder {
    PostgresStore::builder(server).table(APP).migrate()
}

pub(crate) async fn open(server: impl Into<Server>) -> PostgresStore {
    builder(server).build().await.unwrap()
}

/// A store that gives up soon, and sooner where there is no connection.
pub(crate) fn impatient(server: impl Into<Server>) -> Builder {
    builder(server).operation_timeout(SHORT).connect_timeout(SHORT * 2 / 3).sweep_timeout(SHORT)
}

/// A pool of one connection, which is not tried before it is used.
pub(crate) async fn pool_of_one(url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    options.connect(url).await.unwrap()
}

/// Returns when the connection of such a pool is not in use. It is for a while after an answer, because it is tried
/// before it is given back.
pub(crate) async fn until_idle(pool: &PgPool) {
    let idle = async {
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), idle).await.unwrap();
}

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

/// Every method does what it should.
pub(crate) async fn works(store: &dyn SessionStore) {
    for operation in all() {
        let stage = Stage::set(store).await.unwrap();
        let answer = operation.run(store, &stage).await;
        assert!(answer.unwrap_or_else(|error| panic!("{operation:?}: {error:?}")), "{operation:?}");
    }
}
