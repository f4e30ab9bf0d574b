//! What can go wrong, and what it means for the store.

use std::borrow::Cow;
use std::fmt;
use std::io;

use session_store_core::ErrorKind;
use session_store_core::backend::{Failure, Retry};
use sqlx::Error as Driver;

/// An error of the driver, or what the backend itself found wrong. `Debug` shows no values.
pub enum Error {
    /// The address is not valid.
    Address,
    /// The driver could not connect.
    Connect {
        /// The driver's error.
        error: Driver,
        /// Whether the address is the path of a Unix socket.
        by_path: bool,
    },
    /// The server has as many connections as it allows, and some of them are the store's own.
    ServerFull,
    /// No connection was established in time, or the given pool had none free.
    NoConnection,
    /// No connection of the store's own pool came free in time.
    NoFreeConnection,
    /// The pool failed in a way that it should not.
    Pool,
    /// The pool is closed.
    Closed,
    /// The server is a standby.
    Standby,
    /// A statement failed.
    Statement(Driver),
    /// A rotation found that another transaction had inserted its new key meanwhile.
    Raced(Driver),
    /// The server gave an answer of an unexpected form.
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

impl Error {
    /// Returns whether the server refused a statement with this code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        matches!(self, Self::Statement(error) if has_code(error, code))
    }
}

/// Returns whether the server refused a statement or a connection with this code.
pub(crate) fn has_code(error: &Driver, code: &str) -> bool {
    code_of(error).as_deref() == Some(code)
}

/// Returns the code of a refusal by the server.
fn code_of(error: &Driver) -> Option<Cow<'_, str>> {
    Some(error.as_database_error()?.code().unwrap_or_default())
}

/// A statement waited too long for a lock.
pub(crate) const LOCK_TIMEOUT: &str = "55P03";
/// The server cancelled a statement.
pub(crate) const CANCELLED: &str = "57014";
/// A key is there already.
pub(crate) const DUPLICATE_KEY: &str = "23505";
/// The server has as many connections as it allows.
pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";

/// Returns whether a connection can be used after a statement on it has failed with this error.
pub(crate) fn keeps_connection(error: &Driver) -> bool {
    let Some(code) = code_of(error) else { return false };
    // A plan from before a change of the table; a prepared statement that is gone; a server that is a standby or ends
    // the connection.
    let is_of_connection = matches!(&*code, "0A000" | "26000" | "25006" | "25P03" | "25P04");
    !is_of_connection && !is_broken(&code)
}

/// Returns whether the server ended the connection, possibly between its commit and its answer.
fn is_broken(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("57P")
}

