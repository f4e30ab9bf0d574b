//! Where keys change, sessions are encrypted anew while they are used, and for a user on request.

use session_store_core::codec::KeyRing;
use session_store_core::sessions::Login;
use session_store_core::{ErrorKind, Policy, Session, SessionKey, Sessions};

use crate::rings::{codec, key, ring};
use crate::stage::{Act, HOUR, MINUTE, Stage, login, user};

fn node(stage: &Stage, ring: KeyRing) -> Sessions<String> {
    stage.builder().codec(codec(ring)).build().unwrap()
}

fn rotating(stage: &Stage) -> Sessions<String> {
    node(stage, ring(2).with_former(key(1)))
}

async fn is_by_key(stage: &Stage, session: &SessionKey, n: u8) -> bool {
    codec(ring(n)).is_current(&stage.record(session).await.unwrap().data)
}

/// A session of Alice's by key 1, with a policy of its own.
async fn old_session(stage: &Stage) -> Session<String> {
    let policy = Policy::new(30 * MINUTE, 40 * HOUR).unwrap();
    let login = Login::new(user("alice"), "data".to_owned()).policy(policy);
    let session = node(stage, ring(1)).login(login).await.unwrap();
    stage.calls();
    session
}

/// Between the read and the write of the old data, another request does this.
fn meanwhile<F: Future<Output = ()> + Send + 'static>(
    stage: &Stage,
    session: &Session<String>,
    what: impl Fn(Sessions<String>, Session<String>) -> F + Send + Sync + 'static,
) {
    let behind = Sessions::builder(std::sync::Arc::new(stage.memory.clone())).codec(codec(ring(1))).build().unwrap();
    let (id, what) = (session.id().clone(), std::sync::Arc::new(what));
    let act = move || {
        let (behind, id, what) = (behind.clone(), id.clone(), std::sync::Arc::clone(&what));
        async move {
            let same = behind.load(&id).await.unwrap().unwrap();
            what(behind, same).await;
        }
    };
    stage.next("set", Act::before(act));
}

#[tokio::test]
async fn by_a_load_once() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    stage.pass(MINUTE);
    let mut loaded = rotating(&stage).load(session.id()).await.unwrap().unwrap();
    assert_eq!((stage.calls(), loaded.data.as_str()), (vec!["get", "set"], "data"));
    assert!(is_by_key(&stage, session.key(), 2).await);
    let meta = stage.meta(session.key()).await;
    assert_eq!(meta.deadline, meta.created_at.saturating_add(40 * HOUR), "the policy of the login");
    assert_eq!(meta.expires_at, meta.created_at.saturating_add(31 * MINUTE));
    assert!(meta.user == Some(user("alice")));
    assert!(rotating(&stage).load(session.id()).await.unwrap().is_some());
    assert_eq!(stage.calls(), ["get"]);
    assert!(rotating(&stage).save(&mut loaded).await.unwrap(), "what was loaded can be saved");
    let loaded = node(&stage, ring(2)).load(session.id()).await.unwrap().unwrap();
    assert_eq!((loaded.policy().idle(), loaded.policy().absolute()), (30 * MINUTE, 40 * HOUR));
}

#[tokio::test]
async fn by_a_save_an_update_and_a_rotation() {
    let stage = Stage::new();
    for n in 0..3 {
        let mut session = old_session(&stage).await;
        let sessions = rotating(&stage);
        match n {
            0 => assert!(sessions.save(&mut session).await.unwrap()),
            1 => sessions.update(session.id(), |_| ()).await.unwrap().unwrap(),
            _ => assert!(sessions.rotate(&mut session).await.unwrap()),
        }
        assert!(is_by_key(&stage, session.key(), 2).await);
        assert!(node(&stage, ring(2)).load(session.id()).await.unwrap().is_some(), "also under its new ID");
    }
}

#[tokio::test]
async fn a_save_meanwhile_is_not_lost() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    meanwhile(&stage, &session, |behind, mut same| async move {
        same.data = "saved meanwhile".to_owned();
        assert!(behind.save(&mut same).await.unwrap());
    });
    let mut loaded = rotating(&stage).load(session.id()).await.unwrap().unwrap();
    assert_eq!(loaded.data, "saved meanwhile");
    assert!(stage.is_over() && is_by_key(&stage, session.key(), 2).await);
    assert!(rotating(&stage).save(&mut loaded).await.unwrap());
}

#[tokio::test]
async fn a_logout_meanwhile_is_a_logout() {
    for by_load in [true, false] {
        let stage = Stage::new();
        let session = old_session(&stage).await;
        meanwhile(&stage, &session, |behind, same| async move { assert!(behind.destroy(same.id()).await.unwrap()) });
        if by_load {
            assert!(rotating(&stage).load(session.id()).await.unwrap().is_none());
        } else {
            assert_eq!(rotating(&stage).reencrypt(&user("alice")).await.unwrap(), 0);
        }
        assert!(stage.is_over());
        assert_eq!(stage.live().await, 0);
    }
}

