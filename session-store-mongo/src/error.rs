//! From the driver's errors to the store's.

use mongodb::error::{Error as Driver, ErrorKind as Kind, SYSTEM_OVERLOADED_ERROR, WriteFailure};
use session_store_core::{Error, ErrorKind, SessionKey};

/// The class and the code of a driver's error. Its text may hold keys, so it is not passed on (clause E2).
#[derive(Debug, thiserror::Error)]
#[error("{class}, code {code}")]
struct Source {
    class: &'static str,
    code: i32,
}

/// What is to be done about a command that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Remedy {
    /// It has changed nothing, and may do better when it is sent again.
    Again,
    /// Whether it was run is not known.
    Vague,
    /// None.
    None,
}

/// A key is taken: where another write has just inserted it.
pub(crate) const DUPLICATE_KEY: i32 = 11000;

/// A word was to be converted to a number or a time: what an [`update`](crate::update) does that refuses.
pub(crate) const CONVERSION_FAILURE: i32 = 241;

/// The numbers by which a server says, before it begins, that it is no primary. Of these and the next, the list is in
/// the specification of the drivers, "Server Discovery and Monitoring".
const NO_PRIMARY: [i32; 4] = [10058, 10107, 13435, 13436];

/// Those of a server that stops to be one, possibly in the middle of a command.
const STEPPING_DOWN: [i32; 4] = [91, 189, 11600, 11602];

/// Those of a connection between servers, and of a command that was ended: where it was of many updates, in the middle of
/// them.
const INTERRUPTED: [i32; 19] =
    [6, 7, 24, 43, 46, 50, 89, 134, 175, 202, 237, 262, 279, 282, 290, 355, 9001, 11601, 46841];

/// What is to be done about this error of a command.
pub(crate) fn remedy(error: &Driver) -> Remedy {
    match &*error.kind {
        // It came while a connection was made: nothing was sent.
        Kind::Io(_) if error.contains_label(SYSTEM_OVERLOADED_ERROR) => Remedy::Again,
        Kind::Io(_)
        | Kind::ConnectionPoolCleared { .. }
        | Kind::InvalidResponse { .. }
        // It was done, and whether it lasts is not known.
        | Kind::Write(WriteFailure::WriteConcernError(_)) => Remedy::Vague,
        Kind::Command(refusal) => remedy_of_code(refusal.code),
        Kind::Write(failure) => remedy_of_code(code_of(failure)),
        _ => Remedy::None,
    }
}

/// The same for an update among others of a command, or a command, by the server's code.
pub(crate) fn remedy_of_code(code: i32) -> Remedy {
    match code {
        _ if NO_PRIMARY.contains(&code) => Remedy::Again,
        _ if STEPPING_DOWN.contains(&code) || INTERRUPTED.contains(&code) => Remedy::Vague,
        // A conflict that the server itself did not solve.
        112 => Remedy::Again,
        _ => Remedy::None,
    }
}

fn code_of(failure: &WriteFailure) -> i32 {
    match failure {
        WriteFailure::WriteError(error) => error.code,
        WriteFailure::WriteConcernError(error) => error.code,
        _ => 0,
    }
}

/// The error of a command or a connection that failed.
pub(crate) fn from_mongo(error: &Driver) -> Error {
    let (class, code) = match &*error.kind {
        Kind::Command(refusal) => ("server", refusal.code),
        Kind::Write(WriteFailure::WriteConcernError(refusal)) => return from_write_concern(refusal.code),
        Kind::Write(failure) => ("server", code_of(failure)),
        Kind::Io(_) => ("connection", 0),
        Kind::ServerSelection { .. } => ("server selection", 0),
        Kind::Authentication { .. } => ("authentication", 0),
        Kind::InvalidTlsConfig { .. } => ("TLS", 0),
        Kind::DnsResolve { .. } => ("DNS", 0),
        Kind::ConnectionPoolCleared { .. } => ("pool", 0),
        _ => ("driver", 0),
    };
    let (kind, message) = match &*error.kind {
        Kind::Command(_) | Kind::Write(_) => of_code(code),
        Kind::Shutdown => return closed(),
        Kind::ServerSelection { message, .. } if speaks_of_tls(message) => NO_TLS,
        Kind::InvalidTlsConfig { .. } => NO_TLS,
        Kind::Authentication { .. } => BAD_PASSWORD,
        Kind::InvalidArgument { .. } => BAD_ADDRESS,
        Kind::IncompatibleServer { .. } => TOO_OLD,
        Kind::DnsResolve { .. } => {
            (ErrorKind::Unavailable, "the name of the MongoDB server cannot be looked up; is it right?")
        }
        Kind::Io(_) | Kind::ServerSelection { .. } | Kind::ConnectionPoolCleared { .. } => NO_CONNECTION,
        _ => (ErrorKind::Internal, "the MongoDB driver failed"),
    };
    Error::new(kind, message).with_source(Source { class, code })
}

