//! From the driver's errors to the store's.

use std::io;

use session_store_core::{Error, ErrorKind};
use sqlx::Error as Driver;

/// The class and the code of a driver's error. Its text may hold keys, so it is not passed on (clause E2).
#[derive(Debug, thiserror::Error)]
#[error("{class}, code {code}")]
struct Source {
    class: &'static str,
    code: String,
}

/// What is to be done about a statement that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Remedy {
    /// It has changed nothing, and may do better when it is run again.
    Again,
    /// The same, but not for ever.
    AgainIfRaced,
    /// The same on another connection.
    AgainElsewhere,
    /// The connection is of no use any more.
    Elsewhere,
    /// The connection is broken: whether the statement was run is not known.
    Vague,
    /// None.
    None,
}

/// What is to be done about this error of a statement that was sent.
pub(crate) fn remedy(error: &Driver) -> Remedy {
    let Driver::Database(refusal) = error else { return Remedy::Vague };
    match refusal.code().as_deref().unwrap_or_default() {
        // A serialization failure, a deadlock.
        "40001" | "40P01" => Remedy::Again,
        // A key that another statement has inserted meanwhile; or a rule of a unique index that is none of ours.
        "23505" => Remedy::AgainIfRaced,
        // A plan from before a change of the table; a prepared statement that is gone.
        "0A000" | "26000" => Remedy::AgainElsewhere,
        // The server is a standby, and by another connection one may reach the primary; or it has ended this one.
        "25006" | "25P03" | "25P04" => Remedy::Elsewhere,
        // The server ends the connection: possibly between its commit and its answer.
        code if code.starts_with("08") || code.starts_with("57P") => Remedy::Vague,
        _ => Remedy::None,
    }
}

/// The error of a statement or a connection that failed.
pub(crate) fn from_sqlx(error: &Driver) -> Error {
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
        Driver::Database(_) => of_code(&code),
        Driver::Io(error) if error.kind() == io::ErrorKind::InvalidData => NO_TLS,
        Driver::PoolClosed => return closed(),
        Driver::Tls(_) => NO_TLS,
        Driver::Configuration(_) | Driver::InvalidArgument(_) => BAD_ADDRESS,
        // A connection that is cut at its beginning reads as a byte of 0.
        Driver::Protocol(text) if text.contains("SSLRequest") && !text.contains("0x00") => {
            (ErrorKind::Config, "what answers is no PostgreSQL server; check the address")
        }
        Driver::Io(_) | Driver::Protocol(_) | Driver::WorkerCrashed | Driver::PoolTimedOut => NO_CONNECTION,
        _ => (ErrorKind::Internal, "the PostgreSQL driver failed"),
    };
    Error::new(kind, message).with_source(Source { class, code })
}

/// The error of an attempt to connect, by an address or by a socket's path.
pub(crate) fn from_connecting(error: &Driver, by_path: bool) -> Error {
    let is_missing =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
    match error {
        Driver::Io(error) if is_missing(error) && !by_path => Error::config(
            "a file that the PostgreSQL address names cannot be read; look at its `sslrootcert`, `sslcert` and `sslkey`",
        ),
        error => from_sqlx(error),
    }
}

/// Whether a statement gave up, and changed nothing, because another transaction was inserting the same key.
pub(crate) fn is_held_up(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Source>());
    source.is_some_and(|source| source.code == "55P03")
}

/// The store was closed, or the pool that it uses.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}

/// No connection came free in time.
pub(crate) fn no_connection() -> Error {
    Error::new(NO_CONNECTION.0, NO_CONNECTION.1)
}

/// An answer that no statement of this store gives.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "the PostgreSQL server gave an answer of an unexpected form")
}

const NO_CONNECTION: (ErrorKind, &str) = (
    ErrorKind::Unavailable,
    "no connection to the PostgreSQL server; is it running, is its address right, and are the pool's connections free?",
);

const NO_TLS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "no TLS with the PostgreSQL server: it has none, or its certificate is not trusted or for another name; \
     `sslmode` and `sslrootcert` in the URL say what is wanted",
);

