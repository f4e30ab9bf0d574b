//! After a change of keys, sessions are encrypted again when they are used, and on request for all of a user.

use session_store_core::codec::KeyRing;
use session_store_core::sessions::Login;
use session_store_core::{ErrorKind, Policy, Session, SessionKey, Sessions};

use crate::fault_store::{Act, FaultStore, HOUR, MINUTE, login, user};
use crate::test_keys::{codec, key, ring};

fn node(faults: &FaultStore, ring: KeyRing) -> Sessions<String> {
    faults.builder().codec(codec(ring)).build().unwrap()
}

fn rotating(faults: &FaultStore) -> Sessions<String> {
    node(faults, ring(2).with_former(key(1)))
}

async fn is_by_key(faults: &FaultStore, session: &SessionKey, n: u8) -> bool {
    codec(ring(n)).is_current(&faults.record(session).await.unwrap().data)
}

/// A session of Alice's by key 1, with a policy of its own.
async fn old_session(faults: &FaultStore) -> Session<String> {
    let policy = Policy::new(30 * MINUTE, 40 * HOUR).unwrap();
    let login = Login::new(user("alice"), "data".to_owned()).policy(policy);
    let session = node(faults, ring(1)).login(login).await.unwrap();
    faults.calls();
    session
}

/// Between the read and the write of the old data, another request does this.
fn meanwhile<F: Future<Output = ()> + Send + 'static>(
    faults: &FaultStore,
    session: &Session<String>,
    what: impl Fn(Sessions<String>, Session<String>) -> F + Send + Sync + 'static,
) {
    let behind = Sessions::builder(std::sync::Arc::new(faults.memory.clone())).codec(codec(ring(1))).build().unwrap();
    let (id, what) = (session.id().clone(), std::sync::Arc::new(what));
    let act = move || {
        let (behind, id, what) = (behind.clone(), id.clone(), std::sync::Arc::clone(&what));
        async move {
            let same = behind.load(&id).await.unwrap().unwrap();
            what(behind, same).await;
        }
    };
    faults.next("set", Act::before(act));
}

#[tokio::test]
async fn by_a_load_once() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    faults.pass(MINUTE);
    let mut loaded = rotating(&faults).load(session.id()).await.unwrap().unwrap();
    assert_eq!((faults.calls(), loaded.data.as_str()), (vec!["get", "set"], "data"));
    assert!(is_by_key(&faults, session.key(), 2).await);
    let meta = faults.meta(session.key()).await;
    assert_eq!(meta.deadline, meta.created_at.saturating_add(40 * HOUR), "the policy of the login");
    assert_eq!(meta.expires_at, meta.created_at.saturating_add(31 * MINUTE));
    assert!(meta.user == Some(user("alice")));
    assert!(rotating(&faults).load(session.id()).await.unwrap().is_some());
    assert_eq!(faults.calls(), ["get"]);
    assert!(rotating(&faults).save(&mut loaded).await.unwrap(), "what was loaded can be saved");
    let loaded = node(&faults, ring(2)).load(session.id()).await.unwrap().unwrap();
    assert_eq!((loaded.policy().idle(), loaded.policy().absolute()), (30 * MINUTE, 40 * HOUR));
}

#[tokio::test]
async fn by_a_save_an_update_and_a_rotation() {
    let faults = FaultStore::new();
    for n in 0..3 {
        let mut session = old_session(&faults).await;
        let sessions = rotating(&faults);
        match n {
            0 => assert!(sessions.save(&mut session).await.unwrap()),
            1 => sessions.update(session.id(), |_| ()).await.unwrap().unwrap(),
            _ => assert!(sessions.rotate(&mut session).await.unwrap()),
        }
        assert!(is_by_key(&faults, session.key(), 2).await);
        assert!(node(&faults, ring(2)).load(session.id()).await.unwrap().is_some(), "also under its new ID");
    }
}

#[tokio::test]
async fn a_save_meanwhile_is_not_lost() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    meanwhile(&faults, &session, |behind, mut same| async move {
        same.data = "saved meanwhile".to_owned();
        assert!(behind.save(&mut same).await.unwrap());
    });
    let mut loaded = rotating(&faults).load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.data, "saved meanwhile");
    assert!(faults.is_over() && is_by_key(&faults, session.key(), 2).await);
    assert!(rotating(&faults).save(&mut loaded).await.unwrap());
}

#[tokio::test]
async fn a_logout_meanwhile_is_a_logout() {
    for by_load in [true, false] {
        let faults = FaultStore::new();
        let session = old_session(&faults).await;
        meanwhile(&faults, &session, |behind, same| async move { assert!(behind.destroy(same.id()).await.unwrap()) });
        if by_load {
            assert!(rotating(&faults).load(session.id()).await.unwrap().is_none());
        } else {
            assert_eq!(rotating(&faults).reencrypt(&user("alice")).await.unwrap(), 0);
        }
        assert!(faults.is_over());
        assert_eq!(faults.live().await, 0);
    }
}

