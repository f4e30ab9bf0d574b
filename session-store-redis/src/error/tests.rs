use std::iter;

use ErrorKind::{Config, Corrupt, Internal, InvalidInput, Timeout, Unavailable};

use super::*;

fn answer(text: &str) -> RedisError {
    let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
    answer.extract_error().unwrap_err()
}

fn broken(kind: io::ErrorKind) -> RedisError {
    io::Error::from(kind).into()
}

fn unparsable() -> RedisError {
    redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err()
}

/// All that the store learns of an error.
#[derive(Debug, Eq, PartialEq)]
struct Learned {
    kind: ErrorKind,
    retry: Retry,
    is_ambiguous: bool,
    is_of_statement: bool,
    is_transient: bool,
}

fn learned(error: &Error, is_cluster: bool) -> Learned {
    let failure = classify(error, is_cluster);
    Learned {
        kind: failure.kind(),
        retry: failure.retry(),
        is_ambiguous: failure.is_ambiguous(),
        is_of_statement: !failure.may_be_of_record(),
        is_transient: failure.into_error().is_transient(),
    }
}

/// Answers of a server: the kind, and whether the answer is final of a Cluster's node too.
const ANSWERS: [(&str, ErrorKind, bool); 30] = [
    ("LOADING Redis is loading the dataset in memory", Unavailable, false),
    ("READONLY You can't write against a read only replica.", Unavailable, true),
    ("MASTERDOWN Link with MASTER is down", Unavailable, false),
    ("CLUSTERDOWN Hash slot not served", Unavailable, false),
    ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, true),
    ("MOVED 3999 127.0.0.1:6381", Unavailable, true),
    ("ASK 3999 127.0.0.1:6381", Unavailable, true),
    ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable, true),
    ("MISCONF Redis is configured to save RDB snapshots", Unavailable, true),
    ("NOREPLICAS Not enough good replicas to write.", Unavailable, true),
    (
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        Unavailable,
        false,
    ),
    ("ERR WAIT cannot be used with replica instances.", Unavailable, false),
    ("BUSY Redis is busy running a script.", Unavailable, false),
    ("ERR max number of clients reached", Unavailable, false),
    ("ERR Error running script: @user_script: 1: -OOM command not allowed", Unavailable, false),
    ("NOAUTH Authentication required.", Config, false),
    ("WRONGPASS invalid username-password pair", Config, false),
    ("NOPERM this user has no permissions to run the 'get' command", Config, false),
    ("ERR Error running script: The user executing the script can't run this command", Config, false),
    ("DENIED Redis is running in protected mode", Config, false),
    ("ERR DB index is out of range", Config, false),
    ("ERR SELECT is not allowed in cluster mode", Config, false),
    ("ERR This instance has cluster support disabled", Config, false),
    ("CROSSSLOT Keys in request don't hash to the same slot", Config, true),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt, true),
    ("ERR Error running script: @user_script: 1: WRONGTYPE Operation against a key", Corrupt, false),
    ("NOSCRIPT No matching script.", Internal, true),
    ("ERR unknown command 'EVALSHA'", Internal, false),
    ("ERR something new", Internal, false),
    ("SOMETHING new", Internal, false),
];

#[test]
fn an_answer_is_final_and_its_command_was_not_executed() {
    for (text, kind, is_final_on_cluster) in ANSWERS {
        for is_cluster in [false, true] {
            let expected = Learned {
                kind,
                retry: Retry::Never,
                is_ambiguous: is_cluster && !is_final_on_cluster,
                is_of_statement: kind != Internal,
                is_transient: kind == Unavailable,
            };
            assert_eq!(learned(&Error::Command(answer(text)), is_cluster), expected, "{text}");
        }
        let waited = learned(&Error::Wait(answer(text)), false);
        assert!(waited.is_ambiguous && waited.kind == kind && waited.retry == Retry::Never, "{text}");
    }
}

