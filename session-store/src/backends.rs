//! What each store makes of a URL. A parameter that is not given leaves its builder's default.

use std::sync::Arc;

use session_store_core::{Result, SessionStore};

use crate::parameters::Parameters;
use crate::scheme::Backend;

/// Sets what was given.
fn set<B, V>(builder: B, value: Option<V>, setter: impl FnOnce(B, V) -> B) -> B {
    match value {
        Some(value) => setter(builder, value),
        None => builder,
    }
}

/// Turns on what a builder does not turn off.
#[cfg(any(feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite"))]
fn when<B>(builder: B, is_on: bool, switch: impl FnOnce(B) -> B) -> B {
    if is_on { switch(builder) } else { builder }
}

#[cfg(feature = "memory")]
pub(crate) fn memory(url: &str) -> Result<Arc<dyn SessionStore>> {
    use std::time::Duration;

    use session_store_core::backend::StoreOptions;
    use session_store_memory::{Builder, MemoryStore};

    use crate::known::PRUNE_EVERY;

    let (rest, given) = Parameters::take(url, Backend::Memory)?;
    if !matches!(rest.as_str(), "memory:" | "memory:?" | "memory://" | "memory://?") {
        return Err(session_store_core::Error::config(
            "a memory: URL has no address and no parameters but those that begin with `session_`; it is memory: alone, or \
             as in memory:?session_data_limit=65536",
        ));
    }
    let builder = MemoryStore::builder();
    let builder = given.pass_on(builder, |builder, name, value| {
        let mut options = StoreOptions::default();
        options.set(name, value)?;
        Ok(builder.data_limit(options.data_limit))
    })?;
    let builder = set(builder, given.read::<Duration>(&PRUNE_EVERY)?, Builder::prune_every);
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(url: &str) -> Result<Arc<dyn SessionStore>> {
    use std::num::NonZeroU32;

    use session_store_core::Namespace;
    use session_store_sqlite::{SqliteStore, SqliteStoreBuilder};

    use crate::known::{CONNECTIONS, NAMESPACE, SETUP, SYNCHRONOUS};

    let (rest, given) = Parameters::take(url, Backend::Sqlite)?;
    let builder = SqliteStore::builder(rest);
    let builder = set(builder, given.read(&NAMESPACE)?, |builder, name: Namespace| builder.table(name.as_str()));
    let builder = given.pass_on(builder, SqliteStoreBuilder::option)?;
    let builder = set(builder, given.read(&CONNECTIONS)?.map(NonZeroU32::get), SqliteStoreBuilder::connections);
    let builder = set(builder, given.read(&SYNCHRONOUS)?, SqliteStoreBuilder::synchronous);
    let builder = when(builder, given.read(&SETUP)? != Some(false), SqliteStoreBuilder::migrate);
    Ok(Arc::new(builder.build().await?))
}

#[cfg(feature = "redis")]
pub(crate) async fn redis(url: &str) -> Result<Arc<dyn SessionStore>> {
    use session_store_core::Namespace;
    use session_store_redis::{RedisStore, RedisStoreBuilder};

    use crate::known::{ALLOW_EVICTION, NAMESPACE, WAIT_REPLICAS};

    let (rest, given) = Parameters::take(url, Backend::Redis)?;
    let builder = RedisStore::builder(crate::hosts::server(&rest, &given)?);
    let builder = set(builder, given.read(&NAMESPACE)?, |builder, name: Namespace| builder.prefix(name.as_str()));
    let builder = given.pass_on(builder, RedisStoreBuilder::option)?;
    let builder = set(builder, given.read(&WAIT_REPLICAS)?, RedisStoreBuilder::wait_replicas);
    let builder = when(builder, given.read(&ALLOW_EVICTION)? == Some(true), RedisStoreBuilder::allow_eviction);
    Ok(Arc::new(builder.build().await?))
}

#[cfg(feature = "postgres")]
pub(crate) async fn postgres(url: &str) -> Result<Arc<dyn SessionStore>> {
    use std::num::NonZeroU32;

    use session_store_core::Namespace;
    use session_store_postgres::{PostgresStore, PostgresStoreBuilder};

    use crate::known::{CONNECTIONS, NAMESPACE, SCHEMA, SETUP, TRANSACTION_POOLER, UNLOGGED};

    let (rest, given) = Parameters::take(url, Backend::Postgres)?;
    let builder = PostgresStore::builder(rest);
    let builder = set(builder, given.read(&NAMESPACE)?, |builder, name: Namespace| builder.table(name.as_str()));
    let builder = given.pass_on(builder, PostgresStoreBuilder::option)?;
    let builder = set(builder, given.read::<String>(&SCHEMA)?, PostgresStoreBuilder::schema);
    let builder = set(builder, given.read(&CONNECTIONS)?.map(NonZeroU32::get), PostgresStoreBuilder::connections);
    let builder = set(builder, given.read(&TRANSACTION_POOLER)?, PostgresStoreBuilder::transaction_pooler);
    let builder = when(builder, given.read(&UNLOGGED)? == Some(true), PostgresStoreBuilder::unlogged);
    let builder = when(builder, given.read(&SETUP)? != Some(false), PostgresStoreBuilder::migrate);
    Ok(Arc::new(builder.build().await?))
}

#[cfg(feature = "mongo")]
pub(crate) async fn mongo(url: &str) -> Result<Arc<dyn SessionStore>> {
    use std::num::NonZeroU32;

    use session_store_core::Namespace;
    use session_store_mongo::{MongoStore, MongoStoreBuilder};

    use crate::known::{CONNECTIONS, NAMESPACE, SETUP};

    let (rest, given) = Parameters::take(url, Backend::Mongo)?;
    let builder = MongoStore::builder(rest);
    let builder = set(builder, given.read(&NAMESPACE)?, |builder, name: Namespace| builder.collection(name.as_str()));
    let builder = given.pass_on(builder, MongoStoreBuilder::option)?;
    let builder = set(builder, given.read(&CONNECTIONS)?.map(NonZeroU32::get), MongoStoreBuilder::connections);
    let builder = when(builder, given.read(&SETUP)? != Some(false), MongoStoreBuilder::ensure_indexes);
    Ok(Arc::new(builder.build().await?))
}
