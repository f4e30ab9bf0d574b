//! Connections: one that writes, and some that read beside it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult};
use session_store_core::backend::Deadline;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::sleep;

use crate::endpoint::file_of;
use crate::error::Error;
use crate::protocol::change::SET_UP;

/// How long SQLite itself waits for the lock of another process. The store asks again until the deadline; a wait in SQLite
/// cannot be ended from outside.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_millis(100);

type Pool = managed::Pool<Manager>;

/// The connections of a store. SQLite lets one connection write at a time, so there is one that does.
pub(crate) struct Connections {
    writer: Pool,
    /// None for a database in memory, which has one connection for all.
    readers: Option<Pool>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// Creates the pools. They open the file when a statement needs it, which must be there then.
    pub(crate) fn new(options: &SqliteConnectOptions, readers: usize) -> Result<Self, Error> {
        let has_file = file_of(options).is_some();
        let readers = if has_file { Some(pool(options, readers)?) } else { None };
        Ok(Self { writer: pool(options, 1)?, readers })
    }

    /// Returns the connection that writes, for a transaction.
    pub(crate) async fn transaction(&self) -> Result<Writer, Error> {
        Ok(Writer { leased: Some(self.writer().await?), may_be_closed: self.readers.is_some() })
    }

    /// Returns the connection that writes.
    pub(crate) async fn writer(&self) -> Result<Leased, Error> {
        self.writer.get().await.map_err(pool_error)
    }

    /// Returns a connection that reads.
    pub(crate) async fn reader(&self) -> Result<Leased, Error> {
        self.readers.as_ref().unwrap_or(&self.writer).get().await.map_err(pool_error)
    }

    /// Closes the connections, and waits for those in use until the deadline.
    pub(crate) async fn close(&self, deadline: Deadline) {
        let pools = || self.readers.iter().chain([&self.writer]);
        pools().for_each(Pool::close);
        while pools().any(|pool| pool.status().size > 0) && !deadline.has_passed() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn pool(options: &SqliteConnectOptions, max_size: usize) -> Result<Pool, Error> {
    let manager = Manager { options: options.clone() };
    Pool::builder(manager).max_size(max_size).queue_mode(QueueMode::Lifo).build().map_err(|_| Error::Pool)
}

fn pool_error(error: PoolError<Error>) -> Error {
    match error {
        PoolError::Backend(error) => error,
        PoolError::Closed => Error::Closed,
        PoolError::Timeout(_) | PoolError::PostCreateHook(_) | PoolError::NoRuntimeSpecified => Error::Pool,
    }
}

/// A connection in use.
pub(crate) type Leased = Object<Manager>;

/// The connection that writes, in a transaction. If it is dropped before that has ended, it is closed, which gives up the
/// file's lock at once; or, if the database is in memory and would be lost, it is rolled back before its next use.
pub(crate) struct Writer {
    leased: Option<Leased>,
    may_be_closed: bool,
}

impl Writer {
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let open = self.leased.as_mut().ok_or(Error::Pool)?;
        open.is_in_transaction = true;
        Ok(&mut open.sqlite)
    }

    /// Ends a transaction: it was committed, or failed with this error.
    pub(crate) async fn end(mut self, error: Option<&Error>) {
        let Some(open) = self.leased.as_mut() else { return };
        let is_over = match error {
            None => true,
            Some(Error::Statement(sqlx::Error::WorkerCrashed)) => false,
            Some(_) => {
                open.roll_back().await;
                true
            }
        };
        open.is_in_transaction = !is_over;
        if is_over {
            // Dropped as it is, it goes back to its pool.
            self.leased = None;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(leased) = self.leased.take().filter(|_| self.may_be_closed) {
            drop(Object::take(leased));
        }
    }
}

/// An open file, and which one it was.
pub(crate) struct Open {
    pub(crate) sqlite: SqliteConnection,
    file: Option<FileId>,
    is_in_transaction: bool,
}

impl Open {
    async fn roll_back(&mut self) {
        // It fails if the transaction has not begun, or was rolled back by SQLite.
        let _ = sqlx::query("ROLLBACK").execute(&mut self.sqlite).await;
        self.is_in_transaction = false;
    }
}

/// Opens the file.
pub(crate) struct Manager {
    options: SqliteConnectOptions,
}

impl managed::Manager for Manager {
    type Type = Open;
    type Error = Error;

    async fn create(&self) -> Result<Open, Error> {
        let mut sqlite = self.options.connect().await.map_err(Error::Connect)?;
        sqlx::raw_sql(SET_UP).execute(&mut sqlite).await.map_err(Error::Connect)?;
        Ok(Open { sqlite, file: file_of(&self.options).and_then(FileId::of), is_in_transaction: false })
    }

    /// Refuses a connection to a file that somebody has removed, renamed or replaced: what it writes would be lost.
    async fn recycle(&self, open: &mut Open, _metrics: &Metrics) -> RecycleResult<Error> {
        if open.file.is_some() && file_of(&self.options).and_then(FileId::of) != open.file {
            return Err(RecycleError::message("the path leads to another file now"));
        }
        if open.is_in_transaction {
            open.roll_back().await;
        }
        Ok(())
    }
}

/// What tells a file from another one at the same path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = path.metadata().ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Other systems do not let an open file be removed.
    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        None
    }
}
