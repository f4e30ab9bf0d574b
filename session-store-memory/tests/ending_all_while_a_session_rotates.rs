//! B1: ending all sessions of a user also ends the one that gets a new key at that moment.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use session_store_core::{ErrorKind, Owner, Page, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_memory::MemoryStore;

const HOUR: Duration = Duration::from_hours(1);

fn write() -> Write {
    Write::new("data", HOUR, HOUR).unwrap().with_owner(Owner::User(UserId::new("alice").unwrap()))
}

fn key(first: u8) -> SessionKey {
    let mut bytes = [0; 32];
    bytes[0] = first;
    SessionKey::from_bytes(bytes)
}

/// Rotates until the session is ended, and returns how often.
async fn rotate_until_ended(store: MemoryStore) -> u32 {
    let mut from = key(0);
    for rotations in 0.. {
        // 97 and 256 have no common divisor, so the key goes everywhere.
        let to = key(from.as_bytes()[0].wrapping_add(97));
        if let Err(error) = store.rotate(&from, &to, &write(), None).await {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            return rotations;
        }
        from = to;
        tokio::task::yield_now().await;
    }
    unreachable!("it goes on until it is ended")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn none_escapes() {
    let user = UserId::new("alice").unwrap();
    let page = Page::first(10).unwrap();
    let mut rotations = 0;
    tokio::time::timeout(Duration::from_mins(1), async {
        for _ in 0..2_000 {
            let store = MemoryStore::new();
            store.set(&key(0), &write(), SetMode::Create).await.unwrap();
            let rotator = tokio::spawn(rotate_until_ended(store.clone()));
            tokio::task::yield_now().await;
            assert_eq!(store.destroy_by_user(&user, None).await.unwrap(), 1);
            assert_eq!(store.list_by_user(&user, &page).await.unwrap(), []);
            assert_eq!(store.stored(), 0);
            rotations += rotator.await.unwrap();
        }
    })
    .await
    .unwrap();
    assert!(rotations > 0);
}
