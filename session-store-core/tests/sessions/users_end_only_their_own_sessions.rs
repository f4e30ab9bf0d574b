//! A key from a web form ends a session only where it is that user's, and sweeps end that user's only.

use session_store_core::{ErrorKind, SessionKey, Sessions};

use crate::fault_store::{Act, FaultStore, HOUR, login, user};

#[tokio::test]
async fn their_own_by_its_key() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let (here, there) =
        (login(&sessions, "alice", String::new()).await, login(&sessions, "alice", String::new()).await);
    assert!(sessions.end(&user("alice"), there.key()).await.unwrap());
    assert!(sessions.load(there.id()).await.unwrap().is_none());
    assert!(sessions.load(here.id()).await.unwrap().is_some());
    assert!(!sessions.end(&user("alice"), there.key()).await.unwrap(), "once more");
    assert!(sessions.end(&user("alice"), here.key()).await.unwrap(), "also the one that asks");
    assert_eq!(faults.live().await, 0);
}

#[tokio::test]
async fn none_that_is_another_users_or_nobodys() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let bob = login(&sessions, "bob", String::new()).await;
    let nobody = sessions.create(String::new()).await.unwrap();
    let never = SessionKey::from_bytes([1; 32]);
    for name in ["alice", "bo", "bobb", "Bob", "bob ", "*", "b?b"] {
        for key in [bob.key(), nobody.key(), &never] {
            assert!(!sessions.end(&user(name), key).await.unwrap(), "{name}");
        }
    }
    assert_eq!(faults.live().await, 2);
    assert!(faults.calls().iter().all(|operation| *operation != "destroy"), "nothing was even tried");
}

#[tokio::test]
async fn none_that_has_expired() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = login(&sessions, "alice", String::new()).await;
    faults.pass(HOUR);
    assert!(!sessions.end(&user("alice"), session.key()).await.unwrap());
}

#[tokio::test]
async fn one_whose_data_do_not_decode() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let key = SessionKey::from_bytes([1; 32]);
    faults.plant_corrupt(&key, "alice").await;
    assert!(!sessions.end(&user("bob"), &key).await.unwrap());
    assert!(sessions.end(&user("alice"), &key).await.unwrap());
    assert!(faults.record(&key).await.is_none());
}

#[tokio::test]
async fn a_failure_is_reported() {
    for operation in ["get", "destroy"] {
        for kind in [ErrorKind::Unavailable, ErrorKind::Corrupt] {
            let faults = FaultStore::new();
            let sessions = faults.sessions::<String>();
            let session = login(&sessions, "alice", String::new()).await;
            faults.next(operation, Act::Fails(kind));
            assert_eq!(sessions.end(&user("alice"), session.key()).await.unwrap_err().kind(), kind);
            assert!(sessions.load(session.id()).await.unwrap().is_some());
        }
    }
}

async fn some(sessions: &Sessions<String>) -> [session_store_core::Session<String>; 5] {
    let nobody = sessions.create(String::new()).await.unwrap();
    let other = login(sessions, "bob", String::new()).await;
    let [one, two, three] = [1, 2, 3].map(|_| login(sessions, "alice", String::new()));
    [nobody, other, one.await, two.await, three.await]
}

#[tokio::test]
async fn all_others_at_once() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let [nobody, other, one, two, three] = some(&sessions).await;
    assert_eq!(sessions.destroy_others(&nobody).await.unwrap(), 0, "where nobody is logged in");
    assert_eq!(faults.live().await, 5);
    assert_eq!(sessions.destroy_others(&two).await.unwrap(), 2);
    for (session, lives) in [(&nobody, true), (&other, true), (&one, false), (&two, true), (&three, false)] {
        assert_eq!(sessions.load(session.id()).await.unwrap().is_some(), lives);
    }
    assert_eq!(sessions.destroy_others(&two).await.unwrap(), 0, "once more");
}

#[tokio::test]
async fn all_others_of_a_session_that_has_a_new_id() {
    let sessions = FaultStore::new().sessions::<String>();
    let [_, _, mut one, ..] = some(&sessions).await;
    assert!(sessions.rotate(&mut one).await.unwrap());
    assert_eq!(sessions.destroy_others(&one).await.unwrap(), 2);
    assert!(sessions.load(one.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn all_at_once() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    some(&sessions).await;
    faults.plant_corrupt(&SessionKey::from_bytes([1; 32]), "alice").await;
    assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 4);
    assert_eq!(faults.live().await, 2);
    assert_eq!(sessions.destroy_all(&user("alice")).await.unwrap(), 0);
}
