//! What `Sessions` cannot do beside the answer that they give is told to metrics and tracing, by its kind.

use session_store_core::{ErrorKind, Page, SessionKey};

use crate::stage::{Act, MINUTE, Stage, login, user};
use crate::told::told;

#[test]
fn a_touch_that_failed() {
    let stage = Stage::new();
    let (told, ()) = told(|| async {
        let sessions = stage.sessions::<String>();
        let session = login(&sessions, "alice", String::new()).await;
        stage.pass(MINUTE * 7);
        stage.cue("touch", 0, 2, Act::Fails(ErrorKind::Timeout));
        for _ in 0..3 {
            assert!(sessions.load(session.id()).await.unwrap().is_some());
        }
    });
    assert_eq!(told.counters(""), [("session_store_upkeep_failures_total{kind=timeout}", 2)]);
    assert_eq!(told.lines("WARN").len(), 2);
    assert!(told.lines("WARN")[0].contains(r#"kind="timeout" error=as asked"#), "{}", told.log);
}

#[test]
fn data_that_did_not_decode() {
    let stage = Stage::new();
    let (told, ()) = told(|| async {
        let session = login(&stage.sessions::<String>(), "alice", "no number".to_owned()).await;
        stage.plant_corrupt(&SessionKey::from_bytes([1; 32]), "alice").await;
        let numbers = stage.sessions::<u32>();
        assert!(numbers.load(session.id()).await.is_err());
        assert!(numbers.update(session.id(), |_| ()).await.is_err());
        let listed = numbers.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions;
        assert_eq!(listed.len(), 2);
    });
    assert_eq!(told.counters(""), [("session_store_undecodable_total{kind=corrupt}", 4)]);
    assert_eq!(told.lines("cannot be decoded; destroy the session").len(), 4, "{}", told.log);
}

#[test]
fn a_record_of_a_list_that_the_store_could_not_read() {
    let stage = Stage::new();
    let (told, ()) = told(|| async {
        let sessions = stage.sessions::<String>();
        login(&sessions, "alice", String::new()).await;
        stage.next("get", Act::Fails(ErrorKind::Corrupt));
        assert!(sessions.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions.is_empty());
    });
    assert_eq!(told.counters(""), [("session_store_corrupt_records_total{store=sessions}", 1)]);
}

#[test]
fn nothing_where_all_goes_well() {
    let stage = Stage::new();
    let (told, ()) = told(|| async {
        let sessions = stage.sessions::<String>();
        let mut session = login(&sessions, "alice", String::new()).await;
        stage.pass(MINUTE * 7);
        assert!(sessions.load(session.id()).await.unwrap().is_some());
        assert!(sessions.save(&mut session).await.unwrap());
        assert!(sessions.destroy(session.id()).await.unwrap());
        assert!(sessions.load(session.id()).await.unwrap().is_none());
    });
    assert!(told.metrics.is_empty() && told.log.is_empty(), "{told:?}");
}
