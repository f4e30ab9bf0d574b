//! What all of these tests use.

use std::time::Duration;

use session_store_postgres::sqlx::postgres::{PgPool, PgPoolOptions};
use session_store_postgres::{PostgresEndpoint, PostgresStore, PostgresStoreBuilder};

pub(crate) use testkit::failures::common::*;
pub(crate) use testkit::failures::errors::*;

/// The table.
pub(crate) const APP: &str = "app";

pub(crate) fn builder(server: impl Into<PostgresEndpoint>) -> PostgresStoreBuilder {
    PostgresStore::builder(server).table(APP).migrate()
}

pub(crate) async fn open(server: impl Into<PostgresEndpoint>) -> PostgresStore {
    builder(server).build().await.unwrap()
}

/// A store that gives up soon, and sooner where there is no connection.
pub(crate) fn impatient(server: impl Into<PostgresEndpoint>) -> PostgresStoreBuilder {
    builder(server).operation_timeout(SHORT).connect_timeout(SHORT * 2 / 3).bulk_timeout(SHORT)
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
