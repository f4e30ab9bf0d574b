//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::error::Error;

/// The file of a store.
///
/// It is made of a URL (`sqlite:sessions.db`, `sqlite:///var/lib/shop/sessions.db`, `sqlite::memory:`), of a path, or of
/// [`SqliteConnectOptions`]. `Debug` does not show it.
pub struct SqliteEndpoint(Option<SqliteConnectOptions>);

impl From<&str> for SqliteEndpoint {
    fn from(url: &str) -> Self {
        // The driver accepts a path without a scheme, in which a typing error of a scheme would be a file.
        let parts = url.split_once(':').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("sqlite"));
        Self(parts.and_then(|(_, rest)| SqliteConnectOptions::from_str(&format!("sqlite:{rest}")).ok()))
    }
}

impl From<String> for SqliteEndpoint {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<&Path> for SqliteEndpoint {
    fn from(path: &Path) -> Self {
        SqliteConnectOptions::new().filename(path).into()
    }
}

impl From<PathBuf> for SqliteEndpoint {
    fn from(path: PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<SqliteConnectOptions> for SqliteEndpoint {
    fn from(options: SqliteConnectOptions) -> Self {
        Self(Some(options))
    }
}

impl fmt::Debug for SqliteEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteEndpoint").finish_non_exhaustive()
    }
}

impl SqliteEndpoint {
    pub(crate) fn options(&self) -> Result<SqliteConnectOptions, Error> {
        Ok(self.0.clone().ok_or(Error::Address)?.disable_statement_logging())
    }
}

/// Returns the database's file; `None` if it is in memory.
pub(crate) fn file_of(options: &SqliteConnectOptions) -> Option<&Path> {
    // What the driver names a database in memory, and what SQLite does.
    let path = options.get_filename();
    let name = path.to_str().unwrap_or_default();
    (!name.starts_with("file:sqlx-in-memory-") && name != ":memory:" && !name.is_empty()).then_some(path)
}
