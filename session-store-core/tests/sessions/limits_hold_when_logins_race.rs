//! However logins of one user fall together, no more sessions are left than there may be.

use std::sync::Arc;

use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{ErrorKind, Result, Session, SessionKey, Sessions};
use session_store_memory::MemoryStore;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::fault_store::{Act, FaultStore, HOUR, SECOND, login, user};

fn sessions(faults: &FaultStore, max: MaxPerUser) -> Sessions<u32> {
    faults.builder().max_per_user(max).build().unwrap()
}

/// So many logins, of which none goes past this operation before all have come to it. How many were given a session.
async fn meet_at(faults: &FaultStore, operation: &'static str, max: MaxPerUser, count: usize) -> Vec<SessionKey> {
    let barrier = Arc::new(Barrier::new(count));
    let wait = move || {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
        }
    };
    faults.cue(operation, 0, count, if operation == "set" { Act::after(wait) } else { Act::before(wait) });
    let mut tasks = JoinSet::new();
    for n in 0..count {
        let sessions = sessions(faults, max);
        tasks.spawn(async move { sessions.login(Login::new(user("alice"), u32::try_from(n).unwrap())).await });
    }
    let mut given = Vec::new();
    for answer in tasks.join_all().await {
        match answer {
            Ok(session) => given.push(*session.key()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}"),
        }
    }
    given
}

async fn alive(faults: &FaultStore, keys: &[SessionKey]) -> Vec<SessionKey> {
    let mut alive = Vec::new();
    for key in keys {
        if faults.record(key).await.is_some() {
            alive.push(*key);
        }
    }
    alive.sort();
    alive
}

/// All are created at the same moment, of a clock that stands still, so that in the end only their keys tell which stay.
#[tokio::test]
async fn all_have_created_before_one_has_listed() {
    for (max, count) in [(1, 2), (1, 9), (3, 9), (9, 9)] {
        let faults = FaultStore::new();
        let given = meet_at(&faults, "set", MaxPerUser::EndOldest(max), count).await;
        assert_eq!(given.len(), count, "none is refused");
        assert_eq!((alive(&faults, &given).await.len(), faults.live().await), (max as usize, u64::from(max)));

        let faults = FaultStore::new();
        let given = meet_at(&faults, "set", MaxPerUser::Refuse(max), count).await;
        assert_eq!((given.len(), alive(&faults, &given).await.len()), (max as usize, max as usize), "no other lives");
        assert_eq!(faults.live().await, u64::from(max));
    }
}

