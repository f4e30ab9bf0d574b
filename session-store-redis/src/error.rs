//! What the driver and the store's own protocol report, and what that means.

use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, io};

use redis::{ErrorKind as Driver, RedisError, ServerErrorKind as Server};
use session_store_core::ErrorKind;
use session_store_core::backend::{Failure, Retry};

/// What the driver reports, and what the [backend](crate::RedisBackend) itself finds wrong.
///
/// `Debug` shows the driver's class and code, and never its text, which may contain keys.
#[non_exhaustive]
pub enum Error {
    /// No connection could be made. Nothing was sent.
    Connect(RedisError),
    /// The driver or the server refused a command, or its connection broke.
    Command(RedisError),
    /// A write was done, and the server could not say how many replicas have it.
    Wait(RedisError),
    /// A write was done, and too few replicas have confirmed it.
    TooFewReplicas {
        /// How many have.
        confirmed: i64,
        /// How many must.
        needed: i64,
    },
    /// A step was repeated because its outcome was unknown, which it still is.
    Undecided(Box<Error>),
    /// The record cannot be read, for this reason.
    Corrupt(&'static str),
    /// An answer of a form that no command of the store gives.
    Unexpected,
    /// Times that do not fit into a record.
    Times,
    /// A slot of the Cluster is on its way from one node to another.
    SlotsMove,
    /// The Cluster's masters or their slots are not those of when the scan began.
    SlotsMoved,
    /// The store is closed.
    Closed,
}

/// What is wrong, and what to do.
type Meaning = (ErrorKind, &'static str);

impl Error {
    /// Whether a script failed because the server does not know it. It was not executed.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Command(error) if error.kind() == Driver::Server(Server::NoScript))
    }

    /// Whether the server that has answered is no primary any more.
    pub(crate) fn is_of_a_replica(&self) -> bool {
        matches!(self, Self::Command(error) if is_of_a_replica(error))
    }

    /// Whether the Redis user lacks a right.
    pub(crate) fn lacks_rights(&self) -> bool {
        matches!(self, Self::Command(error) if meaning_of(error) == LACKS_RIGHTS)
    }

    /// Whether the command may have been executed, if it was sent.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_ambiguous(&self) -> bool {
        classify(self, true).is_ambiguous()
    }

    /// Returns the error of a command on one session's key: a key of another type is a corrupt record.
    pub(crate) fn of_record(error: RedisError) -> Self {
        if meaning_of(&error) == OTHER_TYPE { Self::Corrupt(OTHER_TYPE.1) } else { Self::Command(error) }
    }
}

/// Returns what an error means.
pub(crate) fn classify(error: &Error, is_cluster: bool) -> Failure {
    match error {
        Error::Connect(error) => of_driver(connecting(error), error),
        Error::Command(error) => {
            let (kind, message) = meaning_of(error);
            let failure = of_driver((kind, message), error);
            // A connection that broke: a read is sent again.
            let retry = if is_broken(error) { Retry::UntilDeadline } else { Retry::Never };
            let failure = failure.with_retry(retry);
            if leaves_open(error, is_cluster) { failure.ambiguous() } else { failure }
        }
        Error::Wait(error) => of_driver(meaning_of(error), error).ambiguous(),
        Error::TooFewReplicas { confirmed, needed } => Failure::new(
            ErrorKind::Unavailable,
            format!("only {confirmed} of {needed} replicas have confirmed the write; are they running?"),
        )
        .ambiguous(),
        Error::Undecided(error) => classify(error, is_cluster).with_retry(Retry::Never).ambiguous(),
        Error::Corrupt(reason) => Failure::new(ErrorKind::Corrupt, *reason),
        Error::Unexpected => Failure::new(ErrorKind::Internal, "the Redis server gave an answer of an unexpected form")
            .of_statement()
            .ambiguous(),
        Error::Times => Failure::new(
            ErrorKind::InvalidInput,
            "the times of an imported record must be within the years 1970 and 10889, which is what a record can hold",
        ),
        Error::SlotsMove => Failure::new(
            ErrorKind::Unavailable,
            "a slot of the Redis Cluster is being moved, and a scan might miss its sessions; begin the scan again later",
        ),
        Error::SlotsMoved => Failure::new(
            ErrorKind::Unavailable,
            "a master or a slot of the Redis Cluster has changed since the scan began; begin the scan again",
        )
        .of_statement()
        .with_transient(false),
        Error::Closed => {
            Failure::new(ErrorKind::Unavailable, "the store is closed").of_statement().with_transient(false)
        }
    }
}

/// A failure with the driver's class and code. Its text may contain keys, so it is not passed on (clause E2).
fn of_driver((kind, message): Meaning, error: &RedisError) -> Failure {
    let code = error.code().unwrap_or("none").to_owned();
    let failure = Failure::new(kind, message).with_source(error.category().to_owned(), code);
    // What is about one session has its own answer. A command that nobody knows may be about one of many.
    if kind == ErrorKind::Internal { failure } else { failure.of_statement() }
}

