//! A login gives a new ID with a clock of its own, and ends the session that it replaces.

use session_store_core::sessions::Login;
use session_store_core::{ErrorKind, Policy, SessionId, SessionKey};

use crate::fault_store::{FaultStore, HOUR, MINUTE, login, user};

#[tokio::test]
async fn a_new_session_of_nobody() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<String>().policy(Policy::OWASP_LOW_RISK).build().unwrap();
    let session = sessions.create("data".to_owned()).await.unwrap();
    assert_eq!((session.data.as_str(), session.user().is_none()), ("data", true));
    assert_eq!((session.policy(), session.time_left()), (Policy::OWASP_LOW_RISK, 8 * HOUR));
    assert_eq!(session.id().expose_secret().len(), 43);
    assert!(*session.key() == SessionKey::from(session.id()));
    let meta = faults.meta(session.key()).await;
    assert_eq!(meta.deadline, meta.created_at.saturating_add(8 * HOUR));
    assert_eq!(meta.expires_at, meta.created_at.saturating_add(HOUR / 2));
    let other = sessions.create("data".to_owned()).await.unwrap();
    assert!(other.id() != session.id());
}

#[tokio::test]
async fn the_session_of_before_is_gone_and_the_new_one_is_the_users() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let before = sessions.create("basket".to_owned()).await.unwrap();
    faults.pass(30 * MINUTE);
    let old = faults.meta(before.key()).await;
    let session = sessions.login(Login::new(user("alice"), "basket".to_owned()).replacing(before.id())).await.unwrap();
    assert!(session.id() != before.id() && session.key() != before.key());
    assert!(session.user() == Some(&user("alice")));
    assert!(sessions.load(before.id()).await.unwrap().is_none());
    assert_eq!(faults.live().await, 1);
    let new = faults.meta(session.key()).await;
    assert_eq!(new.created_at, old.created_at.saturating_add(30 * MINUTE), "the absolute clock begins anew");
    assert_eq!(new.deadline, new.created_at.saturating_add(24 * HOUR));
    assert_eq!((session.time_left(), session.policy()), (24 * HOUR, Policy::NIST_AAL2));
    let loaded = sessions.load(session.id()).await.unwrap().unwrap();
    assert!(loaded.user() == Some(&user("alice")) && loaded.data == "basket");
}

#[tokio::test]
async fn the_session_of_before_may_be_gone() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let never = SessionId::generate().unwrap();
    let expired = sessions.create(String::new()).await.unwrap();
    faults.pass(2 * HOUR);
    let destroyed = sessions.create(String::new()).await.unwrap();
    sessions.destroy(destroyed.id()).await.unwrap();
    for id in [&never, expired.id(), destroyed.id()] {
        let session = sessions.login(Login::new(user("alice"), String::new()).replacing(id)).await.unwrap();
        assert!(sessions.load(session.id()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn another_login_replaces_that_of_another_user() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let alice = login(&sessions, "alice", "hers".to_owned()).await;
    let bob = sessions.login(Login::new(user("bob"), "his".to_owned()).replacing(alice.id())).await.unwrap();
    assert!(sessions.load(alice.id()).await.unwrap().is_none());
    assert!(sessions.load(bob.id()).await.unwrap().unwrap().user() == Some(&user("bob")));
}

#[tokio::test]
async fn a_corrupt_session_is_replaced_like_any() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let id = SessionId::generate().unwrap();
    faults.plant_corrupt(&SessionKey::from(&id), "alice").await;
    assert_eq!(sessions.load(&id).await.unwrap_err().kind(), ErrorKind::Corrupt);
    sessions.login(Login::new(user("alice"), String::new()).replacing(&id)).await.unwrap();
    assert!(sessions.load(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_rotation_gives_a_new_id_and_keeps_the_clock() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let mut session = login(&sessions, "alice", "old".to_owned()).await;
    let (old_id, old) = (session.id().clone(), faults.meta(session.key()).await);
    faults.pass(30 * MINUTE);
    session.data = "new".to_owned();
    assert!(sessions.rotate(&mut session).await.unwrap());
    assert!(*session.id() != old_id);
    assert!(*session.key() == SessionKey::from(session.id()));
    assert!(sessions.load(&old_id).await.unwrap().is_none());
    let new = faults.meta(session.key()).await;
    assert_eq!((new.created_at, new.deadline), (old.created_at, old.deadline));
    assert_eq!(new.expires_at, old.created_at.saturating_add(30 * MINUTE + HOUR));
    let loaded = sessions.load(session.id()).await.unwrap().unwrap();
    assert_eq!((loaded.data.as_str(), loaded.time_left()), ("new", 23 * HOUR + 30 * MINUTE));
    assert!(loaded.user() == Some(&user("alice")));
    assert!(sessions.save(&mut session).await.unwrap(), "it can be saved on");
    assert!(sessions.rotate(&mut session).await.unwrap(), "and rotated on");
}

#[tokio::test]
async fn of_many_rotations_at_once_one_succeeds() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = login(&sessions, "alice", String::new()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut same = sessions.load(session.id()).await.unwrap().unwrap();
        let sessions = sessions.clone();
        tasks.spawn(async move { sessions.rotate(&mut same).await.unwrap() });
    }
    let succeeded = tasks.join_all().await.into_iter().filter(|rotated| *rotated).count();
    assert_eq!((succeeded, faults.live().await), (1, 1));
}

#[tokio::test]
async fn what_is_left_is_told_by_the_stores_clock() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = sessions.create(String::new()).await.unwrap();
    for halves_left in (1..24 * 2).rev() {
        faults.pass(HOUR / 2);
        let left = sessions.load(session.id()).await.unwrap().unwrap().time_left();
        assert_eq!(left, halves_left * HOUR / 2);
    }
}

#[tokio::test]
async fn ids_in_the_form_of_a_key_open_nothing() {
    let sessions = FaultStore::new().sessions::<String>();
    let session = sessions.create(String::new()).await.unwrap();
    assert!(session.key().to_text().parse::<SessionId>().is_err());
    assert!(hex::encode(session.key().as_bytes()).parse::<SessionId>().is_ok());
    let as_id = hex::encode(session.key().as_bytes()).parse().unwrap();
    assert!(sessions.load(&as_id).await.unwrap().is_none());
}