#[tokio::test]
async fn all_have_listed_before_one_has_ended_another() {
    for (max, left) in [
        (MaxPerUser::EndOldest(1), 1),
        (MaxPerUser::EndOldest(3), 3),
        (MaxPerUser::Refuse(1), 1),
        (MaxPerUser::Refuse(3), 3),
    ] {
        let faults = FaultStore::new();
        let given = meet_at(&faults, "list_by_user", max, 8).await;
        assert_eq!((alive(&faults, &given).await.len(), faults.live().await), (left, left as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_logins_at_once() {
    for _ in 0..20 {
        for max in [MaxPerUser::EndOldest(2), MaxPerUser::Refuse(2)] {
            let faults = FaultStore::new();
            login(&faults.sessions(), "alice", 100).await;
            faults.pass(SECOND);
            let mut tasks = JoinSet::new();
            for n in 0..16 {
                let sessions = sessions(&faults, max);
                tasks.spawn(async move { sessions.login(Login::new(user("alice"), n)).await.ok() });
            }
            tasks.join_all().await;
            assert_eq!(faults.live().await, 2, "{max:?}");
        }
    }
}

/// By a clock that goes on: the second of two that come one after the other is the newest, however fast it comes.
#[tokio::test]
async fn a_login_outlives_one_of_the_same_moment() {
    let store = Arc::new(MemoryStore::new());
    let limited = Sessions::builder(store).max_per_user(MaxPerUser::EndOldest(1)).build().unwrap();
    let mut before = login(&limited, "alice", 0).await;
    for n in 1..200 {
        let session = login(&limited, "alice", n).await;
        assert!(limited.load(session.id()).await.unwrap().is_some(), "login {n}");
        assert!(limited.load(before.id()).await.unwrap().is_none(), "login {n}");
        before = session;
    }
}

#[tokio::test]
async fn a_login_is_refused_for_one_of_the_same_moment() {
    for n in 0..100 {
        let store = Arc::new(MemoryStore::new());
        let limited = Sessions::builder(store).max_per_user(MaxPerUser::Refuse(1)).build().unwrap();
        let first = login(&limited, "alice", 1).await;
        let second = limited.login(Login::new(user("alice"), 2)).await;
        assert_eq!(second.unwrap_err().kind(), ErrorKind::LimitReached, "round {n}");
        assert!(limited.load(first.id()).await.unwrap().is_some(), "round {n}");
    }
}

/// Where the clock stands still, no login waits for ever: their keys decide.
#[tokio::test]
async fn of_two_at_the_same_moment_one_stays() {
    for max in [MaxPerUser::EndOldest(1), MaxPerUser::Refuse(1)] {
        let faults = FaultStore::new();
        let limited = sessions(&faults, max);
        let first = login(&limited, "alice", 1).await;
        let second = limited.login(Login::new(user("alice"), 2)).await;
        let mut keys = vec![*first.key()];
        keys.extend(second.ok().map(|session| *session.key()));
        assert_eq!((alive(&faults, &keys).await.len(), faults.live().await), (1, 1));
    }
}

/// A user who ends all sessions, and with them one that was beginning, has none.
#[tokio::test]
async fn a_newcomer_that_is_gone_before_it_counts() {
    for max in [MaxPerUser::EndOldest(1), MaxPerUser::Refuse(1)] {
        let faults = FaultStore::new();
        let memory = faults.memory.clone();
        let end_all = move || {
            let memory = memory.clone();
            async move { session_store_core::SessionStore::clear(&memory).await.map(drop).unwrap() }
        };
        faults.next("list_by_user", Act::before(end_all));
        sessions(&faults, max).login(Login::new(user("alice"), 1)).await.unwrap();
        assert_eq!(faults.live().await, 0);
    }
}

/// A login in whose favour this one leaves, and which is gone when it has left: there is room.
#[tokio::test]
async fn a_login_begins_anew_where_another_has_left_too() {
    let (faults, answer) = among_others(2).await;
    answer.unwrap();
    assert_eq!(faults.live().await, 2);
}

/// It cannot go on for ever, and nothing is full.
#[tokio::test(start_paused = true)]
async fn others_that_always_come_and_leave_fail_a_login() {
    let (faults, answer) = among_others(usize::MAX).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.is_transient(), error.outcome_unknown()), (ErrorKind::Conflict, true, false));
    assert_eq!(faults.live().await, 1, "the newcomer is gone");
}

/// A login of a user who has one session of two, while another session comes, or leaves, before so many of its lists.
async fn among_others(lists: usize) -> (FaultStore, Result<Session<u32>>) {
    let faults = FaultStore::new();
    login(&faults.sessions(), "alice", 1).await;
    faults.pass(SECOND);
    let memory = faults.memory.clone();
    let come_or_leave = move || {
        let memory = memory.clone();
        async move { come_or_leave(&memory).await }
    };
    faults.cue("list_by_user", 0, lists, Act::before(come_or_leave));
    let answer = sessions(&faults, MaxPerUser::Refuse(2)).login(Login::new(user("alice"), 3)).await;
    (faults, answer)
}

async fn come_or_leave(memory: &MemoryStore) {
    use session_store_core::{Owner, SessionStore as _, SetMode, Write};
    let other = SessionKey::from_bytes([0; 32]); // the first in order, of the same moment
    if !memory.destroy(&other).await.unwrap() {
        let write = Write::new("x", HOUR, HOUR).unwrap().with_owner(Owner::User(user("alice")));
        memory.set(&other, &write, SetMode::Create).await.unwrap();
    }
}