#[tokio::test]
async fn a_load_goes_on_where_it_fails() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::TooLarge] {
        stage.next("set", Act::Fails(kind));
        assert_eq!(rotating(&stage).load(session.id()).await.unwrap().unwrap().data, "data");
        assert!(is_by_key(&stage, session.key(), 1).await);
    }
    assert!(rotating(&stage).load(session.id()).await.unwrap().is_some());
    assert!(is_by_key(&stage, session.key(), 2).await);
}

/// Such writers there are none, but a load must not go on for ever.
#[tokio::test]
async fn a_load_gives_up_where_others_always_save() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    for _ in 0..5 {
        meanwhile(&stage, &session, |behind, mut same| async move { assert!(behind.save(&mut same).await.unwrap()) });
    }
    let impatient = stage.builder::<String>().codec(codec(ring(2).with_former(key(1)))).update_attempts(3);
    assert!(impatient.build().unwrap().load(session.id()).await.unwrap().is_some(), "as it was read");
    assert!(!stage.is_over(), "it did not try five times");
}

#[tokio::test]
async fn all_of_a_user_on_request() {
    let stage = Stage::new();
    let (old, rotating) = (node(&stage, ring(1)), rotating(&stage));
    let mut sessions = Vec::new();
    for n in 0..6 {
        sessions.push(login(&old, if n < 4 { "alice" } else { "bob" }, n.to_string()).await);
    }
    let new = login(&rotating, "alice", "new".to_owned()).await;
    let before = stage.record(new.key()).await.unwrap().meta;
    stage.pass(MINUTE);
    assert_eq!(rotating.reencrypt(&user("alice")).await.unwrap(), 4);
    assert_eq!(rotating.reencrypt(&user("alice")).await.unwrap(), 0);
    assert_eq!(stage.meta(new.key()).await, before, "what is current is left alone");
    for (n, session) in sessions.iter().enumerate() {
        assert!(is_by_key(&stage, session.key(), if n < 4 { 2 } else { 1 }).await);
        assert_eq!(rotating.load(session.id()).await.unwrap().unwrap().data, n.to_string());
    }
}

#[tokio::test]
async fn on_request_by_the_policy_of_the_login() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    let before = stage.meta(session.key()).await;
    stage.pass(MINUTE);
    assert_eq!(rotating(&stage).reencrypt(&user("alice")).await.unwrap(), 1);
    let meta = stage.meta(session.key()).await;
    assert_eq!(meta.deadline, meta.created_at.saturating_add(40 * HOUR));
    assert_eq!(meta.expires_at, before.expires_at, "nobody has used it");
}

#[tokio::test]
async fn on_request_whatever_else_is_there() {
    let stage = Stage::new();
    let session = old_session(&stage).await;
    let unknown = login(&node(&stage, ring(3)), "alice", "by a key that is not there".to_owned()).await;
    stage.plant_corrupt(&SessionKey::from_bytes([1; 32]), "alice").await;
    meanwhile(&stage, &session, |behind, mut same| async move { assert!(behind.save(&mut same).await.unwrap()) });
    assert_eq!(rotating(&stage).reencrypt(&user("alice")).await.unwrap(), 1);
    assert!(is_by_key(&stage, session.key(), 2).await && is_by_key(&stage, unknown.key(), 3).await);
    for operation in ["list_by_user", "get", "set"] {
        let another = old_session(&stage).await;
        stage.next(operation, Act::Fails(ErrorKind::Timeout));
        assert_eq!(rotating(&stage).reencrypt(&user("alice")).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(rotating(&stage).reencrypt(&user("alice")).await.unwrap(), 1, "calling again goes on");
        assert!(is_by_key(&stage, another.key(), 2).await);
    }
}

#[tokio::test]
async fn required_encryption_takes_nothing_plain() {
    let stage = Stage::new();
    let plain = login(&stage.sessions(), "alice", "planted".to_owned()).await;
    let required = node(&stage, ring(1));
    let mut in_hand = node(&stage, ring(1).accepting_unencrypted()).load(plain.id()).await.unwrap().unwrap();
    assert!(is_by_key(&stage, plain.key(), 1).await, "while it is introduced, a load encrypts");
    assert!(required.load(plain.id()).await.unwrap().is_some());
    assert!(node(&stage, ring(1).writing_unencrypted()).save(&mut in_hand).await.unwrap());
    let error = required.load(plain.id()).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(plain.key())));
    assert_eq!(required.update(plain.id(), |_| ()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(required.reencrypt(&user("alice")).await.unwrap(), 0);
    assert!(required.destroy(plain.id()).await.unwrap());
}

/// Whoever can write to the database, but has no key, moves another's data under a key whose cookie he knows.
#[tokio::test]
async fn data_that_were_moved_to_another_session_do_not_load() {
    let stage = Stage::new();
    let sessions = node(&stage, ring(1));
    let (victim, mine) = (login(&sessions, "alice", "hers".to_owned()).await, sessions.create("mine".to_owned()).await);
    let (record, mine) = (stage.record(victim.key()).await.unwrap(), mine.unwrap());
    stage.memory.plant(*mine.key(), record.meta, record.data);
    assert_eq!(sessions.load(mine.id()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(sessions.load(victim.id()).await.unwrap().unwrap().data, "hers");
}
