//! Every error that a server may answer with, and answers that no server gives.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, SessionStore as _};
use tokio::time::timeout;

use crate::support::{SHORT, SLACK, all_text, builder, open, timed};

use ErrorKind::{Config, Corrupt, Internal, Unavailable};
use testkit::failures::operations::{BULK, Fixture, ON_KEYS, Operation, WRITES, all};
use testkit::servers::FakeRedis;

/// What the server says, and what the store makes of it: the kind, and words of the advice.
const REFUSALS: [(&str, ErrorKind, &str); 30] = [
    ("LOADING Redis is loading the dataset in memory", Unavailable, "loading"),
    ("READONLY You can't write against a read only replica.", Unavailable, "replica"),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Unavailable, "master"),
    ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable, "maxmemory"),
    ("MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk.", Unavailable, "disk"),
    ("NOREPLICAS Not enough good replicas to write.", Unavailable, "replicas"),
    ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", Unavailable, "busy"),
    ("CLUSTERDOWN Hash slot not served", Unavailable, "Cluster"),
    ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, "slot"),
    ("ERR max number of clients reached", Unavailable, "clients"),
    ("MOVED 3999 127.0.0.1:6381", Unavailable, "RedisEndpoint::cluster"),
    ("CROSSSLOT Keys in request don't hash to the same slot", Config, "RedisEndpoint::cluster"),
    ("NOPERM this user has no permissions to run the 'evalsha' command", Config, "ACL"),
    ("NOPERM No permissions to access a key", Config, "ACL"),
    ("NOAUTH Authentication required.", Config, "password"),
    ("WRONGPASS invalid username-password pair or user is disabled.", Config, "password"),
    ("DENIED Redis is running in protected mode because protected mode is enabled", Config, "protected mode"),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt, "prefix"),
    ("NOSCRIPT No matching script. Please use EVAL.", Internal, "refused a command"),
    ("ERR unknown command 'EVALSHA', with args beginning with: ", Internal, "refused a command"),
    ("ERR something new", Internal, "refused a command"),
    ("WHATEVER something new", Internal, "refused a command"),
    ("WHATEVER", Internal, "refused a command"),
    // As releases before 7 say it of a command inside a script.
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: -OOM command not allowed when used memory > 'maxmemory'.",
        Unavailable,
        "maxmemory",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: -READONLY You can't write against a read only replica.",
        Unavailable,
        "replica",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: -MISCONF Redis is configured to save RDB snapshots",
        Unavailable,
        "disk",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: -NOREPLICAS Not enough good replicas to write.",
        Unavailable,
        "replicas",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: The user executing the script can't run this command or subcommand",
        Config,
        "ACL",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         @user_script: 61: The user executing the script can't access at least one of the keys mentioned",
        Config,
        "ACL",
    ),
    (
        "ERR Error running script (call to f_1): @user_script:61: \
         WRONGTYPE Operation against a key holding the wrong kind of value",
        Corrupt,
        "prefix",
    ),
];