/// Returns what an error means.
pub(crate) fn classify(error: &Error) -> Failure {
    let of = |(kind, message): (ErrorKind, &'static str)| Failure::new(kind, message).of_statement();
    match error {
        Error::Address => of(BAD_ADDRESS).with_source("configuration", "none"),
        Error::Connect { error: Driver::Io(error), by_path: false } if is_missing_file(error) => of(NO_FILE),
        Error::Connect { error, .. } => describe(error).of_statement(),
        Error::ServerFull => {
            of(SERVER_FULL).with_source("server", TOO_MANY_CONNECTIONS).with_retry(Retry::UntilDeadline)
        }
        Error::NoConnection => of(NO_CONNECTION),
        Error::NoFreeConnection => of(NO_FREE_CONNECTION),
        Error::Pool => of((ErrorKind::Internal, "the pool of connections failed")),
        Error::Closed => closed(),
        Error::Standby => of(STANDBY),
        Error::Statement(error) => classify_statement(error),
        Error::Raced(error) => describe(error).with_retry(Retry::Times(RACES)),
        // Whatever the answer says, the statement was executed.
        Error::UnexpectedAnswer => of(UNEXPECTED_ANSWER).ambiguous(),
        Error::Corrupt(Corruption::Form) => Failure::new(ErrorKind::Corrupt, NO_RECORD),
        Error::Corrupt(Corruption::Times) => Failure::new(ErrorKind::Corrupt, CONTRADICTORY_TIMES),
    }
}

/// How often a rotation is repeated whose new key another transaction has inserted. The next statement finds the key,
/// so more repeats mean a unique index that is not the store's.
const RACES: u32 = 2;

fn classify_statement(error: &Driver) -> Failure {
    let failure = describe(error);
    let Some(code) = code_of(error) else {
        // The connection broke: whether the statement was executed is unknown.
        return match error {
            Driver::PoolClosed => failure,
            _ => failure.with_retry(Retry::UntilDeadline).ambiguous().of_statement(),
        };
    };
    match &*code {
        // A serialization failure, a deadlock: PostgreSQL requires that the client repeats the statement. A prepared
        // statement that no longer fits: the connection was closed, and another one prepares it again.
        "40001" | "40P01" | "0A000" | "26000" => failure.with_retry(Retry::UntilDeadline),
        code if is_broken(code) => failure.with_retry(Retry::UntilDeadline).ambiguous().of_statement(),
        code if is_of_statement(code) => failure.of_statement(),
        // One row of a batch is being inserted by another transaction: its neighbours need not wait for that.
        LOCK_TIMEOUT => failure.of_record(),
        _ => failure,
    }
}

/// Returns whether a refusal is about no single record: rights, the table, the server and its resources.
fn is_of_statement(code: &str) -> bool {
    const CLASSES: [&str; 6] = ["25", "28", "3D", "3F", "53", "58"];
    const CODES: [&str; 7] = [CANCELLED, "42501", "42P01", "42703", "42804", "42883", "42P05"];
    CLASSES.iter().any(|class| code.starts_with(class)) || CODES.contains(&code)
}

fn is_missing_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Returns kind, message, class and code of a driver's error. Its text may hold keys, so it is not passed on (clause
/// E2).
fn describe(error: &Driver) -> Failure {
    let (class, code) = match error {
        Driver::Database(refusal) => ("server", refusal.code().unwrap_or_default().into_owned()),
        Driver::Io(error) => ("connection", format!("{:?}", error.kind())),
        Driver::Tls(_) => ("TLS", "none".to_owned()),
        Driver::Protocol(_) => ("protocol", "none".to_owned()),
        Driver::Configuration(_) | Driver::InvalidArgument(_) => ("configuration", "none".to_owned()),
        Driver::PoolTimedOut | Driver::PoolClosed | Driver::WorkerCrashed => ("pool", "none".to_owned()),
        _ => ("driver", "none".to_owned()),
    };
    let (kind, message) = match error {
        Driver::Database(_) => classify_code(&code),
        Driver::Io(error) if error.kind() == io::ErrorKind::InvalidData => NO_TLS,
        Driver::PoolClosed => return closed(),
        Driver::Tls(_) => NO_TLS,
        Driver::Configuration(_) | Driver::InvalidArgument(_) => BAD_ADDRESS,
        // A connection that is cut at its beginning reads as a byte of 0.
        Driver::Protocol(text) if text.contains("SSLRequest") && !text.contains("0x00") => NO_POSTGRES,
        Driver::Io(_) | Driver::Protocol(_) | Driver::WorkerCrashed | Driver::PoolTimedOut => NO_CONNECTION,
        _ => (ErrorKind::Internal, "the PostgreSQL driver failed"),
    };
    Failure::new(kind, message).with_source(class, code)
}

/// The store was closed, or the pool that it uses.
fn closed() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the store is closed").with_transient(false).of_statement()
}

const NO_CONNECTION: (ErrorKind, &str) = (
    ErrorKind::Unavailable,
    "no connection to the PostgreSQL server; is it running, is its address right, and are the pool's connections free?",
);

const NO_FREE_CONNECTION: (ErrorKind, &str) =
    (ErrorKind::Timeout, "no connection to the PostgreSQL server came free in time; give the store more connections");

