//! Failures of background work in `Sessions` are logged and counted by kind.

use session_store_core::{ErrorKind, Page, SessionKey};

use crate::captured_telemetry::capture;
use crate::fault_store::{Act, FaultStore, MINUTE, login, user};

#[test]
fn a_touch_that_failed() {
    let faults = FaultStore::new();
    let (telemetry, ()) = capture(|| async {
        let sessions = faults.sessions::<String>();
        let session = login(&sessions, "alice", String::new()).await;
        faults.pass(MINUTE * 7);
        faults.cue("touch", 0, 2, Act::Fails(ErrorKind::Timeout));
        for _ in 0..3 {
            assert!(sessions.load(session.id()).await.unwrap().is_some());
        }
    });
    assert_eq!(telemetry.counters(""), [("session_store_upkeep_failures_total{kind=timeout}", 2)]);
    assert_eq!(telemetry.lines("WARN").len(), 2);
    assert!(telemetry.lines("WARN")[0].contains(r#"kind="timeout" error=as asked"#), "{}", telemetry.log);
}

#[test]
fn data_that_did_not_decode() {
    let faults = FaultStore::new();
    let (telemetry, ()) = capture(|| async {
        let session = login(&faults.sessions::<String>(), "alice", "no number".to_owned()).await;
        faults.plant_corrupt(&SessionKey::from_bytes([1; 32]), "alice").await;
        let numbers = faults.sessions::<u32>();
        assert!(numbers.load(session.id()).await.is_err());
        assert!(numbers.update(session.id(), |_| ()).await.is_err());
        let listed = numbers.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions;
        assert_eq!(listed.len(), 2);
    });
    assert_eq!(telemetry.counters(""), [("session_store_undecodable_total{kind=corrupt}", 4)]);
    assert_eq!(telemetry.lines("cannot be decoded; destroy the session").len(), 4, "{}", telemetry.log);
}

#[test]
fn a_record_of_a_list_that_the_store_could_not_read() {
    let faults = FaultStore::new();
    let (telemetry, ()) = capture(|| async {
        let sessions = faults.sessions::<String>();
        login(&sessions, "alice", String::new()).await;
        faults.next("get", Act::Fails(ErrorKind::Corrupt));
        assert!(sessions.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions.is_empty());
    });
    assert_eq!(telemetry.counters(""), [("session_store_corrupt_records_total{store=sessions}", 1)]);
}

#[test]
fn nothing_where_all_goes_well() {
    let faults = FaultStore::new();
    let (telemetry, ()) = capture(|| async {
        let sessions = faults.sessions::<String>();
        let mut session = login(&sessions, "alice", String::new()).await;
        faults.pass(MINUTE * 7);
        assert!(sessions.load(session.id()).await.unwrap().is_some());
        assert!(sessions.save(&mut session).await.unwrap());
        assert!(sessions.destroy(session.id()).await.unwrap());
        assert!(sessions.load(session.id()).await.unwrap().is_none());
    });
    assert!(telemetry.metrics.is_empty() && telemetry.log.is_empty(), "{telemetry:?}");
}
