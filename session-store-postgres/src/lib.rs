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
mod pgbouncer;
mod protocol;
mod record;
mod schema;
mod server_check;
mod value;

pub use session_store_core as core;
pub use sqlx;

pub use crate::backend::PostgresBackend;
pub use crate::builder::PostgresStoreBuilder;
pub use crate::endpoint::PostgresEndpoint;
pub use crate::error::{Corruption, Error};

/// A session store in PostgreSQL. Clones are handles on the same connections.
///
/// [`builder`](session_store_core::backend::Store::builder) takes a URL such as
/// `postgres://user:password@host:5432/database`, connection options, or an existing pool. The [crate's page](crate)
/// describes what the store promises.
///
/// # Example: a store by its URL
///
/// ```no_run
/// use session_store_postgres::PostgresStore;
///
/// # async fn open() -> session_store_postgres::core::Result<()> {
/// let store = PostgresStore::builder("postgres://localhost/shop").table("shop_sessions").migrate().build().await?;
/// # Ok(())
/// # }
/// ```
pub type PostgresStore = session_store_core::backend::Store<PostgresBackend>;
