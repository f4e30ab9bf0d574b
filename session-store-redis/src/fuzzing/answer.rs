//! What a server answers.

use redis::{RedisError, Value};
use session_store_core::backend::Verdict;
use session_store_core::{ErrorKind, Namespace};

use super::record::{record, user};
use crate::error::{Error, classify};
use crate::identifiers::{Keys, session_key};
use crate::protocol::change::{destroy_verdict, destroyed};
use crate::protocol::scan::scanned;
use crate::protocol::user::{destroyed_by_user, listed_page, pruned};
use crate::protocol::{is_refusal, listed, parse, server_time, verdict};
use crate::server_check::{Info, check};

/// `bytes` are an answer that all that reads answers takes, or refuses; a refusal shows nothing of them.
pub fn answer(bytes: &[u8]) {
    // What is no answer is refused by the driver.
    let Ok(value) = redis::parse_redis_value(bytes) else { return };
    match value.extract_error() {
        Ok(value) => {
            reads(&value);
            writes(&value);
            #[cfg(feature = "cluster")]
            crate::cluster::fuzzing::answer(&value);
            info(&value);
        }
        Err(error) => refused(&error),
    }
}

/// What a command is answered that changes nothing.
fn reads(value: &Value) {
    if let Some(Some(bytes)) = read::<Option<Vec<u8>>>(value) {
        record(&bytes);
    }
    for (member, head) in read::<Vec<(Vec<u8>, Vec<u8>)>>(value).unwrap_or_default() {
        if let Some(key) = session_key(&member) {
            listed(key, &head, &user("alice"));
        }
    }
    if let Some(page) = or_unexpected(listed_page(value.clone(), &user("alice"), 2)) {
        assert!(page.entries.iter().all(|entry| entry.meta.user == Some(user("alice"))));
    }
    let keys = Keys::new(&Namespace::new("shop").unwrap());
    for key in or_unexpected(scanned(value.clone())).map_or_else(Vec::new, |(_, keys)| keys) {
        if let Some(session) = keys.session_of(&key) {
            assert_eq!(keys.session(&session), key);
        }
    }
    or_unexpected(server_time(value.clone()));
}

fn read<T: redis::FromRedisValue>(value: &Value) -> Option<T> {
    or_unexpected(parse(value.clone()))
}

fn or_unexpected<T>(result: Result<T, Error>) -> Option<T> {
    result.map_err(|error| assert!(matches!(error, Error::Unexpected), "{error:?}")).ok()
}

/// What a script is answered that changes a session. What is not understood may have been done.
fn writes(value: &Value) {
    let is_list = matches!(value, Value::Array(_));
    let says_mark = matches!(value, Value::BulkString(text) if text == b"MARK");
    match or_unexpected(verdict(value)) {
        Some(Verdict::Done) => assert!(!is_refusal(value)),
        Some(_) => assert!(is_refusal(value)),
        None => assert!(!is_refusal(value) || is_list || says_mark),
    }
    if let Some(ended) = or_unexpected(destroy_verdict(value.clone())) {
        // What a destroy says is gone must be gone on the replicas.
        assert!(is_list != matches!(ended, Verdict::Conflict | Verdict::Corrupt) && is_list != is_refusal(value));
    }
    or_unexpected(destroyed(value.clone()));
    or_unexpected(destroyed_by_user(value.clone(), b""));
    or_unexpected(pruned(value.clone()));
    assert!(classify(&Error::Unexpected, false).is_ambiguous());
}

/// What INFO is answered.
fn info(value: &Value) {
    let Some(text) = read::<String>(value) else { return };
    for (is_cluster, allow_eviction) in [(false, false), (true, true)] {
        if let Err(error) = check(&Info(text.clone()), is_cluster, allow_eviction) {
            assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::Unavailable));
        }
    }
}

/// The server's own errors, of which the code alone is shown. An error that is recognized by its text is recognized with
/// something behind it, too.
fn refused(error: &RedisError) {
    const BEHIND: &str = "nobody-says-this";
    let (Some(code), detail) = (error.code(), error.detail().unwrap_or_default()) else { return };
    if code.contains(BEHIND) || code.contains([' ', '\r', '\n']) {
        return;
    }
    let longer = format!("-{code} {} {BEHIND}\r\n", detail.replace(['\r', '\n'], " "));
    let longer = redis::parse_redis_value(longer.as_bytes()).unwrap().extract_error().unwrap_err();
    for is_cluster in [false, true] {
        let (error, longer) = (Error::Command(error.clone()), Error::Command(longer.clone()));
        let (short, long) = (classify(&error, is_cluster), classify(&longer, is_cluster));
        assert_eq!((short.retry(), short.is_ambiguous()), (long.retry(), long.is_ambiguous()));
        let converted = long.into_error();
        let shown = format!("{longer:?} {converted} {converted:?} {}", std::error::Error::source(&converted).unwrap());
        assert!(!shown.contains(BEHIND), "{shown}");
    }
}
