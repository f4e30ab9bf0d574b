//! However a session has ended, every method gives that as an answer, and none brings it back.

use crate::fault_store;
use session_store_core::sessions::Login;
use session_store_core::{Page, Policy, Session, SessionId, SessionStore, Sessions};

use crate::fault_store::{FaultStore, HOUR, MINUTE, login, user};

/// A store with a session of Alice's, idle for 10 minutes and an hour old at the most.
async fn faults() -> (FaultStore, Sessions<String>, Session<String>) {
    let faults = FaultStore::new();
    let sessions = faults.builder().policy(Policy::new(10 * MINUTE, HOUR).unwrap()).build().unwrap();
    let session = login(&sessions, "alice", "data".to_owned()).await;
    (faults, sessions, session)
}

/// What every method says of a session that is gone.
async fn is_gone(faults: &FaultStore, sessions: &Sessions<String>, session: &mut Session<String>, why: &str) {
    let live = faults.live().await;
    let (id, key) = (session.id().clone(), *session.key());
    let never = |_: &mut String| unreachable!("there is nothing to change");
    session.data.push_str(", changed");
    assert!(sessions.load(&id).await.unwrap().is_none(), "load: {why}");
    assert!(!sessions.save(session).await.unwrap(), "save: {why}");
    assert!(sessions.update::<()>(&id, never).await.unwrap().is_none(), "update: {why}");
    assert!(!sessions.rotate(session).await.unwrap(), "rotate: {why}");
    assert!(*session.id() == id && *session.key() == key, "it keeps its ID: {why}");
    assert!(!sessions.end(&user("alice"), &key).await.unwrap(), "end: {why}");
    let listed = sessions.list(&user("alice"), &Page::first(9).unwrap()).await.unwrap().sessions;
    assert!(listed.iter().all(|listed| listed.key != key), "list: {why}");
    assert!(!sessions.destroy(&id).await.unwrap(), "destroy: {why}");
    assert!(!sessions.destroy(&id).await.unwrap(), "destroy, once more: {why}");
    assert!(faults.record(&key).await.is_none(), "it was brought back: {why}");
    assert_eq!(faults.live().await, live, "something was brought back: {why}");
}

#[tokio::test]
async fn one_that_never_was() {
    let (faults, sessions, session) = faults().await;
    let mut stranger = sessions.create(String::new()).await.unwrap();
    assert!(sessions.destroy(stranger.id()).await.unwrap());
    is_gone(&faults, &sessions, &mut stranger, "another was destroyed").await;
    assert!(sessions.load(&SessionId::generate().unwrap()).await.unwrap().is_none());
    assert!(sessions.load(session.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn one_that_was_idle_too_long() {
    let (faults, sessions, mut session) = faults().await;
    faults.pass(599_999 * fault_store::MS);
    assert!(faults.record(session.key()).await.is_some());
    faults.pass(fault_store::MS);
    is_gone(&faults, &sessions, &mut session, "it was idle").await;
    assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 0, "it is not counted");
}

#[tokio::test]
async fn one_that_is_too_old() {
    let (faults, sessions, mut session) = faults().await;
    for _ in 0..11 {
        faults.pass(5 * MINUTE);
        assert!(sessions.load(session.id()).await.unwrap().is_some());
        assert!(sessions.save(&mut session).await.unwrap());
    }
    faults.pass(299_999 * fault_store::MS);
    assert!(sessions.save(&mut session).await.unwrap(), "a save at the last moment");
    faults.pass(fault_store::MS);
    is_gone(&faults, &sessions, &mut session, "it was too old").await;
}

#[tokio::test]
async fn one_that_was_ended() {
    type Ending = for<'a> fn(&'a Sessions<String>, &'a Session<String>) -> Ended<'a>;
    type Ended<'a> = std::pin::Pin<Box<dyn Future<Output = bool> + 'a>>;
    let endings: [(&str, Ending); 7] = [
        ("destroyed", |all, one| Box::pin(async { all.destroy(one.id()).await.unwrap() })),
        ("ended by its user", |all, one| Box::pin(async { all.end(&user("alice"), one.key()).await.unwrap() })),
        ("all were", |all, _| Box::pin(async { all.destroy_all(&user("alice")).await.unwrap() == 1 })),
        ("all others were", |all, _| {
            Box::pin(async {
                let other = login(all, "alice", String::new()).await;
                all.destroy_others(&other).await.unwrap() == 1
            })
        }),
        ("replaced by a login", |all, one| {
            Box::pin(async { all.login(Login::new(user("bob"), String::new()).replacing(one.id())).await.is_ok() })
        }),
        ("rotated by another request", |all, one| {
            Box::pin(async {
                let mut same = all.load(one.id()).await.unwrap().unwrap();
                all.rotate(&mut same).await.unwrap()
            })
        }),
        ("cleared", |all, _| Box::pin(async { all.store().clear().await.unwrap() == 1 })),
    ];
    for (why, end) in endings {
        let (faults, sessions, mut session) = faults().await;
        assert!(end(&sessions, &session).await, "{why}");
        is_gone(&faults, &sessions, &mut session, why).await;
    }
}

#[tokio::test]
async fn one_that_ends_between_reading_and_writing() {
    let (faults, sessions, mut session) = faults().await;
    let (memory, key) = (faults.memory.clone(), *session.key());
    faults.next(
        "set",
        fault_store::Act::before(move || {
            let memory = memory.clone();
            async move { assert!(memory.destroy(&key).await.unwrap()) }
        }),
    );
    assert_eq!(sessions.update(session.id(), |data| data.push('!')).await.unwrap(), None);
    is_gone(&faults, &sessions, &mut session, "after the update").await;
}

#[tokio::test]
async fn of_a_user_who_has_none() {
    let (_, sessions, session) = faults().await;
    let stranger = user("nobody");
    assert!(sessions.list(&stranger, &Page::first(1).unwrap()).await.unwrap().sessions.is_empty());
    assert!(sessions.list(&stranger, &Page::first(1).unwrap()).await.unwrap().next.is_none());
    assert_eq!(sessions.destroy_all(&stranger).await.unwrap(), 0);
    assert_eq!(sessions.reencrypt(&stranger).await.unwrap(), 0);
    assert!(sessions.destroy(session.id()).await.unwrap());
    assert_eq!(sessions.destroy_others(&session).await.unwrap(), 0);
    let other = login(&sessions, "alice", String::new()).await;
    assert_eq!(sessions.destroy_others(&session).await.unwrap(), 1, "also by a session that is gone itself");
    assert!(sessions.load(other.id()).await.unwrap().is_none());
}