/// Whether an error leaves open what became of a command that was sent.
fn leaves_open(error: &RedisError, is_cluster: bool) -> bool {
    use Server::{Ask, CrossSlot, Moved, NoScript, ReadOnly, TryAgain};
    match error.kind() {
        Driver::Server(Ask | CrossSlot | Moved | NoScript | ReadOnly | TryAgain) => false,
        // A Cluster's driver answers all commands in flight with the error that its look at the Cluster met.
        Driver::Server(_) | Driver::Extension => {
            let of_a_key = ["MISCONF", "NOREPLICAS", "OOM", "WRONGTYPE"];
            is_cluster && !of_a_key.into_iter().any(|code| error.code() == Some(code))
        }
        _ => true,
    }
}

/// Whether a connection broke that had been there.
fn is_broken(error: &RedisError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        Driver::Io => {
            let io = io_error(error).map(io::Error::kind);
            io.is_none() || matches!(io, Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
        }
        // Cut within an answer.
        Driver::Parse => true,
        _ => false,
    }
}

/// Whether the next command needs a new connection: this one is gone, or leads to a replica.
pub(crate) fn breaks_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_io_error() || is_of_a_replica(error)
}

fn is_of_a_replica(error: &RedisError) -> bool {
    matches!(error.kind(), Driver::Server(Server::ReadOnly | Server::MasterDown))
}

/// What an error of an attempt to connect means.
fn connecting(error: &RedisError) -> Meaning {
    match error.kind() {
        Driver::Parse => (
            ErrorKind::Config,
            "what answers is no Redis server, or requires TLS (rediss://); check the address and the port",
        ),
        _ => meaning_of(error),
    }
}

fn meaning_of(error: &RedisError) -> Meaning {
    match error.kind() {
        Driver::Io if error.is_timeout() => (ErrorKind::Timeout, "no answer from the Redis server in time"),
        Driver::Io => of_tls(error).unwrap_or(NO_CONNECTION),
        Driver::Parse => {
            (ErrorKind::Unavailable, "the connection to the Redis server broke in the middle of an answer")
        }
        Driver::ClusterConnectionNotFound => NO_CONNECTION,
        // The driver names nothing else so.
        Driver::InvalidClientConfig if error.to_string().contains("sentinel") => (
            ErrorKind::Config,
            "what answers is no Sentinel; `RedisEndpoint::sentinel` takes the addresses of Sentinels, not of a master",
        ),
        Driver::MasterNameNotFoundBySentinel => (
            ErrorKind::Unavailable,
            "no Sentinel knows a master of this name now; if that lasts, check the name and the Sentinels",
        ),
        Driver::AuthenticationFailed => WRONG_PASSWORD,
        Driver::InvalidClientConfig | Driver::EmptySentinelList => (
            ErrorKind::Config,
            "the Redis address is not valid; it looks like redis://user:password@host:6379/0, \
             or rediss:// for TLS, which needs the feature `tls`",
        ),
        Driver::RESP3NotSupported => (ErrorKind::Config, "the server has no RESP3; leave `protocol` out of the URL"),
        Driver::Server(kind) => of_server(kind, error),
        Driver::Extension => of_code(error.code().unwrap_or_default()),
        _ => (ErrorKind::Internal, "the Redis driver failed"),
    }
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    // The driver shares its sources.
    let shared = error.source()?.downcast_ref::<Arc<dyn StdError + Send + Sync>>()?;
    shared.downcast_ref()
}

/// What rustls has found wrong.
#[cfg(feature = "tls")]
fn of_tls(error: &RedisError) -> Option<Meaning> {
    Some(match io_error(error)?.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => (
            ErrorKind::Config,
            "the Redis server's TLS certificate is not trusted, or is for another name than the URL's; \
             `redis::Client::build_with_tls` takes certificates of your own",
        ),
        _ => (ErrorKind::Config, "the Redis server speaks no TLS there, or no kind that rustls does; check the port"),
    })
}

#[cfg(not(feature = "tls"))]
fn of_tls(_error: &RedisError) -> Option<Meaning> {
    None
}

const NO_CONNECTION: Meaning = (
    ErrorKind::Unavailable,
    "no connection to the Redis server; is it running, is its address right, and does it require TLS (rediss://)?",
);

const WRONG_PASSWORD: Meaning =
    (ErrorKind::Config, "the Redis server refuses the user or the password; set them in the URL");

const LACKS_RIGHTS: Meaning =
    (ErrorKind::Config, "the Redis user lacks rights; the page of session-store-redis lists the ACL it needs");

const IS_A_REPLICA: Meaning = (ErrorKind::Unavailable, "the Redis server is a replica now, and takes no writes");

