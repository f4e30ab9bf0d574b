//! A user has no more sessions than there may be: the oldest end, or the login is refused.

use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{Error, ErrorKind, Session, SessionKey, Sessions};

use crate::fault_store::{Act, FaultStore, HOUR, SECOND, login, user};

fn sessions(faults: &FaultStore, max: MaxPerUser) -> Sessions<u32> {
    faults.builder().max_per_user(max).build().unwrap()
}

/// So many logins, a second after each other.
async fn logins(faults: &FaultStore, sessions: &Sessions<u32>, count: u32) -> Vec<Session<u32>> {
    let mut all = Vec::new();
    for n in 0..count {
        all.push(login(sessions, "alice", n).await);
        faults.pass(SECOND);
    }
    all
}

async fn alive(faults: &FaultStore, all: &[Session<u32>]) -> Vec<u32> {
    let mut alive = Vec::new();
    for session in all {
        if faults.record(session.key()).await.is_some() {
            alive.push(session.data);
        }
    }
    alive
}

async fn refused(sessions: &Sessions<u32>, name: &str) -> Error {
    let error = sessions.login(Login::new(user(name), 9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(!error.is_transient() && !error.outcome_unknown());
    assert!(!format!("{error} {error:?}").contains(name));
    error
}

#[tokio::test]
async fn the_oldest_ends() {
    for max in [1, 2, 5] {
        let faults = FaultStore::new();
        let sessions = sessions(&faults, MaxPerUser::EndOldest(max));
        let all = logins(&faults, &sessions, 8).await;
        assert_eq!(alive(&faults, &all).await, (8 - max..8).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn by_its_creation_and_not_by_its_use() {
    let faults = FaultStore::new();
    let sessions = sessions(&faults, MaxPerUser::EndOldest(2));
    let mut all = logins(&faults, &sessions, 2).await;
    assert!(sessions.save(&mut all[0]).await.unwrap());
    assert!(sessions.rotate(&mut all[0]).await.unwrap());
    all.push(login(&sessions, "alice", 2).await);
    assert_eq!(alive(&faults, &all).await, [1, 2]);
}

#[tokio::test]
async fn the_login_is_refused() {
    for max in [1, 3] {
        let faults = FaultStore::new();
        let sessions = sessions(&faults, MaxPerUser::Refuse(max));
        let all = logins(&faults, &sessions, max).await;
        let error = refused(&sessions, "alice").await;
        assert!(faults.record(error.key().unwrap()).await.is_none(), "the newcomer has ended");
        assert_eq!(alive(&faults, &all).await.len(), max as usize);
        assert_eq!(faults.live().await, max.into());
        login(&sessions, "bob", 0).await;
        assert!(sessions.destroy(all[0].id()).await.unwrap());
        login(&sessions, "alice", 9).await;
        faults.pass(SECOND);
        refused(&sessions, "alice").await;
    }
}

#[tokio::test]
async fn the_session_that_is_replaced_does_not_count() {
    let faults = FaultStore::new();
    for max in [MaxPerUser::EndOldest(2), MaxPerUser::Refuse(2)] {
        let sessions = sessions(&faults, max);
        let all = logins(&faults, &sessions, 2).await;
        sessions.login(Login::new(user("alice"), 2).replacing(all[1].id())).await.unwrap();
        assert_eq!(alive(&faults, &all).await, [0]);
        sessions.destroy_all(&user("alice")).await.unwrap();
    }
}

#[tokio::test]
async fn expired_and_anonymous_sessions_do_not_count() {
    let faults = FaultStore::new();
    let sessions = sessions(&faults, MaxPerUser::Refuse(1));
    logins(&faults, &sessions, 1).await;
    refused(&sessions, "alice").await;
    faults.pass(HOUR);
    for _ in 0..3 {
        sessions.create(0).await.unwrap();
    }
    login(&sessions, "alice", 1).await;
}

#[tokio::test]
async fn a_lowered_limit_ends_the_oldest_at_the_next_login() {
    let faults = FaultStore::new();
    let mut all = logins(&faults, &faults.sessions(), 6).await;
    all.push(login(&sessions(&faults, MaxPerUser::EndOldest(2)), "alice", 6).await);
    assert_eq!(alive(&faults, &all).await, [5, 6]);
}

/// A refusal is no reason to log out who is logged in.
#[tokio::test]
async fn a_lowered_limit_that_refuses_ends_nothing() {
    let faults = FaultStore::new();
    let all = logins(&faults, &faults.sessions(), 6).await;
    refused(&sessions(&faults, MaxPerUser::Refuse(2)), "alice").await;
    assert_eq!(alive(&faults, &all).await, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn sessions_over_several_pages_are_all_counted() {
    let faults = FaultStore::new();
    let all = logins(&faults, &faults.sessions(), 1_005).await;
    login(&sessions(&faults, MaxPerUser::EndOldest(3)), "alice", 2_000).await;
    assert_eq!(alive(&faults, &all).await, [1_003, 1_004]);
    assert_eq!(faults.live().await, 3);
}

#[tokio::test]
async fn a_corrupt_session_counts_and_ends_like_any() {
    let faults = FaultStore::new();
    let key = SessionKey::from_bytes([3; 32]);
    faults.plant_corrupt(&key, "alice").await;
    faults.pass(SECOND);
    refused(&sessions(&faults, MaxPerUser::Refuse(1)), "alice").await;
    login(&sessions(&faults, MaxPerUser::EndOldest(1)), "alice", 1).await;
    assert!(faults.record(&key).await.is_none());
}

/// A surplus session that gets a new ID between the list and its end is found under its new key.
#[tokio::test]
async fn a_rotation_does_not_slip_through() {
    let faults = FaultStore::new();
    let limited = sessions(&faults, MaxPerUser::EndOldest(1));
    let old = login(&limited, "alice", 0).await;
    faults.pass(SECOND);
    let (behind, id) = (faults.behind::<u32>(), old.id().clone());
    let rotate = move || {
        let (behind, id) = (behind.clone(), id.clone());
        async move {
            let mut same = behind.load(&id).await.unwrap().unwrap();
            assert!(behind.rotate(&mut same).await.unwrap());
        }
    };
    faults.next("destroy", Act::before(rotate));
    let new = login(&limited, "alice", 1).await;
    assert!(faults.is_over());
    assert_eq!((faults.live().await, faults.record(new.key()).await.is_some()), (1, true));
}

/// That cannot go on for ever: the login fails, and leaves no session.
#[tokio::test]
async fn sessions_that_always_slip_away_fail_the_login() {
    let faults = FaultStore::new();
    let limited = sessions(&faults, MaxPerUser::EndOldest(1));
    login(&limited, "alice", 0).await;
    faults.pass(SECOND);
    let memory = faults.memory.clone();
    let slip = move || {
        let memory = memory.clone();
        async move { slip_away(&memory).await }
    };
    faults.cue("destroy", 0, usize::MAX, Act::before(slip));
    let error = limited.login(Login::new(user("alice"), 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient(), error.outcome_unknown()), (ErrorKind::Conflict, true, false));
    assert_eq!(faults.live().await, 1, "the newcomer is gone");
}

async fn slip_away(memory: &session_store_memory::MemoryStore) {
    use session_store_core::{Page, SessionId, SessionStore as _, Write};
    let entries = memory.list_by_user(&user("alice"), &Page::first(9).unwrap()).await.unwrap();
    let oldest = entries.iter().min_by_key(|entry| entry.meta.created_at).unwrap();
    let data = memory.get(&oldest.key).await.unwrap().unwrap().data;
    let to = SessionKey::from(&SessionId::generate().unwrap());
    memory.rotate(&oldest.key, &to, &Write::new(data, HOUR, HOUR).unwrap(), None).await.unwrap();
}
