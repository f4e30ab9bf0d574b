//! What can go wrong, and what it means for the store.

use std::fmt;

use session_store_core::ErrorKind;
use session_store_core::backend::{Failure, Retry};
use sqlx::Error as Driver;

/// An error of the driver, or what the backend itself found wrong. `Debug` shows no values.
pub enum Error {
    /// The address is not valid.
    Address,
    /// The file could not be opened.
    Connect(Driver),
    /// A statement failed.
    Statement(Driver),
    /// Another process held the file's lock for too long.
    Held,
    /// The pool failed in a way that it should not.
    Pool,
    /// The store is closed.
    Closed,
    /// The table does not exist.
    NoTable,
    /// SQLite gave an answer of an unexpected form.
    UnexpectedAnswer,
    /// A row is no record of a session.
    Corrupt(Corruption),
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Corruption {
    /// Its version or its user cannot be read.
    Form,
    /// Its times contradict each other.
    Times,
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&classify(self)).finish()
    }
}

impl From<Error> for session_store_core::Error {
    fn from(error: Error) -> Self {
        classify(&error).into_error()
    }
}

/// Returns what an error means.
pub(crate) fn classify(error: &Error) -> Failure {
    let of = |(kind, message): Described| Failure::new(kind, message).of_statement();
    match error {
        Error::Address => of(BAD_ADDRESS),
        // Nothing was changed.
        Error::Connect(error) => describe(error).of_statement(),
        Error::Statement(error) => describe(error),
        Error::Held => of(HELD),
        Error::Pool => of((ErrorKind::Internal, "the pool of connections failed")),
        Error::Closed => of((ErrorKind::Unavailable, "the store is closed")).with_transient(false),
        Error::NoTable => of(NO_TABLE),
        Error::UnexpectedAnswer => of((ErrorKind::Internal, "SQLite gave an answer of an unexpected form")).ambiguous(),
        Error::Corrupt(Corruption::Form) => {
            Failure::new(ErrorKind::Corrupt, "the row under the session's key is no record")
        }
        Error::Corrupt(Corruption::Times) => {
            Failure::new(ErrorKind::Corrupt, "the times of the record contradict each other")
        }
    }
}

/// Describes an error of the driver. Its text may hold values, so it is not passed on (clause E2).
fn describe(error: &Driver) -> Failure {
    let of = |(kind, message): Described, class, code: String| Failure::new(kind, message).with_source(class, code);
    match error {
        Driver::Database(refusal) => {
            let code: i32 = refusal.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            // No code tells a table that is missing from other errors of a statement.
            let described = match (code, refusal.message().contains("no such table")) {
                (1, true) => NO_TABLE,
                _ => describe_code(code),
            };
            let failure = of(described, "SQLite", code.to_string());
            match code & PRIMARY {
                // Nothing was changed: a lock was not available, or the statement must be prepared again.
                BUSY | LOCKED | PROTOCOL | SCHEMA => failure.with_retry(Retry::UntilDeadline),
                // Whether the write-ahead log holds the whole transaction is unknown.
                IO_ERROR => failure.ambiguous().of_statement(),
                TOO_BIG | CONSTRAINT => failure,
                _ => failure.of_statement(),
            }
        }
        Driver::Configuration(_) | Driver::InvalidArgument(_) => of(BAD_ADDRESS, "configuration", "none".to_owned()),
        Driver::Io(error) => of(CANNOT_OPEN, "connection", format!("{:?}", error.kind())).of_statement(),
        Driver::WorkerCrashed => {
            of((ErrorKind::Unavailable, "the thread of a SQLite connection has ended"), "connection", "none".to_owned())
                .ambiguous()
                .of_statement()
        }
        _ => of((ErrorKind::Internal, "the SQLite driver failed"), "driver", "none".to_owned())
            .ambiguous()
            .of_statement(),
    }
}

type Described = (ErrorKind, &'static str);

const BAD_ADDRESS: Described =
    (ErrorKind::Config, "the SQLite address is not valid; it looks like sqlite:sessions.db or sqlite::memory:");

const NO_TABLE: Described = (
    ErrorKind::Config,
    "the table of sessions does not exist; `SqliteStoreBuilder::migrate` creates it, and `SqliteStoreBuilder::ddl` returns \
     the statements that do",
);

const CANNOT_OPEN: Described = (
    ErrorKind::Config,
    "the SQLite file cannot be opened; check its path and its rights, and that its folder exists and may be written; \
     `SqliteStoreBuilder::migrate` creates the file",
);

const HELD: Described = (
    ErrorKind::Unavailable,
    "another process or connection holds the lock of the SQLite file, and nothing was changed",
);

/// The primary code is the last byte of an extended one. See "Result and Error Codes" on sqlite.org.
const PRIMARY: i32 = 0xff;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const IO_ERROR: i32 = 10;
const PROTOCOL: i32 = 15;
const SCHEMA: i32 = 17;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
/// The file was moved or removed since it was opened: an extended code of `SQLITE_READONLY`.
const MOVED: i32 = 8 | (4 << 8);

fn describe_code(code: i32) -> Described {
    use ErrorKind::{Config, Internal, TooLarge, Unavailable};
    if code == MOVED {
        return (Unavailable, "the SQLite file was moved or removed since it was opened");
    }
    match code & PRIMARY {
        3 | 23 => (Config, "the process lacks the right to use the SQLite file"),
        BUSY | LOCKED | PROTOCOL => HELD,
        7 => (Unavailable, "SQLite is out of memory"),
        8 => (Config, "the SQLite file or its folder is read-only; the store needs to write to both"),
        IO_ERROR => (Unavailable, "SQLite cannot read or write its file"),
        11 => (
            Internal,
            "the SQLite file is damaged; restore a backup, or save what is left with `.recover` of the shell",
        ),
        13 => (Unavailable, "the disk of the SQLite file is full"),
        14 => CANNOT_OPEN,
        SCHEMA => (Unavailable, "the table has changed since the statement was prepared"),
        TOO_BIG => (TooLarge, "the session is larger than SQLite may hold; lower the store's data limit"),
        26 => (Config, "the file is not a SQLite database; choose another one"),
        _ => (Internal, "SQLite refused a statement of the store"),
    }
}

#[cfg(test)]
mod tests;