/// The driver looks for a server until its time is over, and tells in a text alone what it met.
fn speaks_of_tls(message: &str) -> bool {
    ["certificate", "TLS", "tls"].iter().any(|word| message.contains(word))
}

/// The error of one of many updates.
pub(crate) fn from_code(code: i32) -> Error {
    let (kind, message) = of_code(code);
    Error::new(kind, message).with_source(Source { class: "server", code })
}

/// The same error, about the session's record where it is that which is at fault.
pub(crate) fn about(error: Error, key: &SessionKey) -> Error {
    if error.kind() == ErrorKind::Corrupt { error.with_key(*key) } else { error }
}

/// The error of a write that the primary has done, and of which it does not know whether it lasts.
pub(crate) fn from_write_concern(code: i32) -> Error {
    let (kind, message) = match code {
        64 => (ErrorKind::Timeout, "not as many members of the replica set as wanted have the write in time"),
        79 | 100 => (
            ErrorKind::Config,
            "the replica set cannot do what the write concern asks for; set one that its members can satisfy",
        ),
        _ => of_code(code),
    };
    Error::new(kind, message).with_source(Source { class: "write concern", code }).with_outcome_unknown()
}

/// The store was closed, or the client that it uses.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}

/// No server was found in time.
pub(crate) fn no_connection() -> Error {
    Error::new(NO_CONNECTION.0, NO_CONNECTION.1)
}

/// An answer that no command of this store gives.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "the MongoDB server gave an answer of an unexpected form")
}

pub(crate) fn too_old() -> Error {
    Error::new(TOO_OLD.0, TOO_OLD.1)
}

const NO_CONNECTION: (ErrorKind, &str) = (
    ErrorKind::Unavailable,
    "no connection to a MongoDB primary; is it running, is its address right, does it want TLS, and has the replica set \
     elected one?",
);

const NO_TLS: (ErrorKind, &str) = (
    ErrorKind::Config,
    "no TLS with the MongoDB server: its certificate is not trusted or for another name; `tls`, `tlsCAFile` and \
     `tlsCertificateKeyFile` in the URL say what is wanted",
);

const BAD_ADDRESS: (ErrorKind, &str) =
    (ErrorKind::Config, "the MongoDB address is not valid; it looks like mongodb://user:password@host:27017/database");

const BAD_PASSWORD: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the MongoDB server refuses the user or the password; set them in the URL, and `authSource` where the user is of \
     another database",
);

const TOO_OLD: (ErrorKind, &str) =
    (ErrorKind::Config, "the MongoDB server is too old, or none; the store needs MongoDB 5.0 or newer");

const NO_INDEXES: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the collection lacks the store's indexes; `Builder::ensure_indexes` makes them, and `Builder::index_commands` tells \
     how to",
);

const OTHER_INDEX: (ErrorKind, &str) = (
    ErrorKind::Config,
    "the collection has an index of the name or of the fields of one of the store's, which is another; drop it, or \
     choose another collection",
);

const LACKS_RIGHTS: (ErrorKind, &str) =
    (ErrorKind::Config, "the MongoDB user lacks rights; the page of session-store-mongo lists the role that it needs");

pub(crate) fn no_indexes() -> Error {
    Error::new(NO_INDEXES.0, NO_INDEXES.1)
}

pub(crate) fn other_index() -> Error {
    Error::new(OTHER_INDEX.0, OTHER_INDEX.1)
}