#[test]
fn a_connection_that_breaks_is_ambiguous_and_no_connection_is_not() {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected, NotFound, TimedOut,
        UnexpectedEof,
    };
    let row = |kind, retry, is_ambiguous| Learned {
        kind,
        retry,
        is_ambiguous,
        is_of_statement: true,
        is_transient: kind != Config,
    };
    for kind in [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof] {
        let broke = row(Unavailable, Retry::UntilDeadline, true);
        assert_eq!(learned(&Error::Command(broken(kind)), false), broke, "{kind}");
    }
    for kind in [ConnectionRefused, NotConnected, NotFound] {
        let none = row(Unavailable, Retry::Never, true);
        assert_eq!(learned(&Error::Command(broken(kind)), false), none, "{kind}");
    }
    assert_eq!(learned(&Error::Command(broken(TimedOut)), false), row(Timeout, Retry::Never, true));
    assert_eq!(learned(&Error::Command(unparsable()), false), row(Unavailable, Retry::UntilDeadline, true));
    for kind in [BrokenPipe, ConnectionRefused, ConnectionReset, NotConnected, NotFound] {
        let none = row(Unavailable, Retry::Never, false);
        assert_eq!(learned(&Error::Connect(broken(kind)), false), none, "{kind}");
    }
    assert_eq!(learned(&Error::Connect(broken(TimedOut)), false), row(Timeout, Retry::Never, false));
    assert_eq!(learned(&Error::Connect(unparsable()), false), row(Config, Retry::Never, false));
}

#[test]
fn what_the_driver_finds_wrong_is_final() {
    let table = [
        (Driver::ClusterConnectionNotFound, Unavailable),
        (Driver::MasterNameNotFoundBySentinel, Unavailable),
        (Driver::AuthenticationFailed, Config),
        (Driver::InvalidClientConfig, Config),
        (Driver::EmptySentinelList, Config),
        (Driver::RESP3NotSupported, Config),
        (Driver::Client, Internal),
        (Driver::UnexpectedReturnType, Internal),
    ];
    for (kind, expected) in table {
        let error = || RedisError::from((kind, "the driver's text"));
        let row = |is_ambiguous| Learned {
            kind: expected,
            retry: Retry::Never,
            is_ambiguous,
            is_of_statement: expected != Internal,
            is_transient: expected == Unavailable,
        };
        assert_eq!(learned(&Error::Command(error()), false), row(true), "{kind:?}");
        assert_eq!(learned(&Error::Connect(error()), false), row(false), "{kind:?}");
    }
}

#[test]
fn what_the_backend_finds_wrong() {
    let row = |kind, is_ambiguous, is_of_statement, is_transient| Learned {
        kind,
        retry: Retry::Never,
        is_ambiguous,
        is_of_statement,
        is_transient,
    };
    let table = [
        (Error::TooFewReplicas { confirmed: 0, needed: 1 }, row(Unavailable, true, true, true)),
        (Error::Undecided(Box::new(Error::Command(answer("READONLY")))), row(Unavailable, true, true, true)),
        (
            Error::Undecided(Box::new(Error::Command(broken(io::ErrorKind::BrokenPipe)))),
            row(Unavailable, true, true, true),
        ),
        (Error::Corrupt("a reason"), row(Corrupt, false, false, false)),
        (Error::Unexpected, row(Internal, true, true, false)),
        (Error::Times, row(InvalidInput, false, false, false)),
        (Error::SlotsMove, row(Unavailable, false, true, true)),
        (Error::SlotsMoved, row(Unavailable, false, true, false)),
        (Error::Closed, row(Unavailable, false, true, false)),
    ];
    for (error, expected) in table {
        assert_eq!(learned(&error, false), expected, "{error:?}");
    }
}

#[test]
fn a_key_of_another_type_is_a_corrupt_record() {
    for text in ["WRONGTYPE Operation", "ERR Error running script: WRONGTYPE Operation"] {
        assert!(matches!(Error::of_record(answer(text)), Error::Corrupt(_)));
    }
    assert!(matches!(Error::of_record(answer("OOM")), Error::Command(_)));
}

#[test]
fn the_texts_of_the_server_are_not_passed_on() {
    for text in ["WRONGTYPE secret", "ERR secret", "SECRET secret", "NOPERM secret", "MOVED 1 secret:1"] {
        for error in [Error::Command(answer(text)), Error::Connect(answer(text)), Error::Wait(answer(text))] {
            let debug = format!("{error:?}");
            let error = classify(&error, false).into_error();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap();
            for shown in [error.to_string(), format!("{error:?}"), source].into_iter().chain(iter::once(debug)) {
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    }
}
