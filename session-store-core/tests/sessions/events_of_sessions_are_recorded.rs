//! Each event of a session reaches metrics, tracing and the audits once, with its cause.

use std::sync::Arc;

use session_store_core::observed::{Cause, Event, Observed};
use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{ErrorKind, Session, SessionKey, SessionStore, Sessions, SetMode, Write};

use crate::captured_telemetry::{CapturedEvents, capture};
use crate::fault_store::{Act, FaultStore, HOUR, SECOND, login, user};

/// Sessions in an observed store, and what its audit has noted.
fn observed(faults: &FaultStore, max: Option<MaxPerUser>) -> (Sessions<String>, CapturedEvents) {
    let notes = CapturedEvents::default();
    let mut builder = Sessions::builder(Arc::new(Observed::new(faults.clone(), "memory").with_audit(notes.clone())));
    if let Some(max) = max {
        builder = builder.max_per_user(max);
    }
    (builder.build().unwrap(), notes)
}

fn text(session: &Session<String>) -> String {
    session.key().to_text()
}

#[tokio::test]
async fn of_the_life_of_a_session() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, None);
    let anonymous = sessions.create(String::new()).await.unwrap();
    assert_eq!(notes.take(), [format!("created 1 {}", text(&anonymous))]);
    let replacing = Login::new(user("alice"), String::new()).replacing(anonymous.id());
    let mut session = sessions.login(replacing).await.unwrap();
    let expected = [format!("logged_in 1 alice {}", text(&session)), format!("ended replaced 1 {}", text(&anonymous))];
    assert_eq!(notes.take(), expected);
    let old = text(&session);
    assert!(sessions.save(&mut session).await.unwrap() && sessions.rotate(&mut session).await.unwrap());
    sessions.load(session.id()).await.unwrap().unwrap();
    assert_eq!(notes.take(), [format!("rotated 1 {old} {}", text(&session))], "and nothing of a save or a load");
    assert!(sessions.destroy(session.id()).await.unwrap());
    assert!(!sessions.destroy(session.id()).await.unwrap());
    assert_eq!(notes.take(), [format!("ended destroyed 1 {}", text(&session))], "once");
}

#[tokio::test]
async fn of_ends_by_the_user() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, None);
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(login(&sessions, "alice", String::new()).await);
    }
    notes.take();
    assert!(sessions.end(&user("alice"), all[0].key()).await.unwrap());
    assert!(!sessions.end(&user("bob"), all[1].key()).await.unwrap());
    assert_eq!(notes.take(), [format!("ended ended_by_user 1 {}", text(&all[0]))]);
    assert_eq!(sessions.destroy_others(&all[1]).await.unwrap(), 3);
    assert_eq!(notes.take(), [format!("ended others_of_user 3 alice {}", text(&all[1]))]);
    assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 1);
    assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 0);
    assert_eq!(notes.take(), ["ended all_of_user 1 alice"]);
}

#[tokio::test]
async fn of_a_surplus_and_of_a_refusal() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, Some(MaxPerUser::EndOldest(1)));
    let old = login(&sessions, "alice", String::new()).await;
    faults.pass(SECOND);
    notes.take();
    let new = login(&sessions, "alice", String::new()).await;
    let expected = [format!("logged_in 1 alice {}", text(&new)), format!("ended surplus 1 {}", text(&old))];
    assert_eq!(notes.take(), expected);

    let (refusing, notes) = observed(&faults, Some(MaxPerUser::Refuse(1)));
    faults.pass(SECOND);
    let error = refusing.login(Login::new(user("alice"), String::new())).await.unwrap_err();
    let key = error.key().unwrap().to_text();
    let telemetry = notes.take();
    assert_eq!(telemetry.last().unwrap(), &format!("refused limit_reached 1 {key}"));
    assert!(telemetry.iter().all(|note| !note.starts_with("ended")), "{telemetry:?}");
}

#[tokio::test]
async fn of_a_login_that_could_not_be_completed() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, Some(MaxPerUser::EndOldest(1)));
    faults.next("list_by_user", Act::Fails(ErrorKind::Unavailable));
    assert!(sessions.login(Login::new(user("alice"), String::new())).await.is_err());
    let telemetry = notes.take();
    assert_eq!(telemetry.len(), 2);
    assert!(
        telemetry[0].starts_with("logged_in 1 alice") && telemetry[1].starts_with("ended abandoned 1 k1_"),
        "{telemetry:?}"
    );
    faults.next("set", Act::IsDoneButFails(ErrorKind::Timeout));
    assert!(sessions.login(Login::new(user("alice"), String::new())).await.is_err());
    let telemetry = notes.take();
    assert!(telemetry.len() == 1 && telemetry[0].starts_with("ended abandoned 1 k1_"), "{telemetry:?}");
}

