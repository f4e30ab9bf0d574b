//! What can go wrong, and what it means for the store.

use std::fmt;

use mongodb::error::{Error as Driver, ErrorKind as Kind, SYSTEM_OVERLOADED_ERROR, WriteFailure};
use session_store_core::ErrorKind;
use session_store_core::backend::{Failure, Retry};

/// An error of the driver, or what the backend itself found wrong. `Debug` shows no values.
pub enum Error {
    /// The driver's error of a command or a connection.
    Driver(Driver),
    /// The server refused one update of several in a command.
    Update {
        /// The server's code.
        code: i32,
    },
    /// The server refused a removal, of which it may have done a part.
    Removal {
        /// The server's code.
        code: i32,
    },
    /// The primary has executed a write, and does not know whether it lasts.
    WriteConcern {
        /// The server's code.
        code: i32,
    },
    /// No connection came free in time.
    NoFreeConnection,
    /// No primary was found in time.
    NoPrimary,
    /// The server gave an answer of an unexpected form.
    UnexpectedAnswer,
    /// A document is no record of a session.
    Corrupt(Corruption),
    /// The server is older than the store supports.
    TooOld,
    /// The collection lacks an index of the store's.
    NoIndex,
    /// The collection has another index with the name or the fields of one of the store's.
    OtherIndex,
    /// A command cannot be written.
    Encoding,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Corruption {
    /// A field is missing or of another type, or the layout is another.
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

/// A key is there already: another write has just inserted it.
pub(crate) const DUPLICATE_KEY: i32 = 11000;

/// A word was to be converted to a number or a time: how an update of the store's refuses.
pub(crate) const CONVERSION_FAILURE: i32 = 241;

/// The codes by which a server reports, before it begins, that it is no primary. This list and the next two follow the
/// drivers' specification "Server Discovery and Monitoring".
const NO_PRIMARY: [i32; 4] = [10058, 10107, 13435, 13436];

/// Those of a server that ceases to be one, possibly in the middle of a command.
const STEPPING_DOWN: [i32; 4] = [91, 189, 11600, 11602];

/// Those of connections between servers, and of a command that was ended: if it had many updates, in the middle of them.
const INTERRUPTED: [i32; 19] =
    [6, 7, 24, 43, 46, 50, 89, 134, 175, 202, 237, 262, 279, 282, 290, 355, 9001, 11601, 46841];

/// A write conflict that the server did not resolve itself.
const WRITE_CONFLICT: i32 = 112;

/// Returns whether the server refused with this code before it changed anything, and may do better later.
pub(crate) fn did_not_begin(code: i32) -> bool {
    code == WRITE_CONFLICT || NO_PRIMARY.contains(&code)
}

/// Returns what an error means.
pub(crate) fn classify(error: &Error) -> Failure {
    match error {
        Error::Driver(error) => classify_driver(error),
        Error::Update { code } => classify_code(*code),
        // Of many documents, some may be gone already.
        Error::Removal { code } => classify_code(*code).with_retry(Retry::Never).ambiguous(),
        Error::WriteConcern { code } => classify_write_concern(*code),
        Error::NoFreeConnection => failure(NO_FREE_CONNECTION),
        Error::NoPrimary => failure(NO_CONNECTION),
        // Whatever the answer says, the command was executed.
        Error::UnexpectedAnswer => Failure::new(ErrorKind::Internal, UNEXPECTED_ANSWER).ambiguous(),
        Error::Corrupt(Corruption::Form) => Failure::new(ErrorKind::Corrupt, NO_RECORD),
        Error::Corrupt(Corruption::Times) => Failure::new(ErrorKind::Corrupt, CONTRADICTORY_TIMES),
        Error::TooOld => failure(TOO_OLD),
        Error::NoIndex => failure(NO_INDEXES),
        Error::OtherIndex => failure(OTHER_INDEX),
        Error::Encoding => failure((ErrorKind::Internal, "a command of the store cannot be written")),
    }
}

/// A failure that is about no single record.
fn failure((kind, message): (ErrorKind, &'static str)) -> Failure {
    Failure::new(kind, message).of_statement()
}

/// Returns what the error of a command or a connection means. Its text may contain keys, so it is not used.
fn classify_driver(error: &Driver) -> Failure {
    let (described, class) = match &*error.kind {
        Kind::Command(refusal) => return classify_code(refusal.code),
        Kind::Write(WriteFailure::WriteConcernError(refusal)) => return classify_write_concern(refusal.code),
        Kind::Write(WriteFailure::WriteError(refusal)) => return classify_code(refusal.code),
        Kind::Write(_) => return classify_code(0),
        Kind::Shutdown => return failure(CLOSED).with_transient(false),
        Kind::Io(_) => (NO_CONNECTION, "connection"),
        Kind::ConnectionPoolCleared { .. } => (NO_CONNECTION, "pool"),
        // The driver looks for a server until its time is over, and reports what it met only as text.
        Kind::ServerSelection { message, .. } if is_about_tls(message) => (NO_TLS, "server selection"),
        Kind::ServerSelection { .. } => (NO_CONNECTION, "server selection"),
        Kind::Authentication { .. } => (BAD_PASSWORD, "authentication"),
        Kind::InvalidTlsConfig { .. } => (NO_TLS, "TLS"),
        Kind::DnsResolve { .. } => (NO_HOST, "DNS"),
        Kind::InvalidArgument { .. } => (BAD_ADDRESS, "driver"),
        Kind::IncompatibleServer { .. } => (TOO_OLD, "driver"),
        _ => (DRIVER_FAILED, "driver"),
    };
    let failure = failure(described).with_source(class, "0");
    match &*error.kind {
        // It happened while a connection was made: nothing was sent.
        Kind::Io(_) if error.contains_label(SYSTEM_OVERLOADED_ERROR) => failure.with_retry(Retry::UntilDeadline),
        Kind::Io(_) | Kind::ConnectionPoolCleared { .. } | Kind::InvalidResponse { .. } => {
            failure.with_retry(Retry::UntilDeadline).ambiguous()
        }
        _ => failure,
    }
}

fn is_about_tls(message: &str) -> bool {
    ["certificate", "TLS", "tls"].iter().any(|word| message.contains(word))
}

/// Returns what the server's refusal of a command, or of one update in it, means.
fn classify_code(code: i32) -> Failure {
    let (kind, message) = describe_code(code);
    let failure = Failure::new(kind, message).with_source("server", code.to_string());
    let failure = if is_about_one_record(code, kind) { failure } else { failure.of_statement() };
    if did_not_begin(code) {
        failure.with_retry(Retry::UntilDeadline)
    } else if STEPPING_DOWN.contains(&code) || INTERRUPTED.contains(&code) {
        failure.with_retry(Retry::UntilDeadline).ambiguous()
    } else {
        failure
    }
}

/// Returns whether another update in the same command may succeed.
fn is_about_one_record(code: i32, kind: ErrorKind) -> bool {
    matches!(code, DUPLICATE_KEY | FAILED_VALIDATION)
        || matches!(kind, ErrorKind::Corrupt | ErrorKind::TooLarge | ErrorKind::Internal)
}

/// Returns what it means that a write may not last. It was executed, so it is never sent again.
fn classify_write_concern(code: i32) -> Failure {
    let (kind, message) = match code {
        64 => (
            ErrorKind::Timeout,
            "fewer members of the replica set than the write concern requires acknowledged the write in time",
        ),
        79 | 100 => (
            ErrorKind::Config,
            "the replica set cannot satisfy the write concern; set one that its members can satisfy",
        ),
        _ => describe_code(code),
    };
    failure((kind, message)).with_source("write concern", code.to_string()).ambiguous()
}

const UNEXPECTED_ANSWER: &str = "the MongoDB server gave an answer of an unexpected form";
const NO_RECORD: &str = "the document under the session's key is no record of this release";
const CONTRADICTORY_TIMES: &str = "the times of the record contradict each other";

type Described = (ErrorKind, &'static str);

const CLOSED: Described = (ErrorKind::Unavailable, "the store is closed");

const DRIVER_FAILED: Described = (ErrorKind::Internal, "the MongoDB driver failed");

const NO_FREE_CONNECTION: Described =
    (ErrorKind::Timeout, "no connection to the MongoDB server came free in time; give the store more connections");

const NO_CONNECTION: Described = (
    ErrorKind::Unavailable,
    "no connection to a MongoDB primary; check that it is running, that its address is right, whether it requires TLS, \
     and that the replica set has elected one",
);

const NO_HOST: Described =
    (ErrorKind::Unavailable, "the name of the MongoDB server cannot be resolved; check the address");

const NO_TLS: Described = (
    ErrorKind::Config,
    "no TLS with the MongoDB server: its certificate is not trusted or for another name; set `tls`, `tlsCAFile` and \
     `tlsCertificateKeyFile` in the URL",
);

const BAD_ADDRESS: Described =
    (ErrorKind::Config, "the MongoDB address is not valid; it looks like mongodb://user:password@host:27017/database");

const BAD_PASSWORD: Described = (
    ErrorKind::Config,
    "the MongoDB server refuses the user or the password; set them in the URL, and `authSource` if the user belongs to \
     another database",
);

const TOO_OLD: Described =
    (ErrorKind::Config, "the server is no MongoDB server, or too old; the store needs MongoDB 5.0 or newer");

const NO_INDEXES: Described = (
    ErrorKind::Config,
    "the collection lacks the store's indexes; `MongoStoreBuilder::ensure_indexes` creates them, and \
     `MongoStoreBuilder::index_commands` prints the command that does",
);

const OTHER_INDEX: Described = (
    ErrorKind::Config,
    "the collection has another index with the name or the fields of one of the store's; drop it, or choose another \
     collection",
);

const LACKS_RIGHTS: Described =
    (ErrorKind::Config, "the MongoDB user lacks rights; the page of session-store-mongo lists the role that it needs");

const FAILED_VALIDATION: i32 = 121;

/// By the codes in the server's `error_codes.yml`.
fn describe_code(code: i32) -> Described {
    use ErrorKind::{Config, Corrupt, Internal, Timeout, TooLarge, Unavailable};
    match code {
        13 => LACKS_RIGHTS,
        18 | 8000 => BAD_PASSWORD,
        // A hint at an index that is not there, and more members than a server has.
        2 => (
            Config,
            "the MongoDB server refuses a value: the collection lacks the store's indexes, which \
             `MongoStoreBuilder::ensure_indexes` creates, or the server cannot satisfy the write concern",
        ),
        26 | 27 => NO_INDEXES,
        85 | 86 => OTHER_INDEX,
        67 | 68 => {
            (Config, "the MongoDB server cannot create the store's indexes on this collection; choose another one")
        }
        DUPLICATE_KEY => (Config, "the collection has a unique index that is none of the store's; drop it"),
        73 => (Config, "the MongoDB server refuses the name of the collection or the database; choose another one"),
        FAILED_VALIDATION => (Config, "a validator of the collection refuses the store's documents; remove it"),
        166 | 10003 | 72 => (Config, "the collection is a view, capped, or a time series; choose another one"),
        20 => (Config, "the MongoDB server requires retryable writes for this; set `retryWrites=true` for the client"),
        115 | 59 => (Config, "the server is no MongoDB server, or lacks commands that the store needs"),
        79 | 100 => (Config, "the replica set cannot satisfy the write concern"),
        14 | 16554 | 16555 | 16556 => (Corrupt, NO_RECORD),
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
        WRITE_CONFLICT => (Unavailable, "gave up after repeated write conflicts; nothing was changed"),
        133 | 63 | 70 | 150 | 13388 | 249 => (Unavailable, "a shard of the MongoDB cluster cannot be reached now"),
        _ => (Internal, "the MongoDB server refused a command of the store"),
    }
}

#[cfg(test)]
mod tests;