const OTHER_TYPE: Meaning = (
    ErrorKind::Corrupt,
    "a key of another type is in the way of the store's; give the store a prefix that nothing else uses",
);

const OTHER: Meaning = (ErrorKind::Internal, "the Redis server refused a command of the store");

fn of_server(kind: Server, error: &RedisError) -> Meaning {
    match kind {
        Server::BusyLoading => (ErrorKind::Unavailable, "the Redis server is still loading its data"),
        Server::ReadOnly => IS_A_REPLICA,
        Server::MasterDown => (ErrorKind::Unavailable, "the Redis server is a replica that has lost its master"),
        Server::ClusterDown => (ErrorKind::Unavailable, "the Redis Cluster does not serve all slots now"),
        Server::TryAgain => (ErrorKind::Unavailable, "the slot of this key is being moved"),
        Server::Moved | Server::Ask => (
            ErrorKind::Unavailable,
            "the slot of this key is on a node of the Redis Cluster that is not known yet, or the client is not one for \
             a Cluster; `RedisEndpoint::cluster` makes one",
        ),
        Server::CrossSlot => (ErrorKind::Config, "this is a Redis Cluster; use `RedisEndpoint::cluster`"),
        Server::NoPerm => LACKS_RIGHTS,
        Server::ResponseError => of_text(error.detail().unwrap_or_default()),
        _ => OTHER,
    }
}

/// What errors without a code of their own contain. Before Redis 7, an error inside a script came as a text; also Redis 7
/// says the last two of a command inside a script.
const TEXTS: [(&str, Meaning); 8] = [
    ("cannot be used with replica", IS_A_REPLICA),
    ("max number of clients", (ErrorKind::Unavailable, "the Redis server has as many clients as it allows")),
    (
        "DB index is out of range",
        (ErrorKind::Config, "the Redis server has no database of the number at the end of the URL"),
    ),
    (
        "not allowed in cluster mode",
        (ErrorKind::Config, "this is a Redis Cluster; use `RedisEndpoint::cluster`, without a database's number"),
    ),
    (
        "cluster support disabled",
        (ErrorKind::Config, "this is no Redis Cluster; give the URL of the one server instead"),
    ),
    ("permission", LACKS_RIGHTS),
    ("can't access", LACKS_RIGHTS),
    ("can't run", LACKS_RIGHTS),
];

fn of_text(text: &str) -> Meaning {
    let codes = ["OOM", "MISCONF", "READONLY", "NOREPLICAS", "WRONGTYPE", "NOPERM"];
    if let Some(code) = codes.into_iter().find(|code| text.contains(code)) {
        return of_code(code);
    }
    TEXTS.into_iter().find(|(words, _)| text.contains(words)).map_or(OTHER, |(_, meaning)| meaning)
}

fn of_code(code: &str) -> Meaning {
    match code {
        "NOAUTH" | "WRONGPASS" => WRONG_PASSWORD,
        "NOPERM" => LACKS_RIGHTS,
        // The latter is what a server that is demoted answers to a WAIT.
        "READONLY" | "UNBLOCKED" => IS_A_REPLICA,
        "WRONGTYPE" => OTHER_TYPE,
        "OOM" => (ErrorKind::Unavailable, "the Redis server has used up its `maxmemory`; give it more"),
        "MISCONF" => (ErrorKind::Unavailable, "the Redis server cannot write to its disk, and takes no writes"),
        "NOREPLICAS" => (ErrorKind::Unavailable, "the Redis server has fewer replicas than it demands for a write"),
        "DENIED" => (
            ErrorKind::Config,
            "the Redis server is in protected mode, and serves its own machine only; give it a password, and the URL too",
        ),
        "BUSY" => (ErrorKind::Unavailable, "the Redis server is busy with another client's script"),
        _ => OTHER,
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, error) = match self {
            Self::Connect(error) => ("Connect", error),
            Self::Command(error) => ("Command", error),
            Self::Wait(error) => ("Wait", error),
            Self::TooFewReplicas { confirmed, needed } => {
                return write!(f, "TooFewReplicas({confirmed} of {needed})");
            }
            Self::Undecided(error) => return f.debug_tuple("Undecided").field(error).finish(),
            Self::Corrupt(reason) => return f.debug_tuple("Corrupt").field(reason).finish(),
            Self::Unexpected => return f.write_str("Unexpected"),
            Self::Times => return f.write_str("Times"),
            Self::SlotsMove => return f.write_str("SlotsMove"),
            Self::SlotsMoved => return f.write_str("SlotsMoved"),
            Self::Closed => return f.write_str("Closed"),
        };
        f.debug_tuple(name).field(&error.category()).field(&error.code().unwrap_or("none")).finish()
    }
}

#[cfg(test)]
mod tests;