/// By the codes in the server's `error_codes.yml`.
fn of_code(code: i32) -> (ErrorKind, &'static str) {
    use ErrorKind::{Config, Corrupt, Internal, Timeout, TooLarge, Unavailable};
    match code {
        13 => LACKS_RIGHTS,
        18 | 8000 => BAD_PASSWORD,
        // A hint at an index that is not there, and more members than a server has.
        2 => (
            Config,
            "the MongoDB server refuses a value: the collection lacks the store's indexes, which `Builder::ensure_indexes` \
             makes, or the write concern is one that it cannot satisfy",
        ),
        26 | 27 => NO_INDEXES,
        85 | 86 => OTHER_INDEX,
        67 | 68 => {
            (Config, "the MongoDB server cannot make the store's indexes on this collection; choose another one")
        }
        11000 => (Config, "the collection has a unique index that is none of the store's; drop it"),
        73 => (Config, "the MongoDB server refuses the name of the collection or the database; choose another one"),
        121 => (Config, "a validator of the collection refuses the store's documents; take it away"),
        166 | 10003 | 72 => (Config, "the collection is a view, capped, or of time series; choose another one"),
        20 => (
            Config,
            "the MongoDB server does not do this without retryable writes; let the client have `retryWrites=true`",
        ),
        115 | 59 => (Config, "what answers is no MongoDB server, or lacks commands that the store needs"),
        79 | 100 => (Config, "the replica set cannot do what the write concern asks for"),
        14 | 16554 | 16555 | 16556 => (Corrupt, "the document under the session's key is no record of this release"),
        10334 | 17419 | 17420 | 17280 => {
            (TooLarge, "the session is larger than a MongoDB document may be; lower the store's data limit")
        }
        24 | 46 | 50 | 202 | 262 => (Timeout, "the MongoDB server has ended the command, which took too long"),
        14031 => (Unavailable, "the MongoDB server's disk is full"),
        39 | 146 | 365 => (Unavailable, "the MongoDB server is out of memory"),
        _ if NO_PRIMARY.contains(&code) || STEPPING_DOWN.contains(&code) => {
            (Unavailable, "the MongoDB server is not the primary any more, or not yet")
        }
        _ if INTERRUPTED.contains(&code) => (Unavailable, "the MongoDB server has ended the command"),
        112 => (Unavailable, "the command met others again and again, and changed nothing"),
        133 | 63 | 70 | 150 | 13388 | 249 => (Unavailable, "a shard of the MongoDB cluster cannot be reached now"),
        _ => (Internal, "the MongoDB server refused a command of the store"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_code_has_its_kind() {
        use ErrorKind::{Config, Corrupt, Internal, Timeout, TooLarge, Unavailable};
        let table = [
            (2, Config),
            (6, Unavailable),
            (13, Config),
            (14, Corrupt),
            (18, Config),
            (26, Config),
            (50, Timeout),
            (73, Config),
            (85, Config),
            (86, Config),
            (89, Unavailable),
            (91, Unavailable),
            (121, Config),
            (189, Unavailable),
            (10107, Unavailable),
            (10334, TooLarge),
            (11600, Unavailable),
            (11601, Unavailable),
            (11602, Unavailable),
            (13435, Unavailable),
            (14031, Unavailable),
            (1, Internal),
            (99999, Internal),
        ];
        for (code, kind) in table {
            assert_eq!(of_code(code).0, kind, "{code}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_not_done_again() {
        for code in NO_PRIMARY {
            assert_eq!(remedy_of_code(code), Remedy::Again, "{code}");
        }
        for code in STEPPING_DOWN.into_iter().chain(INTERRUPTED) {
            assert_eq!(remedy_of_code(code), Remedy::Vague, "{code}");
        }
        assert_eq!(remedy_of_code(CONVERSION_FAILURE), Remedy::None);
        let broken = Driver::from(Kind::Io(Arc::new(std::io::ErrorKind::BrokenPipe.into())));
        assert_eq!(remedy(&broken), Remedy::Vague);
    }

    #[test]
    fn the_texts_of_the_driver_are_not_passed_on() {
        let errors = [
            Driver::from(Kind::Io(Arc::new(std::io::Error::other("secret")))),
            Driver::from(Kind::Custom(Arc::new("secret"))),
            Driver::custom("secret"),
        ];
        for error in errors {
            let error = from_mongo(&error);
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap();
            for shown in [error.to_string(), format!("{error:?}"), source] {
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
