//! The contract's arithmetic on time, as tables of cases: what a write, a touch and a reading clock do.

use std::time::Duration;

use session_store_core::{Bytes, Entry, ErrorKind, Meta, Owner, Record, SessionKey, Timestamp, UserId, Version, Write};

const MS: Duration = Duration::from_millis(1);
const MAX: Duration = Duration::MAX;
const OLD: Version = Version::from_bytes([1; 16]);
const NEW: Version = Version::from_bytes([2; 16]);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A session of alice with these four times: created, last seen, expires, deadline.
fn meta([created_at, last_seen_at, expires_at, deadline]: [i64; 4]) -> Meta {
    Meta {
        user: Some(user("alice")),
        created_at: at(created_at),
        last_seen_at: at(last_seen_at),
        expires_at: at(expires_at),
        deadline: at(deadline),
        version: OLD,
    }
}

fn times(meta: &Meta) -> [i64; 4] {
    [meta.created_at, meta.last_seen_at, meta.expires_at, meta.deadline].map(Timestamp::as_millis)
}

#[test]
fn s6_what_a_write_leaves() {
    struct Case {
        why: &'static str,
        before: Option<[i64; 4]>,
        now: i64,
        idle: u32,
        absolute: u32,
        after: [i64; 4],
    }
    let cases = [
        Case {
            why: "a new record is created now, and the idle timeout ends it",
            before: None,
            now: 1_000,
            idle: 30,
            absolute: 100,
            after: [1_000, 1_000, 1_030, 1_100],
        },
        Case {
            why: "the deadline comes first where the idle timeout is longer",
            before: None,
            now: 1_000,
            idle: 300,
            absolute: 100,
            after: [1_000, 1_000, 1_100, 1_100],
        },
        Case {
            why: "any other write keeps created_at and the deadline with it",
            before: Some([1_000, 1_000, 1_030, 1_100]),
            now: 1_020,
            idle: 30,
            absolute: 100,
            after: [1_000, 1_020, 1_050, 1_100],
        },
        Case {
            why: "saving never buys time past the absolute timeout",
            before: Some([1_000, 1_080, 1_100, 1_100]),
            now: 1_090,
            idle: 30,
            absolute: 100,
            after: [1_000, 1_090, 1_100, 1_100],
        },
        Case {
            why: "a longer policy reaches a session at its next save",
            before: Some([1_000, 1_000, 1_030, 1_100]),
            now: 1_020,
            idle: 500,
            absolute: 1_000,
            after: [1_000, 1_020, 1_520, 2_000],
        },
        Case {
            why: "a shorter policy reaches it too, and takes time back that a touch had given",
            before: Some([1_000, 1_010, 1_060, 1_100]),
            now: 1_020,
            idle: 10,
            absolute: 50,
            after: [1_000, 1_020, 1_030, 1_050],
        },
        Case {
            why: "a write may be dead at once",
            before: Some([1_000, 1_000, 1_030, 1_100]),
            now: 1_020,
            idle: 10,
            absolute: 15,
            after: [1_000, 1_020, 1_015, 1_015],
        },
        Case {
            why: "under a clock that stepped back, last_seen_at is its now",
            before: Some([1_000, 1_050, 1_080, 1_100]),
            now: 900,
            idle: 30,
            absolute: 100,
            after: [1_000, 900, 930, 1_100],
        },
        Case {
            why: "times before 1970 are times",
            before: None,
            now: -50,
            idle: 30,
            absolute: 100,
            after: [-50, -50, -20, 50],
        },
    ];
    for Case { why, before, now, idle, absolute, after } in cases {
        let write = Write::new("data", idle * MS, absolute * MS).unwrap();
        let written = Meta::written(&write, before.map(meta).as_ref(), at(now), NEW);
        assert_eq!(times(&written), after, "{why}");
        assert_eq!(written.version, NEW, "{why}");
    }
}

#[test]
fn s5_the_owner_that_a_write_leaves() {
    let alice = meta([0, 0, 10, 10]);
    let nobody = Meta { user: None, ..alice.clone() };
    let cases = [
        (Owner::Keep, None, None),
        (Owner::Keep, Some(&nobody), None),
        (Owner::Keep, Some(&alice), Some(user("alice"))),
        (Owner::Anonymous, None, None),
        (Owner::Anonymous, Some(&alice), None),
        (Owner::User(user("bob")), None, Some(user("bob"))),
        (Owner::User(user("bob")), Some(&nobody), Some(user("bob"))),
        (Owner::User(user("bob")), Some(&alice), Some(user("bob"))),
    ];
    for (owner, before, after) in cases {
        let write = Write::new("data", MS, MS).unwrap().with_owner(owner.clone());
        let written = Meta::written(&write, before, at(0), NEW);
        assert!(written.user == after, "{owner:?} on {before:?}");
    }
}

