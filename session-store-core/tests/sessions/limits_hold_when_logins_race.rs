//! However logins of one user fall together, no more sessions are left than there may be.

use std::sync::Arc;

use session_store_core::sessions::{Login, MaxPerUser};
use session_store_core::{ErrorKind, SessionKey, Sessions};
use session_store_memory::MemoryStore;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::stage::{Act, SECOND, Stage, login, user};

fn sessions(stage: &Stage, max: MaxPerUser) -> Sessions<u32> {
    stage.builder().max_per_user(max).build().unwrap()
}

/// So many logins, of which none goes past this operation before all have come to it. How many were given a session.
async fn meet_at(stage: &Stage, operation: &'static str, max: MaxPerUser, count: usize) -> Vec<SessionKey> {
    let barrier = Arc::new(Barrier::new(count));
    let wait = move || {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
        }
    };
    stage.cue(operation, 0, count, if operation == "set" { Act::after(wait) } else { Act::before(wait) });
    let mut tasks = JoinSet::new();
    for n in 0..count {
        let sessions = sessions(stage, max);
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

async fn alive(stage: &Stage, keys: &[SessionKey]) -> Vec<SessionKey> {
    let mut alive = Vec::new();
    for key in keys {
        if stage.record(key).await.is_some() {
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
        let stage = Stage::new();
        let given = meet_at(&stage, "set", MaxPerUser::EndOldest(max), count).await;
        assert_eq!(given.len(), count, "none is refused");
        assert_eq!((alive(&stage, &given).await.len(), stage.live().await), (max as usize, u64::from(max)));

        let stage = Stage::new();
        let given = meet_at(&stage, "set", MaxPerUser::Refuse(max), count).await;
        assert_eq!(alive(&stage, &given).await.len(), max as usize, "none that was refused lives");
        assert_eq!(stage.live().await, u64::from(max));
    }
}

#[tokio::test]
async fn all_have_listed_before_one_has_ended_another() {
    for max in [MaxPerUser::EndOldest(1), MaxPerUser::EndOldest(3)] {
        let stage = Stage::new();
        let given = meet_at(&stage, "list_by_user", max, 8).await;
        let left = if max == MaxPerUser::EndOldest(1) { 1 } else { 3 };
        assert_eq!((alive(&stage, &given).await.len(), stage.live().await), (left, left as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_logins_at_once() {
    for _ in 0..20 {
        for max in [MaxPerUser::EndOldest(2), MaxPerUser::Refuse(2)] {
            let stage = Stage::new();
            login(&stage.sessions(), "alice", 100).await;
            stage.pass(SECOND);
            let mut tasks = JoinSet::new();
            for n in 0..16 {
                let sessions = sessions(&stage, max);
                tasks.spawn(async move { sessions.login(Login::new(user("alice"), n)).await.ok() });
            }
            tasks.join_all().await;
            assert_eq!(stage.live().await, 2, "{max:?}");
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
        let stage = Stage::new();
        let limited = sessions(&stage, max);
        let first = login(&limited, "alice", 1).await;
        let second = limited.login(Login::new(user("alice"), 2)).await;
        let mut keys = vec![*first.key()];
        keys.extend(second.ok().map(|session| *session.key()));
        assert_eq!((alive(&stage, &keys).await.len(), stage.live().await), (1, 1));
    }
}

/// A login that another has ended already, before it has counted. Where it would be refused, it begins anew: there is room.
#[tokio::test]
async fn a_newcomer_that_is_gone_before_it_counts() {
    for (max, live) in [(MaxPerUser::EndOldest(1), 0), (MaxPerUser::Refuse(1), 1)] {
        let stage = Stage::new();
        let memory = stage.memory.clone();
        let end_all = move || {
            let memory = memory.clone();
            async move { session_store_core::SessionStore::clear(&memory).await.map(drop).unwrap() }
        };
        stage.next("list_by_user", Act::before(end_all));
        sessions(&stage, max).login(Login::new(user("alice"), 1)).await.unwrap();
        assert_eq!(stage.live().await, live);
    }
}