#[tokio::test]
async fn of_refusals_and_conflicts() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, None);
    let mut session = login(&sessions, "alice", String::new()).await;
    let mut same = sessions.load(session.id()).await.unwrap().unwrap();
    assert!(sessions.save(&mut session).await.unwrap());
    notes.take();
    let key = text(&session);
    sessions.save(&mut same).await.unwrap_err();
    sessions.rotate(&mut same).await.unwrap_err();
    assert_eq!(notes.take(), [format!("conflict 1 {key}"), format!("conflict 1 {key}")]);
    sessions.destroy(session.id()).await.unwrap();
    assert!(!sessions.save(&mut session).await.unwrap() && !sessions.rotate(&mut session).await.unwrap());
    let refused = format!("refused not_found 1 {key}");
    assert_eq!(notes.take(), [format!("ended destroyed 1 {key}"), refused.clone(), refused]);
    let (other, write) = (login(&sessions, "alice", String::new()).await, Write::new("data", HOUR, HOUR).unwrap());
    notes.take();
    sessions.store().set(other.key(), &write, SetMode::Create).await.unwrap_err();
    assert_eq!(notes.take(), [format!("refused already_exists 1 {}", text(&other))]);
    let another = login(&sessions, "alice", String::new()).await;
    notes.take();
    sessions.store().rotate(other.key(), another.key(), &write, None).await.unwrap_err();
    assert_eq!(notes.take(), [format!("refused already_exists 1 {}", text(&another))], "the key that is live");
}

#[tokio::test]
async fn of_all_that_was_cleared_or_pruned() {
    let faults = FaultStore::new();
    let (sessions, notes) = observed(&faults, None);
    let store = sessions.store();
    store.clear().await.unwrap();
    store.prune(9).await.unwrap();
    assert!(notes.take().is_empty(), "nothing happened");
    for _ in 0..3 {
        sessions.create(String::new()).await.unwrap();
    }
    notes.take();
    faults.pass(HOUR);
    store.prune(2).await.unwrap();
    store.prune(2).await.unwrap();
    sessions.create(String::new()).await.unwrap();
    store.clear().await.unwrap();
    let telemetry = notes.take();
    assert_eq!(
        (telemetry[0].as_str(), telemetry[1].as_str(), telemetry[3].as_str()),
        ("pruned 2", "pruned 1", "ended cleared 1")
    );
}

#[test]
fn to_metrics_and_tracing_as_well() {
    let faults = FaultStore::new();
    let (telemetry, ()) = capture(|| async {
        let (sessions, _) = observed(&faults, None);
        for _ in 0..3 {
            login(&sessions, "alice", String::new()).await;
        }
        assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 3);
    });
    let expected = [
        ("session_store_events_total{store=memory,event=ended,reason=all_of_user}", 3),
        ("session_store_events_total{store=memory,event=logged_in,reason=}", 3),
    ];
    assert_eq!(telemetry.counters("events_total"), expected);
    let lines = telemetry.lines("INFO");
    assert_eq!(lines.len(), 4, "{}", telemetry.log);
    assert!(lines[3].contains(r#"store="memory" event="ended" reason="all_of_user" count=3"#), "{}", telemetry.log);
    assert!(lines.iter().all(|line| line.contains("session_store:")), "the target: {}", telemetry.log);
}

#[test]
fn names_and_reasons_are_stable() {
    let (key, user) = (&SessionKey::from_bytes([1; 32]), &user("alice"));
    let ended = |cause| Event::Ended { key, cause };
    let table = [
        (Event::Created { key }, "created", "", 1),
        (Event::LoggedIn { key, user }, "logged_in", "", 1),
        (Event::Rotated { from: key, to: key }, "rotated", "", 1),
        (ended(Cause::Destroyed), "ended", "destroyed", 1),
        (ended(Cause::EndedByUser), "ended", "ended_by_user", 1),
        (ended(Cause::Replaced), "ended", "replaced", 1),
        (ended(Cause::Surplus), "ended", "surplus", 1),
        (ended(Cause::Abandoned), "ended", "abandoned", 1),
        (Event::EndedAll { user, except: None, count: 7 }, "ended", "all_of_user", 7),
        (Event::EndedAll { user, except: Some(key), count: 7 }, "ended", "others_of_user", 7),
        (Event::Cleared { count: 7 }, "ended", "cleared", 7),
        (Event::Refused { key, kind: ErrorKind::LimitReached }, "refused", "limit_reached", 1),
        (Event::Conflict { key }, "conflict", "", 1),
        (Event::Pruned { count: 7 }, "pruned", "", 7),
    ];
    for (event, name, reason, count) in table {
        assert_eq!((event.name(), event.reason(), event.count()), (name, reason, count));
        assert!(!format!("{event:?}").contains("alice") && !format!("{event:?}").contains("01"));
    }
}
