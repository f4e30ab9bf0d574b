#![doc = include_str!("../README.md")]

#[cfg(any(feature = "memory", feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod backends;
mod connect;
#[cfg(feature = "redis")]
mod hosts;
// Without any store, nothing is read from a URL but its scheme.
#[cfg(any(test, feature = "memory", feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod known;
#[cfg(any(test, feature = "memory", feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod parameters;
mod scheme;
#[cfg(any(test, feature = "memory", feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite"))]
mod value;

pub use session_store_core::*;

/// The embedded store.
#[cfg(feature = "memory")]
pub use session_store_memory as memory;
/// The store for MongoDB.
#[cfg(feature = "mongo")]
pub use session_store_mongo as mongo;
/// The store for PostgreSQL.
#[cfg(feature = "postgres")]
pub use session_store_postgres as postgres;
/// The store for Redis and Valkey.
#[cfg(feature = "redis")]
pub use session_store_redis as redis;
/// The store in a SQLite file.
#[cfg(feature = "sqlite")]
pub use session_store_sqlite as sqlite;

pub use crate::connect::connect;
