//! L1 and L3: a list that runs beside rotations misses no session and shows none twice.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_store_core::{Entry, Owner, Page, SessionKey, SessionStore, SetMode, Timestamp, UserId, Write};
use session_store_memory::{ManualClock, MemoryStore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_hours(1);
const LISTS: usize = 3_000;

fn key(first: u8, rest: u8) -> SessionKey {
    let mut bytes = [rest; 32];
    bytes[0] = first;
    SessionKey::from_bytes(bytes)
}

fn user() -> UserId {
    UserId::new("alice").unwrap()
}

fn write(idle: Duration) -> Write {
    Write::new("data", idle, HOUR).unwrap().with_owner(Owner::User(user()))
}

/// A store with ten steady sessions of the user, ten dead ones among them, and one that gets a new key
/// over and over, in another place of the list each time.
struct Scene {
    store: MemoryStore,
    steady: Vec<SessionKey>,
    stop: Arc<AtomicBool>,
    rotator: JoinHandle<u64>,
}

impl Scene {
    async fn begin() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let store = MemoryStore::builder().clock(clock.clone()).build().unwrap();
        for n in 0..10 {
            store.set(&key(20 * n + 10, 1), &write(Duration::from_millis(1)), SetMode::Create).await.unwrap();
        }
        clock.advance(Duration::from_millis(1));
        let steady: Vec<_> = (0..10).map(|n| key(20 * n + 5, 2)).collect();
        for key in &steady {
            store.set(key, &write(HOUR), SetMode::Create).await.unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let start = key(0, 3);
        store.set(&start, &write(HOUR), SetMode::Create).await.unwrap();
        let rotator = tokio::spawn(rotate_over_and_over(store.clone(), start, Arc::clone(&stop)));
        Self { store, steady, stop, rotator }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        assert!(self.rotator.await.unwrap() > 100, "rotations");
    }
}

async fn rotate_over_and_over(store: MemoryStore, start: SessionKey, stop: Arc<AtomicBool>) -> u64 {
    let mut from = start;
    let mut rotations = 0;
    while !stop.load(Ordering::SeqCst) {
        // 97 and 256 have no common divisor, so every place of the list has its turn.
        let to = key(from.as_bytes()[0].wrapping_add(97), 3);
        store.rotate(&from, &to, &write(HOUR), None).await.unwrap();
        from = to;
        rotations += 1;
        tokio::task::yield_now().await;
    }
    rotations
}

fn keys(entries: &[Entry]) -> Vec<SessionKey> {
    entries.iter().map(|entry| entry.key).collect()
}

fn is_ascending(keys: &[SessionKey]) -> bool {
    keys.is_sorted_by(|one, next| one < next)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_page_shows_every_session_once() {
    let scene = Scene::begin().await;
    let whole = Page::first(1_000).unwrap();
    timeout(Duration::from_mins(1), async {
        for _ in 0..LISTS {
            let shown = keys(&scene.store.list_by_user(&user(), &whole).await.unwrap());
            assert!(is_ascending(&shown));
            let (rotating, steady): (Vec<_>, Vec<_>) = shown.into_iter().partition(|key| key.as_bytes()[1] == 3);
            assert_eq!(steady, scene.steady);
            assert_eq!(rotating.len(), 1, "it is live throughout, under one key at a time");
        }
    })
    .await
    .unwrap();
    scene.end().await;
}

/// A page that is full although dead sessions lie between the live ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_of_all_but_no_more_shows_every_session_once() {
    let scene = Scene::begin().await;
    let exact = Page::first(11).unwrap();
    timeout(Duration::from_mins(1), async {
        for _ in 0..LISTS {
            let shown = keys(&scene.store.list_by_user(&user(), &exact).await.unwrap());
            assert!(is_ascending(&shown));
            let (rotating, steady): (Vec<_>, Vec<_>) = shown.into_iter().partition(|key| key.as_bytes()[1] == 3);
            assert_eq!(steady, scene.steady);
            assert_eq!(rotating.len(), 1);
        }
    })
    .await
    .unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_show_every_steady_session_once() {
    let scene = Scene::begin().await;
    timeout(Duration::from_mins(1), async {
        for _ in 0..LISTS / 3 {
            let mut page = Page::first(3).unwrap();
            let mut shown = Vec::new();
            loop {
                let entries = keys(&scene.store.list_by_user(&user(), &page).await.unwrap());
                shown.extend(entries.iter().copied());
                match entries.last() {
                    Some(last) if entries.len() == 3 => page = page.following(*last),
                    _ => break,
                }
            }
            assert!(is_ascending(&shown));
            // Its keys come and go between the pages, so nothing is promised of the rotating one.
            let steady: BTreeSet<_> = shown.into_iter().filter(|key| key.as_bytes()[1] != 3).collect();
            assert_eq!(steady, scene.steady.iter().copied().collect());
        }
    })
    .await
    .unwrap();
    scene.end().await;
}
