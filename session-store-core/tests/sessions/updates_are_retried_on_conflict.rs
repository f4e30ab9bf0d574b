//! An update reads again what others have saved meanwhile, so that no change is lost, and gives up at its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use session_store_core::{ErrorKind, Policy, SessionId, SessionStore};
use tokio::time::Instant;

use crate::fault_store::{Act, FaultStore, HOUR, MINUTE};

/// Before each of so many writes, another request has saved.
fn interrupt(faults: &FaultStore, id: &SessionId, times: usize) -> Arc<AtomicU32> {
    let (behind, id, count) = (faults.behind::<Vec<u32>>(), id.clone(), Arc::new(AtomicU32::new(100)));
    let counted = Arc::clone(&count);
    let other = move || {
        let (behind, id, n) = (behind.clone(), id.clone(), counted.fetch_add(1, Ordering::SeqCst));
        async move { behind.update(&id, |list| list.push(n)).await.unwrap().unwrap() }
    };
    faults.cue("set", 0, times, Act::before(other));
    count
}

#[tokio::test(start_paused = true)]
async fn its_change_is_made_anew_of_what_is_there_by_then() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<Vec<u32>>();
    let session = sessions.create(vec![1]).await.unwrap();
    interrupt(&faults, session.id(), 3);
    let mut seen = Vec::new();
    let answer = sessions.update(session.id(), |list| {
        seen.push(list.clone());
        list.push(7);
        list.len()
    });
    assert_eq!(answer.await.unwrap(), Some(5), "the answer of the change that was saved");
    assert_eq!(seen, [vec![1], vec![1, 100], vec![1, 100, 101], vec![1, 100, 101, 102]]);
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, [1, 100, 101, 102, 7]);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_so_many_attempts() {
    for attempts in [1, 2, 5, 64] {
        let faults = FaultStore::new();
        let sessions = faults.builder::<Vec<u32>>().update_attempts(attempts).build().unwrap();
        let session = sessions.create(vec![]).await.unwrap();
        let others = interrupt(&faults, session.id(), usize::MAX);
        let mut calls = 0;
        let begun = Instant::now();
        let error = sessions.update(session.id(), |_| calls += 1).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Conflict, true));
        assert!(!error.outcome_unknown());
        assert_eq!((calls, others.load(Ordering::SeqCst)), (attempts, 100 + attempts));
        let longest = 64 * u64::from(attempts - 1);
        assert!(begun.elapsed() <= Duration::from_millis(longest + u64::from(attempts)), "{:?}", begun.elapsed());
        assert!(attempts < 9 || begun.elapsed() > Duration::from_millis(500), "the pauses grow");
        assert!(sessions.load(session.id()).await.unwrap().unwrap().data.iter().all(|n| *n >= 100));
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_attempts_as_it_has_are_enough() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<Vec<u32>>().update_attempts(4).build().unwrap();
    let session = sessions.create(vec![]).await.unwrap();
    interrupt(&faults, session.id(), 3);
    assert_eq!(sessions.update(session.id(), |_| "saved").await.unwrap(), Some("saved"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_retried() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Internal, ErrorKind::TooLarge] {
        for (operation, expected_calls) in [("get", 0), ("set", 1)] {
            let faults = FaultStore::new();
            let sessions = faults.sessions::<u32>();
            let session = sessions.create(0).await.unwrap();
            faults.next(operation, Act::Fails(kind));
            let mut calls = 0;
            let error = sessions.update(session.id(), |_| calls += 1).await.unwrap_err();
            assert_eq!((error.kind(), calls), (kind, expected_calls));
        }
    }
}

/// It may have happened, and to do it again would do it twice.
#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_not_retried() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let session = sessions.create(0).await.unwrap();
    faults.next("set", Act::IsDoneButFails(ErrorKind::Timeout));
    let error = sessions.update(session.id(), |n| *n += 1).await.unwrap_err();
    assert!(error.outcome_unknown());
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, 1);
}

#[tokio::test(start_paused = true)]
async fn data_that_do_not_decode_are_not_changed() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<String>();
    let session = sessions.create("data".to_owned()).await.unwrap();
    let error = faults.sessions::<u32>().update(session.id(), |_| unreachable!()).await;
    let error = error.map(|_: Option<()>| ()).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(session.key())));
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, "data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_none_is_lost() {
    let faults = FaultStore::new();
    let sessions = faults.sessions::<u32>();
    let session = sessions.create(0).await.unwrap();
    let tasks: Vec<_> = (0..24)
        .map(|_| {
            let (sessions, id) = (sessions.clone(), session.id().clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    sessions.update(&id, |count| *count += 1).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(sessions.load(session.id()).await.unwrap().unwrap().data, 240);
}

#[tokio::test]
async fn it_counts_as_use_of_the_session() {
    let faults = FaultStore::new();
    let sessions = faults.builder::<u32>().policy(Policy::new(10 * MINUTE, HOUR).unwrap()).build().unwrap();
    let session = sessions.create(0).await.unwrap();
    let before = faults.meta(session.key()).await;
    faults.pass(9 * MINUTE);
    sessions.update(session.id(), |n| *n += 1).await.unwrap().unwrap();
    let after = faults.meta(session.key()).await;
    assert_eq!(after.expires_at, before.created_at.saturating_add(19 * MINUTE));
    assert_eq!((after.deadline, after.created_at), (before.deadline, before.created_at));
    assert_eq!(faults.count().await.unwrap(), 1);
}
