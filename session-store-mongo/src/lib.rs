#![doc = include_str!("../README.md")]

mod backend;
mod builder;
mod connection;
mod endpoint;
mod error;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod identifiers;
mod protocol;
mod record;
mod schema;
mod server_check;

pub use mongodb;
pub use session_store_core as core;

pub use crate::backend::{Cursor, MongoBackend};
pub use crate::builder::MongoStoreBuilder;
pub use crate::endpoint::MongoEndpoint;
pub use crate::error::{Corruption, Error};

/// A session store in MongoDB. Clones are handles on the same connections.
///
/// [`builder`](session_store_core::backend::Store::builder) takes a URL such as
/// `mongodb://user:password@host:27017/database`, or an existing [`Client`](mongodb::Client) or
/// [`Database`](mongodb::Database). The [crate's page](crate) describes what the store promises.
///
/// # Example: a store by its URL
///
/// ```no_run
/// use session_store_mongo::MongoStore;
///
/// # async fn open() -> session_store_mongo::core::Result<()> {
/// let store = MongoStore::builder("mongodb://localhost/shop").collection("sessions").ensure_indexes().build().await?;
/// # Ok(())
/// # }
/// ```
pub type MongoStore = session_store_core::backend::Store<MongoBackend>;