#[tokio::test]
async fn a_load_goes_on_where_it_fails() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::TooLarge] {
        faults.next("set", Act::Fails(kind));
        assert_eq!(rotating(&faults).load(session.id()).await.unwrap().unwrap().data, "data");
        assert!(is_by_key(&faults, session.key(), 1).await);
    }
    assert!(rotating(&faults).load(session.id()).await.unwrap().is_some());
    assert!(is_by_key(&faults, session.key(), 2).await);
}

/// Such writers there are none, but a load must not go on for ever.
#[tokio::test]
async fn a_load_gives_up_where_others_always_save() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    for _ in 0..5 {
        meanwhile(&faults, &session, |behind, mut same| async move { assert!(behind.save(&mut same).await.unwrap()) });
    }
    let impatient = faults.builder::<String>().codec(codec(ring(2).with_former(key(1)))).update_attempts(3);
    assert!(impatient.build().unwrap().load(session.id()).await.unwrap().is_some(), "as it was read");
    assert!(!faults.is_over(), "it did not try five times");
}

#[tokio::test]
async fn all_of_a_user_on_request() {
    let faults = FaultStore::new();
    let (old, rotating) = (node(&faults, ring(1)), rotating(&faults));
    let mut sessions = Vec::new();
    for n in 0..6 {
        sessions.push(login(&old, if n < 4 { "alice" } else { "bob" }, n.to_string()).await);
    }
    let new = login(&rotating, "alice", "new".to_owned()).await;
    let before = faults.record(new.key()).await.unwrap().meta;
    faults.pass(MINUTE);
    assert_eq!(rotating.reencrypt(&user("alice")).await.unwrap(), 4);
    assert_eq!(rotating.reencrypt(&user("alice")).await.unwrap(), 0);
    assert_eq!(faults.meta(new.key()).await, before, "what is current is left alone");
    for (n, session) in sessions.iter().enumerate() {
        assert!(is_by_key(&faults, session.key(), if n < 4 { 2 } else { 1 }).await);
        assert_eq!(rotating.load(session.id()).await.unwrap().unwrap().data, n.to_string());
    }
}

#[tokio::test]
async fn on_request_by_the_policy_of_the_login() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    let before = faults.meta(session.key()).await;
    faults.pass(MINUTE);
    assert_eq!(rotating(&faults).reencrypt(&user("alice")).await.unwrap(), 1);
    let meta = faults.meta(session.key()).await;
    assert_eq!(meta.deadline, meta.created_at.saturating_add(40 * HOUR));
    assert_eq!(meta.expires_at, before.expires_at, "nobody has used it");
}

#[tokio::test]
async fn on_request_whatever_else_is_there() {
    let faults = FaultStore::new();
    let session = old_session(&faults).await;
    let unknown = login(&node(&faults, ring(3)), "alice", "by a key that is not there".to_owned()).await;
    faults.plant_corrupt(&SessionKey::from_bytes([1; 32]), "alice").await;
    meanwhile(&faults, &session, |behind, mut same| async move { assert!(behind.save(&mut same).await.unwrap()) });
    assert_eq!(rotating(&faults).reencrypt(&user("alice")).await.unwrap(), 1);
    assert!(is_by_key(&faults, session.key(), 2).await && is_by_key(&faults, unknown.key(), 3).await);
    for operation in ["list_by_user", "get", "set"] {
        let another = old_session(&faults).await;
        faults.next(operation, Act::Fails(ErrorKind::Timeout));
        assert_eq!(rotating(&faults).reencrypt(&user("alice")).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(rotating(&faults).reencrypt(&user("alice")).await.unwrap(), 1, "calling again goes on");
        assert!(is_by_key(&faults, another.key(), 2).await);
    }
}

#[tokio::test]
async fn required_encryption_takes_nothing_plain() {
    let faults = FaultStore::new();
    let plain = login(&faults.sessions(), "alice", "planted".to_owned()).await;
    let required = node(&faults, ring(1));
    let mut in_hand = node(&faults, ring(1).accepting_unencrypted()).load(plain.id()).await.unwrap().unwrap();
    assert!(is_by_key(&faults, plain.key(), 1).await, "while it is introduced, a load encrypts");
    assert!(required.load(plain.id()).await.unwrap().is_some());
    assert!(node(&faults, ring(1).writing_unencrypted()).save(&mut in_hand).await.unwrap());
    let error = required.load(plain.id()).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(plain.key())));
    assert_eq!(required.update(plain.id(), |_| ()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(required.reencrypt(&user("alice")).await.unwrap(), 0);
    assert!(required.destroy(plain.id()).await.unwrap());
}

/// An attacker who can write to the database, but has no encryption key, copies another user's data under the key of their
/// own session.
#[tokio::test]
async fn data_that_were_moved_to_another_session_do_not_load() {
    let faults = FaultStore::new();
    let sessions = node(&faults, ring(1));
    let (victim, mine) = (login(&sessions, "alice", "hers".to_owned()).await, sessions.create("mine".to_owned()).await);
    let (record, mine) = (faults.record(victim.key()).await.unwrap(), mine.unwrap());
    faults.memory.plant(*mine.key(), record.meta, record.data);
    assert_eq!(sessions.load(mine.id()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(sessions.load(victim.id()).await.unwrap().unwrap().data, "hers");
}
