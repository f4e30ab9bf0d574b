//! From the driver's errors to the store's.

use redis::{ErrorKind as Driver, RedisError, ServerErrorKind as Server};
use session_store_core::{Error, ErrorKind, SessionKey};

/// The class and the code of a driver's error. Its text may hold keys, so it is not passed on (clause E2).
#[derive(Debug, thiserror::Error)]
#[error("{class}, code {code}")]
struct Source {
    class: String,
    code: String,
}

/// The error of a command that failed. `may_have_run`: a write that was sent, and not refused.
pub(crate) fn from_redis(error: &RedisError, may_have_run: bool) -> Error {
    let (kind, message) = classify(error);
    let converted = Error::new(kind, message).with_source(source(error));
    if may_have_run { converted.with_outcome_unknown() } else { converted }
}

/// The same about one record: a key of another type is in its way.
pub(crate) fn about(error: Error, key: &SessionKey) -> Error {
    if error.kind() == ErrorKind::Corrupt { error.with_key(*key) } else { error }
}

fn source(error: &RedisError) -> Source {
    Source { class: error.category().to_owned(), code: error.code().unwrap_or("none").to_owned() }
}

fn classify(error: &RedisError) -> (ErrorKind, &'static str) {
    match error.kind() {
        Driver::Io if error.is_timeout() => (ErrorKind::Timeout, "no answer from the Redis server in time"),
        Driver::Io => of_tls(error).unwrap_or(NO_CONNECTION),
        Driver::ClusterConnectionNotFound => NO_CONNECTION,
        // The driver names nothing else so.
        Driver::InvalidClientConfig if error.to_string().contains("sentinel") => (
            ErrorKind::Config,
            "what answers is no Sentinel; `Server::sentinel` takes the addresses of Sentinels, not of a master",
        ),
        Driver::Parse => {
            (ErrorKind::Config, "what answers is no Redis server, or wants TLS (rediss://); check the address")
        }
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

/// What rustls has found wrong.
#[cfg(feature = "tls")]
fn of_tls(error: &RedisError) -> Option<(ErrorKind, &'static str)> {
    use std::error::Error as StdError;
    use std::sync::Arc;

    // The driver shares its sources.
    let shared = error.source()?.downcast_ref::<Arc<dyn StdError + Send + Sync>>()?;
    let cause = shared.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match cause {
        rustls::Error::InvalidCertificate(_) => (
            ErrorKind::Config,
            "the Redis server's TLS certificate is not trusted, or is for another name than the URL's; \
             `redis::Client::build_with_tls` takes certificates of your own",
        ),
        _ => (ErrorKind::Config, "the Redis server speaks no TLS there, or no kind that rustls does; check the port"),
    })
}

#[cfg(not(feature = "tls"))]
fn of_tls(_error: &RedisError) -> Option<(ErrorKind, &'static str)> {
    None
}

const NO_CONNECTION: (ErrorKind, &str) = (
    ErrorKind::Unavailable,
    "no connection to the Redis server; is it running, is its address right, and does it want TLS (rediss://)?",
);

const WRONG_PASSWORD: (ErrorKind, &str) =
    (ErrorKind::Config, "the Redis server refuses the user or the password; set them in the URL");

pub(crate) const LACKS_RIGHTS: (ErrorKind, &str) =
    (ErrorKind::Config, "the Redis user lacks rights; the page of session-store-redis lists the ACL it needs");

const IS_A_REPLICA: (ErrorKind, &str) =
    (ErrorKind::Unavailable, "the Redis server is a replica now, and takes no writes");

const OTHER: (ErrorKind, &str) = (ErrorKind::Internal, "the Redis server refused a command of the store");

fn of_server(kind: Server, error: &RedisError) -> (ErrorKind, &'static str) {
    match kind {
        Server::BusyLoading => (ErrorKind::Unavailable, "the Redis server is still loading its data"),
        Server::ReadOnly => IS_A_REPLICA,
        Server::MasterDown => (ErrorKind::Unavailable, "the Redis server is a replica that has lost its master"),
        Server::ClusterDown => (ErrorKind::Unavailable, "the Redis Cluster does not serve all slots now"),
        Server::TryAgain => (ErrorKind::Unavailable, "the slot of this key is being moved"),
        Server::Moved | Server::Ask => (
            ErrorKind::Unavailable,
            "the slot of this key is on a node of the Redis Cluster that is not known yet, or the client is not one for \
             a Cluster; `Server::cluster` makes one",
        ),
        Server::CrossSlot => (ErrorKind::Config, "this is a Redis Cluster; use `Server::cluster`"),
        Server::NoPerm => LACKS_RIGHTS,
        Server::ResponseError => of_text(error.detail().unwrap_or_default()),
        _ => OTHER,
    }
}

/// Errors without a code of their own.
fn of_text(text: &str) -> (ErrorKind, &'static str) {
    // Before Redis 7, an error inside a script came as a text.
    let codes = ["OOM", "MISCONF", "READONLY", "NOREPLICAS", "WRONGTYPE", "NOPERM"];
    if let Some(code) = codes.into_iter().find(|code| text.contains(code)) {
        return of_code(code);
    }
    if text.contains("cannot be used with replica") {
        return IS_A_REPLICA;
    }
    if text.contains("max number of clients") {
        return (ErrorKind::Unavailable, "the Redis server has as many clients as it allows");
    }
    if text.contains("DB index is out of range") {
        return (ErrorKind::Config, "the Redis server has no database of the number at the end of the URL");
    }
    if text.contains("not allowed in cluster mode") {
        return (ErrorKind::Config, "this is a Redis Cluster; use `Server::cluster`, without a database's number");
    }
    if text.contains("cluster support disabled") {
        return (ErrorKind::Config, "this is no Redis Cluster; give the URL of the one server instead");
    }
    // Also Redis 7 says the latter two of a command inside a script.
    if ["permission", "can't access", "can't run"].into_iter().any(|words| text.contains(words)) {
        return LACKS_RIGHTS;
    }
    OTHER
}

fn of_code(code: &str) -> (ErrorKind, &'static str) {
    match code {
        "NOAUTH" | "WRONGPASS" => WRONG_PASSWORD,
        "NOPERM" => LACKS_RIGHTS,
        // The latter is what a WAIT is told whose server is demoted.
        "READONLY" | "UNBLOCKED" => IS_A_REPLICA,
        "WRONGTYPE" => (
            ErrorKind::Corrupt,
            "a key of another type is in the way of the store's; give the store a prefix that nothing else uses",
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> RedisError {
        let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
        answer.extract_error().unwrap_err()
    }

    #[test]
    fn every_answer_of_a_server_has_its_kind() {
        use ErrorKind::{Config, Corrupt, Internal, Unavailable};
        let table = [
            ("LOADING Redis is loading the dataset in memory", Unavailable),
            ("READONLY You can't write against a read only replica.", Unavailable),
            ("MASTERDOWN Link with MASTER is down", Unavailable),
            ("CLUSTERDOWN The cluster is down", Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable),
            ("MOVED 3999 127.0.0.1:6381", Unavailable),
            ("ASK 3999 127.0.0.1:6381", Unavailable),
            ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", Unavailable),
            (
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                Unavailable,
            ),
            ("ERR WAIT cannot be used with replica instances.", Unavailable),
            ("BUSY Redis is busy running a script.", Unavailable),
            ("ERR max number of clients reached", Unavailable),
            ("ERR Error running script: @user_script: 1: -OOM command not allowed", Unavailable),
            ("NOAUTH Authentication required.", Config),
            ("WRONGPASS invalid username-password pair", Config),
            ("NOPERM this user has no permissions to run the 'get' command", Config),
            ("ERR This instance has cluster support disabled", Config),
            ("CROSSSLOT Keys in request don't hash to the same slot", Config),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt),
            ("ERR Error running script: @user_script: 1: WRONGTYPE Operation against a key", Corrupt),
            ("ERR unknown command 'EVALSHA'", Internal),
            ("SOMETHING new", Internal),
        ];
        for (text, kind) in table {
            let error = from_redis(&answer(text), false);
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.is_transient(), kind == Unavailable, "{text}");
        }
    }

    #[test]
    fn the_texts_of_the_server_are_not_passed_on() {
        for text in ["WRONGTYPE secret", "ERR secret", "SECRET secret", "NOPERM secret", "MOVED 1 secret:1"] {
            let error = from_redis(&answer(text), true);
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap();
            for shown in [error.to_string(), format!("{error:?}"), source] {
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
