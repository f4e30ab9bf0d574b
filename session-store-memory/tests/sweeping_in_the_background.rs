//! The background sweep removes what is dead, and ends with the last handle. Tokio's clock is paused:
//! nothing here waits.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use session_store_core::{ErrorKind, SessionKey, SessionStore, SetMode, Timestamp, Write};
use session_store_memory::{ManualClock, MemoryStore};
use tokio::runtime::{Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

fn sweeping(clock: &Arc<ManualClock>) -> MemoryStore {
    MemoryStore::builder().clock(clock.clone()).prune_every(MINUTE).build().unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(0)))
}

async fn fill(store: &MemoryStore, idle: Duration) {
    for n in 0..100 {
        let write = Write::new("data", idle, idle).unwrap();
        store.set(&SessionKey::from_bytes([n; 32]), &write, SetMode::Upsert).await.unwrap();
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn it_removes_what_is_dead_and_leaves_what_lives() {
    let clock = clock();
    let store = sweeping(&clock);
    for round in 0..3 {
        fill(&store, MINUTE).await;
        let living = SessionKey::from_bytes([200 + round; 32]);
        store.set(&living, &Write::new("data", 600 * MINUTE, 600 * MINUTE).unwrap(), SetMode::Create).await.unwrap();
        clock.advance(MINUTE);
        assert_eq!(store.stored(), 101 + usize::from(round));
        sleep(MINUTE + SECOND).await;
        assert_eq!(store.stored(), 1 + usize::from(round), "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_its_interval() {
    let clock = clock();
    let store = sweeping(&clock);
    fill(&store, SECOND).await;
    clock.advance(MINUTE);
    sleep(59 * SECOND).await;
    assert_eq!(store.stored(), 100);
    sleep(2 * SECOND).await;
    assert_eq!(store.stored(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_last_handle_and_at_once() {
    assert_eq!(tasks(), 0);
    let store = sweeping(&clock());
    assert_eq!(tasks(), 1);
    let started = tokio::time::Instant::now();
    drop(store);
    yield_now().await;
    assert_eq!(tasks(), 0);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_while_there_is_a_handle() {
    let clock = clock();
    let store = sweeping(&clock);
    let clone = store.clone();
    let any_store: Arc<dyn SessionStore> = Arc::new(clone.clone());
    drop((store, any_store));
    yield_now().await;
    assert_eq!(tasks(), 1);

    fill(&clone, SECOND).await;
    clock.advance(SECOND);
    sleep(MINUTE + SECOND).await;
    assert_eq!(clone.stored(), 0);
    drop(clone);
    yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_it_starts_no_task() {
    let _store = MemoryStore::new();
    let _another = MemoryStore::builder().build().unwrap();
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_longest_interval_is_an_interval() {
    let _store = MemoryStore::builder().prune_every(Duration::MAX).build().unwrap();
    sleep(1_000 * MINUTE).await;
    assert_eq!(tasks(), 1);
}

#[test]
fn the_store_outlives_the_runtime_it_was_built_in() {
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(async { sweeping(&clock()) });
    drop(runtime);
    Runtime::new().unwrap().block_on(async {
        fill(&store, MINUTE).await;
        assert_eq!(store.count().await.unwrap(), 100);
        assert_eq!(tasks(), 0);
    });
}

#[test]
fn it_needs_a_runtime() {
    let error = MemoryStore::builder().prune_every(MINUTE).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "`prune_every` needs a Tokio runtime; build the store inside one, or call `prune` yourself"
    );
    assert!(MemoryStore::builder().build().is_ok(), "no other setting does");
}

#[tokio::test]
async fn settings_of_zero_are_refused() {
    let error = MemoryStore::builder().prune_every(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "a prune interval of 0 would never rest; set a longer one");
    let error = MemoryStore::builder().data_limit(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "a data limit of 0 bytes would refuse every session; set a larger one");
}
