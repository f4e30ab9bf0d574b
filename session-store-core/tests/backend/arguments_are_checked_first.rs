//! Arguments out of their bounds are refused before anything is sent (I1, Z1, R2, R5, A2), and versions are new (S4).

use std::collections::HashSet;
use std::time::Duration;

use session_store_core::backend::Change;
use session_store_core::{
    Bytes, ErrorKind, MAX_TIMEOUT, Meta, Record, ScanCursor, SessionStore, SetMode, Timestamp, Version,
};

use crate::callers::{MINUTE, MS, OLD, alice, assert_error, key, one_in_flight, record, write_of};
use crate::scripted_backend::{Operation, Script};

#[tokio::test(start_paused = true)]
async fn data_over_the_limit_is_refused_before_anything_is_sent() {
    let mut options = one_in_flight();
    options.data_limit = 10;
    let (store, script) = Script::default().store::<true>(options);
    let over = write_of(vec![7; 11]);
    let record_over = Record { data: Bytes::from(vec![7; 11]), ..record() };
    for mode in [SetMode::Create, SetMode::Replace, SetMode::Update(OLD), SetMode::Upsert] {
        assert_error(store.set(&key(1), &over, mode).await, ErrorKind::TooLarge, false);
    }
    assert_error(store.rotate(&key(1), &key(2), &over, None).await, ErrorKind::TooLarge, false);
    assert_error(store.import(&key(1), &record_over).await, ErrorKind::TooLarge, false);
    assert!(script.statements().is_empty());

    let exact = write_of(vec![7; 10]);
    store.set(&key(1), &exact, SetMode::Create).await.unwrap();
    store.rotate(&key(1), &key(2), &exact, None).await.unwrap();
    store.import(&key(1), &Record { data: Bytes::from(vec![7; 10]), ..record() }).await.unwrap();
    assert_eq!(script.executed_keys(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn timeouts_out_of_their_bounds_are_refused_before_anything_is_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    for idle in [Duration::ZERO, Duration::from_micros(999), MAX_TIMEOUT + MS] {
        assert_error(store.touch(&key(1), idle).await, ErrorKind::InvalidInput, false);
    }
    assert!(script.statements().is_empty());
    for idle in [MS, MAX_TIMEOUT] {
        assert!(store.touch(&key(1), idle).await.unwrap());
    }
    assert_eq!(script.statements().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn limits_and_cursors_out_of_their_bounds_are_refused_before_anything_is_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    assert_error(store.prune(0).await, ErrorKind::InvalidInput, false);
    for limit in [0, 1_001] {
        assert_error(store.scan(None, limit).await, ErrorKind::InvalidInput, false);
    }
    let of_another_kind = ScanCursor::encode("other", &[0; 4]);
    let of_another_form = ScanCursor::encode("scripted", &[0; 5]);
    for cursor in [of_another_kind, of_another_form, ScanCursor::new(""), ScanCursor::new("scripted-?")] {
        assert_error(store.scan(Some(&cursor), 1).await, ErrorKind::InvalidInput, false);
    }
    assert!(script.statements().is_empty());
    store.prune(1).await.unwrap();
    for limit in [1, 1_000] {
        store.scan(Some(&ScanCursor::encode("scripted", &[0, 0, 0, 9])), limit).await.unwrap();
    }
    let scans: Vec<_> = script.all(Operation::Scan).iter().map(|scan| (scan.cursor, scan.limit)).collect();
    assert_eq!(scans, [(Some(9), 1), (Some(9), 1_000)]);
}

#[tokio::test(start_paused = true)]
async fn imported_times_that_contradict_each_other_are_refused_before_anything_is_sent() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let Record { meta, .. } = record();
    let wrong = Record { meta: Meta { created_at: meta.deadline, ..meta }, ..record() };
    assert_error(store.import(&key(1), &wrong).await, ErrorKind::InvalidInput, false);
    assert!(script.statements().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_imported_record_ends_at_its_deadline_and_has_a_new_version() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let Record { meta, data, .. } = record();
    let late = Meta { expires_at: Timestamp::from_millis(i64::MAX), ..meta.clone() };
    let version = store.import(&key(1), &Record { meta: late, ..record() }).await.unwrap().unwrap();
    let executed = script.executed();
    let [Change::Import(import)] = executed.as_slice() else { panic!("{executed:?}") };
    assert_eq!((import.key, &import.data), (key(1), &data));
    assert_eq!(import.meta, Meta { version, ..meta });
    assert_ne!(version, OLD);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_needs_two_keys_of_equal_placement() {
    let script = Script::default().with_placement(|key| u16::from(key.as_bytes()[0] / 100));
    let (store, script) = script.store::<true>(one_in_flight());
    assert_eq!((store.placement(&key(7)), store.placement(&key(107))), (0, 1));
    let error = assert_error(store.rotate(&key(7), &key(7), &write_of(""), None).await, ErrorKind::InvalidInput, false);
    assert_eq!(error.key(), Some(&key(7)));
    let error =
        assert_error(store.rotate(&key(7), &key(107), &write_of(""), None).await, ErrorKind::Unsupported, false);
    assert_eq!((error.key(), error.is_transient()), (Some(&key(7)), false));
    assert!(script.statements().is_empty());
    store.rotate(&key(7), &key(8), &write_of(""), None).await.unwrap();
    store.rotate(&key(107), &key(108), &write_of(""), None).await.unwrap();
    assert_eq!(script.keys(), [[7], [107]]);
}

#[tokio::test(start_paused = true)]
async fn every_write_has_a_version_of_its_own() {
    let (store, script) = Script::default().store::<false>(one_in_flight());
    let mut returned: Vec<Version> = Vec::new();
    for _ in 0..10 {
        returned.push(store.set(&key(1), &write_of("data"), SetMode::Upsert).await.unwrap());
        returned.push(store.rotate(&key(1), &key(2), &write_of("data"), Some(OLD)).await.unwrap());
        returned.push(store.import(&key(1), &record()).await.unwrap().unwrap());
    }
    let sent: Vec<_> = script
        .executed()
        .iter()
        .map(|change| match change {
            Change::Set(set) => set.version,
            Change::Rotate(rotate) => rotate.version,
            Change::Import(import) => import.meta.version,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, returned);
    assert_eq!(returned.iter().collect::<HashSet<_>>().len(), 30);
    assert!(!returned.contains(&OLD));
}

#[tokio::test(start_paused = true)]
async fn a_change_carries_what_its_caller_gave() {
    let (store, script) = Script::default().store::<true>(one_in_flight());
    let write = write_of("written").with_owner(session_store_core::Owner::User(alice()));
    store.set(&key(1), &write, SetMode::Update(OLD)).await.unwrap();
    store.touch(&key(2), MINUTE).await.unwrap();
    store.destroy(&key(3)).await.unwrap();
    store.destroy_if(&key(4), OLD).await.unwrap();
    store.rotate(&key(5), &key(6), &write, Some(OLD)).await.unwrap();
    let executed = script.executed();
    let [Change::Set(set), Change::Touch(touch), Change::Destroy(any), Change::Destroy(at), Change::Rotate(rotate)] =
        executed.as_slice()
    else {
        panic!("{executed:?}")
    };
    assert_eq!((set.key, &set.write, set.mode), (key(1), &write, SetMode::Update(OLD)));
    assert_eq!((touch.key, touch.idle), (key(2), MINUTE));
    assert_eq!((any.key, any.version), (key(3), None));
    assert_eq!((at.key, at.version), (key(4), Some(OLD)));
    assert_eq!((rotate.from, rotate.to, &rotate.write, rotate.expected), (key(5), key(6), &write, Some(OLD)));
}