fn check(said: &str, operation: Operation, error: &Error, kind: ErrorKind, advice: &str) -> Result<(), String> {
    let found = (error.kind(), error.is_transient(), error.outcome_unknown());
    let is_right = found == (kind, kind == Unavailable, false) && error.to_string().contains(advice);
    // Nothing of the server's text, which may name keys.
    let is_discreet = !all_text(error).contains("user_script") && !all_text(error).contains("evalsha");
    if is_right && is_discreet {
        return Ok(());
    }
    Err(format!("{operation:?} on {said:?}: {found:?}, {}", all_text(error)))
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_is_of_known_outcome() {
    let server = FakeRedis::start("").await.unwrap();
    let store = open(server.url()).await;
    let mut wrong = Vec::new();
    for (said, kind, advice) in REFUSALS {
        server.answer_with(&format!("-{said}"));
        for operation in all() {
            // Only scripts are sent again in full, and only their keys have types.
            let error = operation.run(&store, &Fixture::without_session()).await.unwrap_err();
            wrong.extend(check(said, operation, &error, kind, advice).err());
        }
    }
    assert!(wrong.is_empty(), "{}\n", wrong.join("\n"));
}

#[tokio::test]
async fn a_script_that_stays_unknown_is_sent_twice_and_no_more() {
    let server = FakeRedis::start("").await.unwrap();
    let store = open(server.url()).await;
    server.answer_with("-NOSCRIPT No matching script. Please use EVAL.");
    let before = server.commands().len();
    let error = Operation::Touch.run(&store, &Fixture::without_session()).await.unwrap_err();
    assert!(!error.outcome_unknown() && !error.is_transient());
    let commands = server.commands();
    let scripts: Vec<_> =
        commands[before..].iter().map(String::as_str).filter(|name| name.starts_with("EVAL")).collect();
    assert_eq!(scripts, ["EVALSHA", "EVAL"]);
}

/// Answers of a form that no operation expects of its command.
const NONSENSE: [&str; 14] = [
    ":5",
    ":-1",
    "$-1",
    "$0\r\n\r\n",
    "$3\r\nabc\r\n",
    "$2\r\n\x7f\x01\r\n",
    "+PONG",
    "*-1",
    "*0",
    "*1\r\n$2\r\nOK\r\n",
    "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
    "*3\r\n$-1\r\n$-1\r\n$-1\r\n",
    "*2\r\n$1\r\n0\r\n*2\r\n:1\r\n*0\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
];

#[tokio::test]
async fn an_answer_of_another_form_is_an_error_and_no_panic() {
    let server = FakeRedis::start("").await.unwrap();
    // As a cursor, some of these have no end.
    let store = builder(server.url()).bulk_timeout(SHORT).build().await.unwrap();
    for answer in NONSENSE {
        server.answer_with(answer);
        for operation in all() {
            let fixture = Fixture::without_session();
            let outcome = timeout(Duration::from_secs(2), operation.run(&store, &fixture)).await;
            let outcome = outcome.unwrap_or_else(|_| panic!("{operation:?} does not end on {answer:?}"));
            if let Err(error) = outcome {
                let is_endless = BULK.contains(&operation) && error.kind() == ErrorKind::Timeout;
                assert!(is_endless || matches!(error.kind(), Internal | Corrupt), "{operation:?}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_write_is_not_acknowledged_by_an_answer_of_another_form() {
    let server = FakeRedis::start("").await.unwrap();
    let store = open(server.url()).await;
    for answer in [":1", "$-1", "*0", "$3\r\nabc\r\n", "*2\r\n$2\r\nOK\r\n$2\r\nOK\r\n"] {
        server.answer_with(answer);
        for operation in WRITES {
            // The number of sessions that ended is an answer to `destroy`.
            if operation == Operation::Destroy && answer == ":1" {
                continue;
            }
            let error = operation.run(&store, &Fixture::without_session()).await.unwrap_err();
            assert_eq!(error.kind(), Internal, "{operation:?} on {answer:?}: {error:?}");
            // It may well have happened.
            assert!(error.outcome_unknown(), "{operation:?} on {answer:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_get_tells_nothing_from_foreign_bytes() {
    let server = FakeRedis::start("$-1").await.unwrap();
    let store = open(server.url()).await;
    let key = Fixture::without_session().live;
    assert!(store.get(&key).await.unwrap().is_none());
    server.answer_with("$3\r\nabc\r\n");
    let error = store.get(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (Corrupt, Some(&key)));
}

#[tokio::test]
async fn a_scan_without_end_ends_in_the_bulk_timeout() {
    let server = FakeRedis::start("*2\r\n$1\r\n5\r\n*0\r\n").await.unwrap();
    let store = builder(server.url()).bulk_timeout(SHORT).build().await.unwrap();
    let sweeps = [Operation::Prune, Operation::Count, Operation::Clear].map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &Fixture::without_session())).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Timeout, true), "{operation:?}: {error}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(sweeps).await;
}

#[tokio::test]
async fn no_answer_at_all_is_a_timeout() {
    let server = FakeRedis::start("").await.unwrap();
    let store = builder(server.url()).operation_timeout(SHORT).build().await.unwrap();
    let operations = ON_KEYS.map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &Fixture::without_session())).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, operation.is_write()), "{error}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(operations).await;
}
