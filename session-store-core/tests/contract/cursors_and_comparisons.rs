//! Scan cursors (A2), limits of pages (I1), validated reads (G5) and the times of imported records (W1).

use session_store_core::{
    Bytes, ErrorKind, IfChanged, Meta, Page, Record, ScanCursor, SessionKey, Timestamp, UserId, Version,
};

const OLD: Version = Version::from_bytes([1; 16]);
const NEW: Version = Version::from_bytes([2; 16]);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn meta([created_at, last_seen_at, expires_at, deadline]: [i64; 4]) -> Meta {
    Meta {
        user: Some(UserId::new("alice").unwrap()),
        created_at: at(created_at),
        last_seen_at: at(last_seen_at),
        expires_at: at(expires_at),
        deadline: at(deadline),
        version: OLD,
    }
}

fn record() -> Record {
    Record { meta: meta([1, 2, 3, 4]), data: Bytes::from_static(b"data"), read_at: at(2) }
}

#[test]
fn a_cursor_comes_back_from_its_text_for_its_own_kind_of_store_only() {
    for position in [&b""[..], b"\0", &[0xFF; 40], b"key-with-dashes", &[7; 3]] {
        let cursor = ScanCursor::encode("redis", position);
        let parsed: ScanCursor = cursor.to_string().parse().unwrap();
        assert_eq!((&parsed, parsed.as_str()), (&cursor, cursor.to_string().as_str()));
        assert_eq!(parsed.decode("redis").unwrap(), position);
        assert!(cursor.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
        for kind in ["memory", "redi", "redis-", "rediss", ""] {
            let error = cursor.decode(kind).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{kind}");
        }
    }
}

#[test]
fn text_that_is_no_cursor_is_refused_and_not_shown() {
    for text in ["", "redis", "redis-hunter2!", "redis-====", "redis-A", "redis hunter2", "hunter2", "REDIS-aGk"] {
        let error = ScanCursor::new(text).decode("redis").unwrap_err();
        let expected = "the scan cursor is not one of this store; begin the scan without a cursor";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, expected), "{text}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(error.to_string(), ScanCursor::refused().to_string());
    }
}

#[test]
fn limits_of_pages_and_scans_are_1_to_1000() {
    for limit in [1, 2, 999, 1_000] {
        Page::check_limit(limit).unwrap();
    }
    for limit in [0, 1_001, u32::MAX] {
        let error = Page::check_limit(limit).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::InvalidInput, "a page has 1 to 1,000 entries")
        );
    }
}

#[test]
fn a_comparison_is_unchanged_exactly_at_the_same_version() {
    let Record { meta, read_at, .. } = record();
    assert_eq!(IfChanged::compare(None, OLD), IfChanged::Gone);
    assert_eq!(IfChanged::compare(Some(record()), OLD), IfChanged::Unchanged { meta, read_at });
    assert_eq!(IfChanged::compare(Some(record()), NEW), IfChanged::Changed(record()));
}

#[test]
fn an_imported_record_keeps_its_times_and_gets_the_new_version() {
    let cases = [
        ([10, 20, 30, 40], [10, 20, 30, 40]),
        ([10, 20, 40, 40], [10, 20, 40, 40]),
        ([10, 20, 41, 40], [10, 20, 40, 40]),
        ([10, 50, i64::MAX, 11], [10, 50, 11, 11]),
        ([-20, -30, -40, -10], [-20, -30, -40, -10]),
    ];
    for (before, after) in cases {
        assert_eq!(meta(before).imported(NEW).unwrap(), Meta { version: NEW, ..meta(after) }, "{before:?}");
    }
}

#[test]
fn an_imported_record_is_refused_if_it_was_created_at_its_deadline_or_later() {
    for times in [[40, 20, 30, 40], [41, 20, 30, 40], [i64::MAX, 0, 0, i64::MIN]] {
        let error = meta(times).imported(NEW).unwrap_err();
        let expected = "the `created_at` of an imported record must be before its `deadline`";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, expected), "{times:?}");
    }
}

#[test]
fn an_imported_record_keeps_to_the_data_limit() {
    let record = Record { data: Bytes::from_static(b"7777777777"), ..record() };
    record.check_size(10).unwrap();
    let error = record.check_size(9).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("10 bytes") && !error.to_string().contains("777"), "{error}");
}

#[test]
fn debug_of_a_validated_read_shows_no_data_and_no_user() {
    let key = SessionKey::from_bytes([0xAB; 32]);
    let shown = format!("{:?} {:?} {key:?}", IfChanged::Changed(record()), IfChanged::compare(Some(record()), OLD));
    assert!(!shown.contains("alice") && !shown.contains("data\"") && shown.contains("4 bytes"), "{shown}");
}
