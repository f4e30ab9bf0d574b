//! What all of these tests use.

use session_store_core::{SessionKey, UserId};
use session_store_redis::{RedisEndpoint, RedisStore, RedisStoreBuilder};

pub(crate) use testkit::failures::common::*;

pub(crate) fn builder(server: impl Into<RedisEndpoint>) -> RedisStoreBuilder {
    RedisStore::builder(server).prefix("app")
}

pub(crate) async fn open(server: impl Into<RedisEndpoint>) -> RedisStore {
    builder(server).build().await.unwrap()
}

/// A store that gives up soon.
pub(crate) async fn open_impatient(server: impl Into<RedisEndpoint>, prefix: &str) -> RedisStore {
    let builder = RedisStore::builder(server).prefix(prefix);
    builder.operation_timeout(SHORT).connect_timeout(SHORT).bulk_timeout(SHORT).build().await.unwrap()
}

/// The key in the database, as the store's page describes it.
pub(crate) fn database_key(key: &SessionKey) -> Vec<u8> {
    [b"app\0s", key.as_bytes().as_slice()].concat()
}

pub(crate) fn database_index(user: &UserId) -> Vec<u8> {
    [b"app\0u", user.as_str().as_bytes()].concat()
}
