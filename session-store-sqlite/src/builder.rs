//! How a store is built.

use session_store_core::backend::{Deadline, Open, Store, StoreOptions, retry};
use session_store_core::{Error, Namespace, Result};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::backend::SqliteBackend;
use crate::connection::{BUSY_TIMEOUT, Connections};
use crate::endpoint::{SqliteEndpoint, file_of};
use crate::error::classify;
use crate::identifiers::{DEFAULT_TABLE, Names};
use crate::protocol::Statements;
use crate::{schema, server_check};

/// SQLite's own limit is 1 GB, and a transaction holds all its values in memory.
const LARGEST_DATA: usize = 256 << 20;

/// Far more than a machine can use.
const MOST_CONNECTIONS: u32 = 1_000;

/// Every size of a statement's list is a statement of its own.
const STATEMENTS: usize = 200;

/// When a write is safe.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Synchronous {
    /// When it is on the disk: a crash of the process, of the system or of the power supply loses no write that was
    /// acknowledged.
    #[default]
    Full,
    /// When the operating system has it: a crash of the process loses nothing, and a crash of the system or a power failure
    /// loses the writes of the last seconds. The file stays whole. Several times as fast.
    Normal,
    /// Like `Normal`, and a crash of the system may damage the file.
    Off,
}

impl Open for SqliteBackend {
    type Endpoint = SqliteEndpoint;
    type Builder = SqliteStoreBuilder;

    fn builder(endpoint: SqliteEndpoint) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            endpoint,
            table: DEFAULT_TABLE.to_owned(),
            connections: 4,
            synchronous: Synchronous::default(),
            options: StoreOptions::default(),
            migrate: false,
        }
    }
}

/// The settings of a [`SqliteStore`](crate::SqliteStore). Every setting has a default.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct SqliteStoreBuilder {
    endpoint: SqliteEndpoint,
    table: String,
    connections: u32,
    synchronous: Synchronous,
    options: StoreOptions,
    migrate: bool,
}

impl SqliteStoreBuilder {
    session_store_core::store_option_setters!();

    /// Sets the namespace, which is a table: 1 to 40 bytes without NUL. Defaults to `sessions`. A name of lower-case
    /// letters, digits and underscores is the table's; other names are encoded.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Sets how many connections read at once: 1 to 1,000. Defaults to 4. One more connection writes. A database in memory
    /// has one connection for all.
    pub fn connections(mut self, count: u32) -> Self {
        self.connections = count;
        self
    }

    /// Sets when a write is safe, and so what a crash may lose. Defaults to [`Synchronous::Full`].
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Makes `build` create the file and the table if they do not exist. Any number of processes may do so at once.
    pub fn migrate(mut self) -> Self {
        self.migrate = true;
        self
    }

    /// Returns the statements with which [`migrate`](Self::migrate) creates the table.
    ///
    /// # Errors
    ///
    /// `Config` if the name is out of its bounds.
    ///
    /// # Example: the table under another name
    ///
    /// ```
    /// use session_store_sqlite::SqliteStore;
    ///
    /// let ddl = SqliteStore::builder("sqlite:shop.db").table("shop").ddl()?;
    /// assert!(ddl.contains(r#"CREATE TABLE "shop""#));
    /// # Ok::<(), session_store_sqlite::core::Error>(())
    /// ```
    pub fn ddl(&self) -> Result<String> {
        Ok(schema::ddl(&self.names()?))
    }

    /// Opens the file, and verifies that it and the table are supported.
    ///
    /// # Errors
    ///
    /// `Config` if a setting is out of its bounds, if the file cannot be opened, is read-only, is not a SQLite database or is
    /// on a network file system, or if the table does not exist, is not a store's or is of another release; `Unavailable` if
    /// another process holds the file's lock for too long.
    pub async fn build(self) -> Result<Store<SqliteBackend>> {
        let names = self.names()?;
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            return Err(Error::config("connections must be between 1 and 1,000"));
        }
        self.options.check(LARGEST_DATA)?;
        let options = self.connect_options()?;
        if let Some(path) = file_of(&options) {
            server_check::check_file_system(path)?;
        }
        let readers = usize::try_from(self.connections).unwrap_or(usize::MAX);
        let connections = Connections::new(&options.clone().create_if_missing(false), readers)?;
        let deadline = Deadline::after(self.options.operation_timeout.max(self.options.connect_timeout));
        let layout = retry(deadline, classify, async || {
            let mut connection = self.first_options(&options).connect().await.map_err(crate::Error::Connect)?;
            let mut layout = schema::Layout::read(&mut connection, &names).await?;
            if layout == schema::Layout::NoTable && self.migrate {
                schema::migrate(&mut connection, &names).await?;
                layout = schema::Layout::read(&mut connection, &names).await?;
            }
            // A database in memory is there for as long as it has a connection.
            drop(connections.writer().await?);
            Ok(layout)
        });
        server_check::check(layout.await?.ok_or(crate::Error::Held)?)?;
        Ok(Store::new(SqliteBackend::new(connections, Statements::new(&names)), self.options))
    }

    fn connect_options(&self) -> Result<SqliteConnectOptions> {
        let options = self.endpoint.options()?;
        let options = if file_of(&options).is_some() { options.journal_mode(SqliteJournalMode::Wal) } else { options };
        Ok(options
            .synchronous(match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
                Synchronous::Off => SqliteSynchronous::Off,
            })
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS))
    }

    /// Returns the options of the connection that may create the file. A file that is not made for it becomes no smaller when
    /// sessions are removed; for one that is there, the setting would need the file's lock.
    fn first_options(&self, options: &SqliteConnectOptions) -> SqliteConnectOptions {
        let is_new = file_of(options).is_none_or(|path| path.metadata().map_or(true, |file| file.len() == 0));
        let options = options.clone().create_if_missing(self.migrate);
        if is_new { options.auto_vacuum(SqliteAutoVacuum::Incremental) } else { options }
    }

    fn names(&self) -> Result<Names> {
        Ok(Names::new(&Namespace::new(self.table.clone())?))
    }
}
