//! An audit that panics neither fails the request nor keeps the event from the others.

use std::sync::Arc;

use session_store_core::Sessions;
use session_store_core::observed::{Audit, Event, Observed};

use crate::captured_telemetry::{CapturedEvents, capture};
use crate::fault_store::{FaultStore, login, user};

#[derive(Debug)]
struct Panicking;

impl Audit for Panicking {
    fn record(&self, _: &Event<'_>) {
        panic!("as asked");
    }
}

#[test]
fn what_was_done_is_done_and_told_to_the_others() {
    let (before, after) = (CapturedEvents::default(), CapturedEvents::default());
    let faults = FaultStore::new();
    let store = Observed::new(faults.clone(), "memory")
        .with_audit(before.clone())
        .with_audit(Panicking)
        .with_audit(after.clone());
    let sessions = Sessions::<String>::new(Arc::new(store));
    let (telemetry, ()) = capture(|| async {
        let anonymous = sessions.create(String::new()).await.unwrap();
        let mut session = login(&sessions, "alice", "data".to_owned()).await;
        assert!(sessions.rotate(&mut session).await.unwrap());
        assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, "data");
        assert!(sessions.destroy(anonymous.id()).await.unwrap());
        assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 1);
    });
    let (before, after) = (before.take(), after.take());
    assert_eq!((before.len(), &before), (5, &after));
    assert_eq!(telemetry.count("session_store_audit_failures_total{store=memory}"), 5);
    assert_eq!(telemetry.count("session_store_events_total"), 5);
    assert_eq!(telemetry.lines("an audit panicked").len(), 5, "{}", telemetry.log);
}
