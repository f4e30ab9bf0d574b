//! What a server answers.

use redis::{RedisError, Value};
use session_store_core::{Error, ErrorKind, Namespace, Result};

use super::record::{record, user};
use super::{KEY, TO, assert_is_one_of};
use crate::check::{Info, check};
use crate::error::from_redis;
use crate::keys::{Keys, session_key};
use crate::record::no_record;
use crate::shared::{server_time, unexpected};
use crate::wire::{is_refusal, listed, parse, parse_written, status};

/// `bytes` are an answer that all that reads answers takes, or refuses; a refusal shows nothing of them.
pub fn answer(bytes: &[u8]) {
    // What is no answer is refused by the driver.
    let Ok(value) = redis::parse_redis_value(bytes) else { return };
    match value.extract_error() {
        Ok(value) => {
            reads(&value);
            writes(&value);
            #[cfg(feature = "cluster")]
            crate::cluster::fuzzing::answer(&value, &KEY);
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
    let keys = Keys::new(&Namespace::new("shop").unwrap());
    for key in read::<(String, Vec<Vec<u8>>)>(value).map_or_else(Vec::new, |(_, keys)| keys) {
        if let Some(session) = keys.session_of(&key) {
            assert_eq!(keys.session(&session), key);
        }
    }
    read::<(u64, Vec<u8>)>(value);
    or_unexpected(server_time(value.clone()));
}

fn read<T: redis::FromRedisValue>(value: &Value) -> Option<T> {
    or_unexpected(parse(value.clone()))
}

fn or_unexpected<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error| assert_is_one_of(&error, &[unexpected()])).ok()
}

/// What a script is answered that changes a session.
fn writes(value: &Value) {
    let unknown = || unexpected().with_outcome_unknown();
    let done = parse_written::<Vec<u8>>(value.clone()).and_then(|answer| status(&answer, &KEY, &TO));
    let Err(error) = done else { return assert!(!is_refusal(value)) };
    let refusals = [Error::already_exists(&KEY), Error::not_found(&KEY), Error::conflict(&KEY), no_record(&KEY)];
    let refusals = refusals.into_iter().chain([Error::already_exists(&TO), no_record(&TO)]);
    assert_is_one_of(&error, &refusals.chain([unknown()]).collect::<Vec<_>>());
    let says_mark = matches!(value, Value::BulkString(text) if text == b"MARK");
    assert!(!is_refusal(value) || matches!(value, Value::Array(_)) || says_mark || !error.outcome_unknown());
    if let Err(error) = parse_written::<u64>(value.clone()) {
        assert_is_one_of(&error, &[unknown()]);
    }
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

/// The server's own errors, of which the code alone is shown. What is told apart by its text is told apart all the same
/// with something behind it.
fn refused(error: &RedisError) {
    const BEHIND: &str = "nobody-says-this";
    let (Some(code), detail) = (error.code(), error.detail().unwrap_or_default()) else { return };
    if code.contains(BEHIND) || code.contains([' ', '\r', '\n']) {
        return;
    }
    let longer = format!("-{code} {} {BEHIND}\r\n", detail.replace(['\r', '\n'], " "));
    let longer = redis::parse_redis_value(longer.as_bytes()).unwrap().extract_error().unwrap_err();
    for may_have_run in [false, true] {
        assert_eq!(from_redis(error, may_have_run).outcome_unknown(), may_have_run);
        let converted = from_redis(&longer, may_have_run);
        let shown = format!("{converted} {converted:?} {}", std::error::Error::source(&converted).unwrap());
        assert!(!shown.contains(BEHIND), "{shown}");
    }
}
