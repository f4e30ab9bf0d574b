//! Every bound of the input types, at the bound and one past it (I1, N1, Z1). No refusal shows what it
//! refused.

use std::fmt::Debug;
use std::time::Duration;

use session_store_core::{
    Error, ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, Namespace, Owner, Page, Result, SessionKey, UserId, Version, Write,
    timeout_millis,
};

const MS: Duration = Duration::from_millis(1);
const NS: Duration = Duration::from_nanos(1);
const TEN_YEARS: Duration = Duration::from_hours(87_600);
const HOUR: Duration = Duration::from_hours(1);

fn refused<T: Debug>(result: Result<T>, kind: ErrorKind, text: &str, value: &str) {
    let error: Error = result.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (kind, text.to_owned()));
    assert!(!error.is_transient() && !error.outcome_unknown() && error.key().is_none());
    let shown = format!("{error:?} {error:#?}");
    assert!(value.is_empty() || !shown.contains(value), "it shows {value:?}");
}

#[test]
fn users_have_1_to_256_bytes() {
    for name in ["a", &"x".repeat(256), &"é".repeat(128), "a:b*{c}", " ", "\n", "e\u{301}"] {
        assert_eq!(UserId::new(name).unwrap().as_str(), name);
    }
    for name in ["", &"secret-x-".repeat(29)[..257], &format!("{}secret", "é".repeat(126))] {
        let text = format!("a user has 1 to 256 bytes, not {}", name.len());
        refused(UserId::new(name), ErrorKind::InvalidInput, &text, name);
    }
}

#[test]
fn users_have_no_nul() {
    for name in ["\0", "mallory\0", "\0mallory", "mal\0lory"] {
        refused(UserId::new(name), ErrorKind::InvalidInput, "a user must not contain NUL", "lory");
    }
}

#[test]
fn users_compare_by_bytes() {
    assert_eq!(UserId::new("alice").unwrap(), UserId::new("alice").unwrap());
    assert_ne!(UserId::new("\u{e9}").unwrap(), UserId::new("e\u{301}").unwrap());
    assert_ne!(UserId::new("Alice").unwrap(), UserId::new("alice").unwrap());
    assert!(UserId::new("Z").unwrap() < UserId::new("a").unwrap());
    assert!(UserId::new("z").unwrap() < UserId::new("\u{e9}").unwrap());
}

#[test]
fn namespaces_have_1_to_40_bytes() {
    for name in ["a", &"x".repeat(40), &"é".repeat(20), "shop:*", "it's \"quoted\"", " "] {
        assert_eq!(Namespace::new(name).unwrap().as_str(), name);
    }
    for name in ["", &"n".repeat(41), &"é".repeat(21)] {
        let text = format!("a namespace has 1 to 40 bytes, not {}; choose another name", name.len());
        refused(Namespace::new(name), ErrorKind::Config, &text, name);
    }
}

#[test]
fn namespaces_have_no_nul() {
    for name in ["\0", "shop-7\0", "\0shop-7", "shop-7\0x"] {
        refused(Namespace::new(name), ErrorKind::Config, "a namespace must not contain NUL", "shop-7");
    }
}

#[test]
fn pages_have_1_to_1000_entries() {
    assert_eq!([1, 1_000].map(|limit| Page::first(limit).unwrap().limit()), [1, 1_000]);
    for limit in [0, 1_001, u32::MAX] {
        refused(Page::first(limit), ErrorKind::InvalidInput, "a page has 1 to 1,000 entries", "");
    }
}

#[test]
fn the_next_page_has_the_same_limit() {
    let key = SessionKey::from_bytes([7; 32]);
    let first = Page::first(3).unwrap();
    assert_eq!((first.after(), first.limit()), (None, 3));
    let next = first.following(key);
    assert_eq!((next.after(), next.limit()), (Some(&key), 3));
}

#[test]
fn timeouts_are_1_ms_to_10_years() {
    assert_eq!((MIN_TIMEOUT, MAX_TIMEOUT), (MS, TEN_YEARS));
    for (timeout, millis) in
        [(MS, 1), (Duration::from_nanos(1_999_999), 1), (HOUR, 3_600_000), (TEN_YEARS, 315_360_000_000)]
    {
        assert_eq!(timeout_millis(timeout).unwrap(), millis);
        assert_eq!(Write::new("data", timeout, HOUR).unwrap().idle(), timeout);
        assert_eq!(Write::new("data", HOUR, timeout).unwrap().absolute(), timeout);
    }
    for timeout in [Duration::ZERO, NS, Duration::from_nanos(999_999), TEN_YEARS + NS, TEN_YEARS + MS, Duration::MAX] {
        let text = "a timeout is 1 millisecond to 10 years";
        let value = format!("{timeout:?}");
        refused(timeout_millis(timeout), ErrorKind::InvalidInput, text, &value);
        refused(Write::new("data", timeout, HOUR), ErrorKind::InvalidInput, text, &value);
        refused(Write::new("data", HOUR, timeout), ErrorKind::InvalidInput, text, &value);
    }
}

#[test]
fn data_may_meet_the_limit() {
    let write = |len| Write::new(vec![b'7'; len], HOUR, HOUR).unwrap();
    for (len, limit) in [(0, 0), (0, 1), (10, 10), (10, 11)] {
        assert!(write(len).check_size(limit).is_ok());
    }
    refused(
        write(11).check_size(10),
        ErrorKind::TooLarge,
        "the data has 11 bytes and the limit is 10; keep less in the session or raise the data limit",
        "7777777",
    );
}

#[test]
fn a_write_keeps_the_owner_by_default() {
    let write = Write::new("data", HOUR, 2 * HOUR).unwrap();
    assert_eq!(write.owner(), &Owner::Keep);
    assert_eq!((write.data().as_ref(), write.idle(), write.absolute()), (&b"data"[..], HOUR, 2 * HOUR));
    let owner = Owner::User(UserId::new("alice").unwrap());
    assert_eq!(write.with_owner(owner.clone()).owner(), &owner);
}

#[test]
fn debug_shows_no_user_and_no_data() {
    let user = UserId::new("mallory").unwrap();
    let write = Write::new("hunter2", HOUR, HOUR).unwrap().with_owner(Owner::User(user.clone()));
    assert_eq!(format!("{user:?}"), "UserId(redacted)");
    assert_eq!(
        format!("{write:?}"),
        "Write { owner: User(UserId(redacted)), data: 7 bytes, idle: 3600s, absolute: 3600s }"
    );
    assert_eq!(
        format!("{:?}", Page::first(1).unwrap().following(SessionKey::from_bytes([7; 32]))),
        "Page { after: Some(SessionKey(redacted)), limit: 1 }"
    );
}

#[test]
fn versions_are_never_the_same() {
    let [one, other] = [Version::generate().unwrap(), Version::generate().unwrap()];
    assert_ne!(one, other);
    assert_eq!(Version::from_bytes(*one.as_bytes()), one);
    assert_eq!(one.as_bytes().len(), 16);
}