const BAD_ADDRESS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the PostgreSQL address is not valid; it looks like postgres://user:password@host:5432/database",
);

pub(crate) const NO_TABLE: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the table of sessions is not there; `Builder::migrate` makes it, and `Builder::ddl` tells how to",
);

pub(crate) const LACKS_RIGHTS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the PostgreSQL user lacks rights; the page of session-store-postgres lists the GRANTs it needs",
);

/// By the codes in appendix A of PostgreSQL's documentation.
fn of_code(code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Config, Internal, Timeout, Unavailable};
    match code {
        "28000" | "28P01" => {
            (Config, "the PostgreSQL server refuses the user or the password, or wants TLS; set them in the URL")
        }
        "3D000" => (Config, "the PostgreSQL server has no database of the URL's name"),
        "42P01" | "3F000" => NO_TABLE,
        "42501" => LACKS_RIGHTS,
        "22P05" => {
            (Config, "the database's encoding lacks characters of the schema's or the table's name; choose others")
        }
        "42939" => {
            (Config, "PostgreSQL keeps names of schemas that begin with `pg_` for itself; choose another schema")
        }
        "42703" | "42804" | "42883" => (
            Config,
            "the table is not laid out as this release does it; `Builder::migrate` brings an older one up to date",
        ),
        "40001" | "40P01" => (Unavailable, "the statement met others again and again, and changed nothing"),
        "55P03" => (Timeout, "another transaction holds the session's row; nothing was changed"),
        "57014" => (Timeout, "the PostgreSQL server has cancelled the statement, as `statement_timeout` has it do"),
        "25006" => (Unavailable, "the PostgreSQL server is a standby or read-only now, and takes no writes"),
        "25P03" | "25P04" => (Unavailable, "the PostgreSQL server has ended a transaction that took too long"),
        "53100" => (Unavailable, "the PostgreSQL server's disk is full"),
        "53200" => (Unavailable, "the PostgreSQL server is out of memory"),
        "53300" => (Unavailable, "the PostgreSQL server has as many connections as it allows; give the store fewer"),
        "57P03" => (Unavailable, "the PostgreSQL server is starting or stopping"),
        "0A000" | "26000" => (Unavailable, "the table has changed since the statement was prepared"),
        "08P01" | "42P05" => (
            Config,
            "what is between the store and PostgreSQL does not pass on what the store needs; the page of \
             session-store-postgres tells how to set up a pooler",
        ),
        _ if code.starts_with("53") => (Unavailable, "the PostgreSQL server has reached one of its limits"),
        _ if code.starts_with("58") => (Unavailable, "the PostgreSQL server cannot read or write its files"),
        _ if code.starts_with("08") || code.starts_with("57P") => {
            (Unavailable, "the PostgreSQL server has ended the connection")
        }
        _ => (Internal, "the PostgreSQL server refused a statement of the store"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_kind() {
        use ErrorKind::{Config, Internal, Timeout, Unavailable};
        let table = [
            ("08006", Unavailable),
            ("25006", Unavailable),
            ("28P01", Config),
            ("3D000", Config),
            ("40001", Unavailable),
            ("40P01", Unavailable),
            ("42501", Config),
            ("42P01", Config),
            ("53100", Unavailable),
            ("53300", Unavailable),
            ("53400", Unavailable),
            ("55P03", Timeout),
            ("57014", Timeout),
            ("57P01", Unavailable),
            ("57P02", Unavailable),
            ("57P03", Unavailable),
            ("58030", Unavailable),
            ("22001", Internal),
            ("XX000", Internal),
        ];
        for (code, kind) in table {
            assert_eq!(of_code(code).0, kind, "{code}");
        }
    }

    #[test]
    fn the_texts_of_the_driver_are_not_passed_on() {
        let errors = [
            Driver::Protocol("secret".to_owned()),
            Driver::Configuration("secret".into()),
            Driver::Tls("secret".into()),
            Driver::Io(std::io::Error::other("secret")),
            Driver::Decode("secret".into()),
        ];
        for error in errors {
            let error = from_sqlx(&error);
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap();
            for shown in [error.to_string(), format!("{error:?}"), source] {
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
