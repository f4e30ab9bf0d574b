#![doc = include_str!("../README.md")]

mod backend;
mod builder;
mod connection;
mod endpoint;
mod error;
mod identifiers;
mod protocol;
mod record;
mod schema;
mod server_check;

pub use session_store_core as core;
pub use sqlx;

pub use crate::backend::SqliteBackend;
pub use crate::builder::{SqliteStoreBuilder, Synchronous};
pub use crate::endpoint::SqliteEndpoint;
pub use crate::error::{Corruption, Error};

/// A session store in a SQLite file. Clones are handles on the same connections.
///
/// [`builder`](session_store_core::backend::Store::builder) takes a URL such as `sqlite:sessions.db`, a path, or connection
/// options. The [crate's page](crate) describes what the store promises.
///
/// # Example: a store in a file
///
/// ```
/// use session_store_sqlite::SqliteStore;
/// use session_store_sqlite::core::SessionStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> session_store_sqlite::core::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("sessions.db");
/// let store = SqliteStore::builder(path).migrate().build().await?;
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
pub type SqliteStore = session_store_core::backend::Store<SqliteBackend>;