#[test]
fn t1_what_a_touch_leaves() {
    let cases = [
        ("it keeps the session alive", [0, 0, 30, 100], 20, 30, [0, 20, 50, 100]),
        ("but not past the deadline", [0, 0, 30, 100], 20, 300, [0, 20, 100, 100]),
        ("a shorter timeout takes nothing back", [0, 0, 90, 100], 20, 30, [0, 20, 90, 100]),
        ("the shortest one is enough to be seen", [0, 0, 90, 100], 20, 1, [0, 20, 90, 100]),
        ("T4: one that is overtaken moves nothing back", [0, 50, 80, 100], 40, 30, [0, 50, 80, 100]),
        ("T4: one that is overtaken may still have the longer timeout", [0, 50, 60, 100], 40, 30, [0, 50, 70, 100]),
        ("T4: nor does a clock that stepped back", [0, 50, 80, 100], -500, 30, [0, 50, 80, 100]),
    ];
    for (why, before, now, idle, after) in cases {
        let mut touched = meta(before);
        touched.touch(idle * MS, at(now));
        assert_eq!(touched, meta(after), "{why}; and T3: owner and version stay");
    }
}

#[test]
fn t4_touches_leave_the_same_in_either_order() {
    let touches = [(20, 30), (25, 10), (40, 5), (40, 50)];
    for (one, one_idle) in touches {
        for (other, other_idle) in touches {
            let mut first = meta([0, 0, 30, 60]);
            let mut second = first.clone();
            first.touch(one_idle * MS, at(one));
            first.touch(other_idle * MS, at(other));
            second.touch(other_idle * MS, at(other));
            second.touch(one_idle * MS, at(one));
            assert_eq!(first, second);
        }
    }
}

#[test]
fn g1_live_before_both_expiry_and_deadline() {
    let cases = [
        ([0, 0, 30, 100], 29, true),
        ([0, 0, 30, 100], 30, false),
        ([0, 0, 30, 100], 31, false),
        ([0, 0, 100, 100], 99, true),
        ([0, 0, 100, 100], 100, false),
        ([0, 20, 15, 15], 20, false),
        ([0, 0, 30, 100], -1, true),
    ];
    for (times, now, live) in cases {
        assert_eq!(meta(times).is_live(at(now)), live, "{times:?} at {now}");
    }
}

#[test]
fn z1_times_that_contradict_each_other_are_corrupt() {
    let key = SessionKey::from_bytes([7; 32]);
    let written = [[0, 0, 30, 100], [0, 0, 100, 100], [0, 20, 15, 15], [1_000, 900, 930, 1_100], [0, 0, 1, 1]];
    for times in written {
        assert!(meta(times).check(&key).is_ok(), "{times:?}");
    }
    for times in [[0, 0, 101, 100], [100, 100, 100, 100], [101, 101, 100, 100], [0, 0, i64::MAX, 100]] {
        let error = meta(times).check(&key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{times:?}");
        assert_eq!(error.to_string(), "the times of the record contradict each other");
        assert_eq!(error.key(), Some(&key));
    }
}

#[test]
fn whatever_writes_and_touches_leave_is_not_corrupt() {
    let key = SessionKey::from_bytes([7; 32]);
    for now in [0, 5, 1_000, 90] {
        for (idle, absolute) in [(1, 1), (1, 500), (500, 1), (50, 100)] {
            let write = Write::new("data", idle * MS, absolute * MS).unwrap();
            let mut meta = Meta::written(&write, None, at(now), NEW);
            for later in [now + 1, now - 70, now + 2_000] {
                meta.touch(idle * MS, at(later));
                assert!(meta.check(&key).is_ok());
                meta = Meta::written(&write, Some(&meta), at(later), NEW);
                assert!(meta.check(&key).is_ok());
            }
        }
    }
}

#[test]
fn timestamps_stop_at_the_last_one() {
    let cases = [
        (0, 90 * MS, 90),
        (0, Duration::from_nanos(1_999_999), 1),
        (-100, 90 * MS, -10),
        (i64::MAX - 1, MS, i64::MAX),
        (i64::MAX, MS, i64::MAX),
        (0, MAX, i64::MAX),
        (i64::MIN, MAX, -1),
    ];
    for (start, duration, end) in cases {
        assert_eq!(at(start).saturating_add(duration), at(end), "{start} + {duration:?}");
    }
}

#[test]
fn ages_stop_at_zero() {
    let cases = [
        (90, 0, 90 * MS),
        (0, 0, Duration::ZERO),
        (0, 90, Duration::ZERO),
        (10, -10, 20 * MS),
        (i64::MIN, i64::MAX, Duration::ZERO),
        (i64::MAX, i64::MIN, Duration::from_millis(9_223_372_036_854_775_807)),
    ];
    for (later, earlier, age) in cases {
        assert_eq!(at(later).saturating_since(at(earlier)), age, "{later} - {earlier}");
    }
}

#[test]
fn debug_shows_no_key_user_or_data() {
    let meta = meta([1, 2, 3, 4]);
    let record = Record { meta: meta.clone(), data: Bytes::from_static(b"hunter2"), read_at: at(2) };
    let entry = Entry { key: SessionKey::from_bytes([0xAB; 32]), meta };
    let meta = "Meta { user: Some(UserId(redacted)), created_at: Timestamp(1), last_seen_at: Timestamp(2), \
                expires_at: Timestamp(3), deadline: Timestamp(4), version: Version(01010101010101010101010101010101) }";
    assert_eq!(format!("{record:?}"), format!("Record {{ meta: {meta}, data: 7 bytes, read_at: Timestamp(2) }}"));
    assert_eq!(format!("{entry:?}"), format!("Entry {{ key: SessionKey(redacted), meta: {meta} }}"));
}
