//! Sweeps over rows that others hold, and that others move.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use session_store_core::{ErrorKind, Owner, Page, SessionKey, SessionStore as _, SetMode, UserId, Write};
use session_store_postgres::PostgresStore;
use testkit::failures::operations::Fixture;

use crate::database::Database;
use crate::support::{HOUR, SHORT, SLACK, assert_works, builder, classify, new_key, new_user, open, timed, write_of};

/// So many sessions of a user.
async fn sessions(store: &PostgresStore, user: &UserId, count: usize) -> Vec<SessionKey> {
    join_all((0..count).map(async |_| {
        let key = new_key();
        store.set(&key, &write_of(user), SetMode::Create).await.unwrap();
        key
    }))
    .await
}

/// Rotates a session for as long as it lives, counting, and gives its last key.
async fn rotate_until_ended(store: PostgresStore, mut key: SessionKey, rotations: Arc<AtomicUsize>) -> SessionKey {
    let write = Write::new("data", HOUR, HOUR).unwrap().with_owner(Owner::Keep);
    loop {
        let to = new_key();
        match store.rotate(&key, &to, &write, None).await {
            Ok(_) => key = to,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
                return key;
            }
        }
        rotations.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_another_node_rotates_are_all_ended_and_each_is_counted_once() {
    const MOVING: usize = 32;
    const RESTING: usize = 2_500;
    let database = Database::new("moving_sessions").await;
    let (node, other) = (open(database.url()).await, open(database.url()).await);
    for _ in 0..5 {
        let (user, rotations) = (new_user(), Arc::new(AtomicUsize::new(0)));
        // More than one statement ends.
        sessions(&node, &user, RESTING).await;
        let tasks: Vec<_> = sessions(&node, &user, MOVING)
            .await
            .into_iter()
            .map(|key| tokio::spawn(rotate_until_ended(other.clone(), key, Arc::clone(&rotations))))
            .collect();
        while rotations.load(Ordering::Relaxed) < MOVING {
            tokio::task::yield_now().await;
        }
        assert_eq!(node.destroy_by_user(&user, None).await.unwrap(), (MOVING + RESTING) as u64);
        for task in tasks {
            assert!(node.get(&task.await.unwrap()).await.unwrap().is_none());
        }
        assert!(node.list_by_user(&user, &Page::first(10).unwrap()).await.unwrap().is_empty());
        assert_eq!(node.count().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_session_that_is_held_is_a_timeout_of_sweeps_that_end_it_and_they_are_finished_by_another_call() {
    const COUNT: usize = 1_500;
    let database = Database::new("held_sweeps").await;
    let store = builder(database.url()).bulk_timeout(SHORT).build().await.unwrap();
    let keep = Fixture::create(&store).await.unwrap();
    let user = new_user();
    let keys = sessions(&store, &user, COUNT).await;
    let foreign = database.hold(&keys[COUNT / 2]).await;
    let (answer, took) = timed(store.destroy_by_user(&user, None)).await;
    let error = answer.unwrap_err();
    // It has ended others.
    assert_eq!(classify(&error, &keep), (ErrorKind::Timeout, true, true), "{error:?}");
    assert!(took < SHORT + SLACK, "it took {took:?}");
    // All the others have ended.
    assert_eq!(store.count().await.unwrap(), 2);
    foreign.roll_back().await;
    assert_eq!(store.destroy_by_user(&user, None).await.unwrap(), 1);

    let keys = sessions(&store, &user, COUNT).await;
    let foreign = database.hold(&keys[COUNT / 2]).await;
    let (answer, took) = timed(store.clear()).await;
    let error = answer.unwrap_err();
    // It has ended others.
    assert_eq!(classify(&error, &keep), (ErrorKind::Timeout, true, true), "{error:?}");
    assert!(took < SHORT + SLACK, "it took {took:?}");
    assert_eq!(store.count().await.unwrap(), 1);
    foreign.roll_back().await;
    assert_eq!(store.clear().await.unwrap(), 1);
    assert_works(&store).await;
}

#[tokio::test]
async fn a_session_that_is_released_in_time_is_ended_by_sweeps() {
    let database = Database::new("released_sweeps").await;
    let store = open(database.url()).await;
    let user = new_user();
    for is_clear in [false, true] {
        let keys = sessions(&store, &user, 10).await;
        let foreign = database.hold(&keys[5]).await;
        let release = async {
            database.until_held_up(1).await;
            foreign.roll_back().await;
        };
        let sweep = async { if is_clear { store.clear().await } else { store.destroy_by_user(&user, None).await } };
        let (ended, ()) = join(sweep, release).await;
        assert_eq!(ended.unwrap(), 10);
    }
}

#[tokio::test]
async fn a_dead_session_that_is_held_is_left_by_a_prune_that_says_so() {
    let database = Database::new("held_prune").await;
    let store = open(database.url()).await;
    let write = Write::new("data", Duration::from_millis(1), HOUR).unwrap();
    let keys = join_all((0..10).map(async |_| {
        let key = new_key();
        store.set(&key, &write, SetMode::Create).await.unwrap();
        key
    }))
    .await;
    database.until("floor(extract(epoch FROM clock_timestamp()) * 1000) > (SELECT max(expires_at) FROM app)").await;
    let foreign = database.hold(&keys[5]).await;
    let (pruned, took) = timed(store.prune(100)).await;
    let pruned = pruned.unwrap();
    assert!(pruned.removed == 9 && pruned.more, "{pruned:?}");
    assert!(took < Duration::from_secs(1), "it waits for nobody, and took {took:?}");
    foreign.roll_back().await;
    let pruned = store.prune(100).await.unwrap();
    assert!(pruned.removed == 1 && !pruned.more, "{pruned:?}");
}