const NO_POSTGRES: (ErrorKind, &str) =
    (ErrorKind::Config, "the server at the address does not speak the PostgreSQL protocol; check the address");

const NO_TLS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "no TLS with the PostgreSQL server: it has none, or its certificate is not trusted or is for another name; \
     `sslmode` and `sslrootcert` in the URL set what is required",
);

const NO_FILE: (ErrorKind, &str) = (
    ErrorKind::Config,
    "a file that the PostgreSQL address names cannot be read; check its `sslrootcert`, `sslcert` and `sslkey`",
);

const BAD_ADDRESS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the PostgreSQL address is not valid; it looks like postgres://user:password@host:5432/database",
);

const STANDBY: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "the PostgreSQL server is a standby; give the address of its primary");

const SERVER_FULL: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "the PostgreSQL server has as many connections as it allows; give the store fewer");

const UNEXPECTED_ANSWER: (ErrorKind, &str) =
    (ErrorKind::Internal, "the PostgreSQL server gave an answer of an unexpected form");

const NO_RECORD: &str = "the row under the session's key is no record";
const CONTRADICTORY_TIMES: &str = "the times of the record contradict each other";

pub(crate) const NO_TABLE: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the table of sessions does not exist; `PostgresStoreBuilder::migrate` creates it, and \
     `PostgresStoreBuilder::ddl` returns the statements that do",
);

pub(crate) const LACKS_RIGHTS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the PostgreSQL user lacks rights; the page of session-store-postgres lists the GRANTs it needs",
);

/// Returns kind and message of a code in appendix A of PostgreSQL's documentation.
fn classify_code(code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Config, Internal, Timeout, Unavailable};
    match code {
        "28000" | "28P01" => {
            (Config, "the PostgreSQL server refuses the user or the password, or requires TLS; set them in the URL")
        }
        "3D000" => (Config, "the PostgreSQL server has no database of the URL's name"),
        "42P01" | "3F000" => NO_TABLE,
        "42501" => LACKS_RIGHTS,
        "22P05" => {
            (Config, "the database's encoding lacks characters of the schema's or the table's name; choose others")
        }
        "42939" => (Config, "PostgreSQL reserves schema names that begin with `pg_`; choose another schema"),
        "42703" | "42804" | "42883" => (
            Config,
            "the table is not laid out as this release requires; `PostgresStoreBuilder::migrate` brings an older one up \
             to date",
        ),
        "40001" | "40P01" => {
            (Unavailable, "gave up after repeated serialization conflicts or deadlocks; nothing was changed")
        }
        LOCK_TIMEOUT => (Timeout, "another transaction holds the session's row; nothing was changed"),
        CANCELLED => (Timeout, "the PostgreSQL server cancelled the statement, because of its `statement_timeout`"),
        "25006" => (Unavailable, "the PostgreSQL server is a standby or read-only now, and accepts no writes"),
        "25P03" | "25P04" => (Unavailable, "the PostgreSQL server ended a transaction that took too long"),
        "53100" => (Unavailable, "the PostgreSQL server's disk is full"),
        "53200" => (Unavailable, "the PostgreSQL server is out of memory"),
        TOO_MANY_CONNECTIONS => SERVER_FULL,
        "57P03" => (Unavailable, "the PostgreSQL server is starting or stopping"),
        "0A000" | "26000" => (Unavailable, "the table has changed since the statement was prepared"),
        "08P01" | "42P05" => (
            Config,
            "what is between the store and PostgreSQL does not pass on what the store needs; the page of \
             session-store-postgres describes how to set up a pooler",
        ),
        _ if code.starts_with("53") => (Unavailable, "the PostgreSQL server has reached one of its limits"),
        _ if code.starts_with("58") => (Unavailable, "the PostgreSQL server cannot read or write its files"),
        _ if is_broken(code) => (Unavailable, "the PostgreSQL server has ended the connection"),
        _ => (Internal, "the PostgreSQL server refused a statement of the store"),
    }
}

#[cfg(test)]
mod tests;
