//! A load keeps the session alive, with a write only once in a while, and never fails by it.

use std::time::Duration;

use session_store_core::sessions::{Builder, Login};
use session_store_core::{ErrorKind, Policy, Session, SessionStore, Sessions};

use crate::fault_store::{Act, FaultStore, HOUR, MINUTE, MS, SECOND, user};

async fn session(faults: &FaultStore, sessions: &Sessions<String>, own: Option<Policy>) -> Session<String> {
    let mut login = Login::new(user("alice"), String::new());
    if let Some(policy) = own {
        login = login.policy(policy);
    }
    let session = sessions.login(login).await.unwrap();
    faults.calls();
    session
}

/// That it is touched after so long, and not a moment earlier.
async fn is_touched_after(builder: impl Fn(Builder<String>) -> Builder<String>, own: Option<Policy>, after: Duration) {
    let faults = FaultStore::new();
    let sessions = builder(faults.builder()).build().unwrap();
    let session = session(&faults, &sessions, own).await;
    for _ in 0..3 {
        if after >= MS {
            faults.pass(after.saturating_sub(MS));
            assert!(sessions.load(session.id()).await.unwrap().is_some());
            assert_eq!(faults.calls(), ["get"], "just before {after:?}");
            faults.pass(MS);
        }
        assert!(sessions.load(session.id()).await.unwrap().is_some());
        assert_eq!(faults.calls(), ["get", "touch"], "at {after:?}");
    }
}

#[tokio::test]
async fn after_a_tenth_of_the_idle_timeout_unless_set() {
    is_touched_after(|builder| builder, None, 6 * MINUTE).await;
    is_touched_after(|builder| builder.idle_timeout(10 * MINUTE), None, MINUTE).await;
    let remember_me = Policy::new(10 * HOUR, 100 * HOUR).unwrap();
    is_touched_after(|builder| builder, Some(remember_me), HOUR).await;
    let strict = Policy::new(10 * SECOND, HOUR).unwrap();
    is_touched_after(|builder| builder, Some(strict), SECOND).await;
}

#[tokio::test]
async fn after_the_time_that_was_set() {
    for after in [Duration::ZERO, MS, SECOND, 30 * MINUTE] {
        is_touched_after(|builder| builder.touch_after(after), None, after).await;
    }
}

#[tokio::test]
async fn after_half_of_a_short_idle_timeout_at_the_most() {
    let own = |idle| Some(Policy::new(idle, HOUR).unwrap());
    let builder = |builder: Builder<String>| builder.touch_after(10 * MINUTE);
    is_touched_after(builder, own(20 * MINUTE), 10 * MINUTE).await;
    is_touched_after(builder, own(1_199_998 * MS), 599_999 * MS).await;
    is_touched_after(builder, own(4 * SECOND), 2 * SECOND).await;
    is_touched_after(builder, Some(Policy::new(10 * HOUR, 20 * HOUR).unwrap()), 10 * MINUTE).await;
}

#[tokio::test]
async fn a_session_that_is_used_does_not_expire_before_its_deadline() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<String>().policy(Policy::new(10 * MINUTE, 5 * HOUR).unwrap()).build().unwrap();
    let session = session(&faults, &sessions, None).await;
    // The longest pause after which a touch is never too late.
    for _ in 0..33 {
        faults.pass(9 * MINUTE);
        assert!(sessions.load(session.id()).await.unwrap().is_some());
    }
    faults.pass(3 * MINUTE);
    assert!(sessions.load(session.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_touch_gives_as_much_time_as_the_policy() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = session(&faults, &sessions, None).await;
    let before = faults.meta(session.key()).await;
    faults.pass(6 * MINUTE);
    assert!(sessions.load(session.id()).await.unwrap().is_some());
    let after = faults.meta(session.key()).await;
    assert_eq!(after.expires_at, before.expires_at.saturating_add(6 * MINUTE));
    assert_eq!(after.last_seen_at, before.last_seen_at.saturating_add(6 * MINUTE));
    assert_eq!((after.deadline, after.version), (before.deadline, before.version));
}

#[tokio::test]
async fn a_touch_that_fails_does_not_fail_the_load() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt, ErrorKind::Internal] {
        let faults = FaultStore::new();
        let sessions = faults.sessions::<String>();
        let session = session(&faults, &sessions, None).await;
        faults.pass(6 * MINUTE);
        faults.next("touch", Act::Fails(kind));
        let mut loaded = sessions.load(session.id()).await.unwrap().unwrap();
        assert!(faults.is_over());
        assert!(sessions.save(&mut loaded).await.unwrap());
    }
}

#[tokio::test]
async fn the_next_load_touches_where_the_last_could_not() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = session(&faults, &sessions, None).await;
    faults.pass(6 * MINUTE);
    faults.cue("touch", 0, 2, Act::Fails(ErrorKind::Timeout));
    for _ in 0..3 {
        assert!(sessions.load(session.id()).await.unwrap().is_some());
    }
    assert!(sessions.load(session.id()).await.unwrap().is_some());
    assert_eq!(faults.calls(), ["get", "touch", "get", "touch", "get", "touch", "get"]);
}

#[tokio::test]
async fn a_read_that_fails_fails_the_load() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = session(&faults, &sessions, None).await;
    faults.next("get", Act::Fails(ErrorKind::Unavailable));
    assert_eq!(sessions.load(session.id()).await.unwrap_err().kind(), ErrorKind::Unavailable, "and is no logout");
    assert!(sessions.load(session.id()).await.unwrap().is_some());
}

/// A logout that is acknowledged before the touch is seen by it.
#[tokio::test]
async fn a_session_that_ends_before_its_touch_is_gone() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = session(&faults, &sessions, None).await;
    faults.pass(6 * MINUTE);
    let (memory, key) = (faults.memory.clone(), *session.key());
    let logout = move || {
        let memory = memory.clone();
        async move { assert!(memory.destroy(&key).await.unwrap()) }
    };
    faults.next("touch", Act::before(logout));
    assert!(sessions.load(session.id()).await.unwrap().is_none());
    assert_eq!(faults.live().await, 0);
}
