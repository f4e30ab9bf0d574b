//! What all of these tests use.

use std::time::Duration;

use session_store_core::{SessionStore, SetMode, Write};
use session_store_mongo::{MongoEndpoint, MongoStore, MongoStoreBuilder};
use testkit::failures::operations::{Operation, all};

pub(crate) use testkit::failures::common::*;
pub(crate) use testkit::failures::errors::*;

/// The collection.
pub(crate) const APP: &str = "app";

pub(crate) fn builder(server: impl Into<MongoEndpoint>) -> MongoStoreBuilder {
    MongoStore::builder(server).collection(APP).ensure_indexes()
}

pub(crate) async fn open(server: impl Into<MongoEndpoint>) -> MongoStore {
    builder(server).build().await.unwrap()
}

/// The operations that send a command that changes something, if there is something to prune.
pub(crate) fn changing() -> impl Iterator<Item = Operation> {
    all().filter(|operation| changes(*operation))
}

/// Leaves a document that is to be removed, for a prune.
pub(crate) async fn leave_a_dead_session(store: &dyn SessionStore) {
    const AT_ONCE: Duration = Duration::from_millis(1);
    let write = Write::new("dead", AT_ONCE, AT_ONCE).unwrap();
    store.set(&new_key(), &write, SetMode::Create).await.unwrap();
    tokio::time::sleep(2 * AT_ONCE).await;
}

/// A store that gives up soon, and sooner where there is no connection.
pub(crate) fn impatient(server: impl Into<MongoEndpoint>) -> MongoStoreBuilder {
    builder(server).operation_timeout(SHORT).connect_timeout(SHORT * 2 / 3).bulk_timeout(SHORT)
}
