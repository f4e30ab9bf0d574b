//! The system's clock never steps back here, and one that does breaks nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, and of this clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use session_store_core::{Owner, Page, Pruned, SessionKey, SessionStore, SetMode, Timestamp, UserId, Write};
use session_store_memory::{Clock, MemoryStore, SystemClock};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn the_system_clock_tells_the_time() {
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = u128::try_from(SystemClock::new().now().as_millis()).unwrap();
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!((before..=after).contains(&now));
}

/// What one thread was told, no thread is told less than later.
#[test]
fn the_system_clock_goes_forward_for_all_threads_together() {
    let clock = SystemClock::new();
    let latest_told = AtomicI64::new(i64::MIN);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100_000 {
                    let told_before = latest_told.load(Ordering::SeqCst);
                    let now = clock.now().as_millis();
                    assert!(now >= told_before);
                    latest_told.fetch_max(now, Ordering::SeqCst);
                }
            });
        }
    });
}

/// A clock that goes wherever it is set.
#[derive(Debug)]
struct Wandering(AtomicI64);

impl Wandering {
    fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for Wandering {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_breaks_nothing() {
    let clock = Arc::new(Wandering(AtomicI64::new(10_000_000)));
    let store = MemoryStore::builder().clock(clock.clone()).build().unwrap();
    let [one, other] = [1, 2].map(|n| SessionKey::from_bytes([n; 32]));
    let user = UserId::new("alice").unwrap();
    let write = Write::new("data", MINUTE, 10 * MINUTE).unwrap().with_owner(Owner::User(user.clone()));
    let page = Page::first(10).unwrap();

    for step in [10_000_000, 9_000_000, 0, -5_000_000, i64::MIN, i64::MIN + 1, 10_000_001] {
        clock.set(step);
        store.set(&one, &write, SetMode::Upsert).await.unwrap();
        assert_eq!(store.get(&one).await.unwrap().unwrap().read_at.as_millis(), step);
        assert!(store.touch(&one, MINUTE).await.unwrap());
        let version = store.rotate(&one, &other, &write, None).await.unwrap();
        store.set(&other, &write, SetMode::Update(version)).await.unwrap();
        assert_eq!(store.list_by_user(&user, &page).await.unwrap().len(), 1, "at {step}");
        assert_eq!(store.prune(10).await.unwrap(), Pruned { removed: 0, more: false });
        assert_eq!(store.count().await.unwrap(), 1);
        store.rotate(&other, &one, &write, None).await.unwrap();
    }
    assert!(store.destroy(&one).await.unwrap());
    assert_eq!(store.stored(), 0);
}

/// G1: what was removed while the clock was ahead stays absent; what was not is live again.
#[tokio::test]
async fn what_was_pruned_stays_absent() {
    let clock = Arc::new(Wandering(AtomicI64::new(0)));
    let store = MemoryStore::builder().clock(clock.clone()).build().unwrap();
    let [one, other] = [1, 2].map(|n| SessionKey::from_bytes([n; 32]));
    for key in [&one, &other] {
        store.set(key, &Write::new("data", MINUTE, MINUTE).unwrap(), SetMode::Create).await.unwrap();
    }
    clock.set(60_000);
    assert!(store.get(&one).await.unwrap().is_none());
    assert_eq!(store.prune(1).await.unwrap(), Pruned { removed: 1, more: true });
    clock.set(59_999);
    assert_eq!(store.count().await.unwrap(), 1);
    assert_eq!(store.clear().await.unwrap(), 1);
}
