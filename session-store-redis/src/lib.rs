#![doc = include_str!("../README.md")]

mod backend;
mod builder;
mod clock;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod endpoint;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod identifiers;
mod protocol;
mod record;
mod server_check;

pub use session_store_core as core;
use session_store_core::backend::Store;

pub use crate::backend::{Cursor, RedisBackend};
pub use crate::builder::RedisStoreBuilder;
pub use crate::endpoint::RedisEndpoint;
pub use crate::error::Error as BackendError;

/// A session store in Redis or Valkey. Clones are handles on the same connections.
///
/// `builder` takes a URL such as `redis://user:password@host:6379/0`, or an existing connection, and returns a
/// [`RedisStoreBuilder`]. The [crate's page](crate) says what the store promises.
///
/// # Example: a store with a prefix of its own
///
/// ```no_run
/// use session_store_redis::RedisStore;
///
/// # async fn open() -> session_store_redis::core::Result<()> {
/// let store = RedisStore::builder("redis://127.0.0.1/").prefix("shop").build().await?;
/// # Ok(())
/// # }
/// ```
pub type RedisStore = Store<RedisBackend>;
