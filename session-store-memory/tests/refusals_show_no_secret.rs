//! E2 and Z1: what the store and its refusals show to a log.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use session_store_core::{
    Bytes, Error, ErrorKind, Meta, Owner, Page, SessionKey, SessionStore, SetMode, Timestamp, UserId, Version, Write,
};
use session_store_memory::{ManualClock, MemoryStore};

const HOUR: Duration = Duration::from_hours(1);

fn key(byte: u8) -> SessionKey {
    SessionKey::from_bytes([byte; 32])
}

fn write(data: impl Into<Bytes>) -> Write {
    let owner = Owner::User(UserId::new("mallory").unwrap());
    Write::new(data, HOUR, HOUR).unwrap().with_owner(owner)
}

/// The kind of a refusal, after a look at all that it shows.
fn kind<T>(result: Result<T, Error>, about: Option<SessionKey>) -> ErrorKind {
    let error = result.map(drop).unwrap_err();
    assert_eq!(error.key(), about.as_ref());
    assert!(!error.is_transient() && !error.outcome_unknown());
    let shown = format!("{error} {error:?} {error:#?}").to_lowercase();
    for secret in ["mallory", "hunter2", "104, 117", "abab", "171", "cdcd", "205"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    error.kind()
}

#[tokio::test]
async fn every_refusal() {
    let store = MemoryStore::builder().data_limit(100).build().unwrap();
    let (live, other, absent) = (key(0xAB), key(0xCD), key(0xEF));
    let data = write("hunter2");
    let large = write(b"hunter2".repeat(15));
    let stale = store.set(&live, &data, SetMode::Create).await.unwrap();
    store.set(&live, &data, SetMode::Replace).await.unwrap();
    store.set(&other, &data, SetMode::Create).await.unwrap();

    assert_eq!(kind(store.set(&live, &data, SetMode::Create).await, Some(live)), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.set(&absent, &data, SetMode::Replace).await, Some(absent)), ErrorKind::NotFound);
    assert_eq!(kind(store.set(&absent, &data, SetMode::Update(stale)).await, Some(absent)), ErrorKind::NotFound);
    assert_eq!(kind(store.set(&live, &data, SetMode::Update(stale)).await, Some(live)), ErrorKind::Conflict);
    assert_eq!(kind(store.set(&live, &large, SetMode::Upsert).await, None), ErrorKind::TooLarge);
    assert_eq!(kind(store.rotate(&live, &live, &data, None).await, Some(live)), ErrorKind::InvalidInput);
    assert_eq!(kind(store.rotate(&absent, &live, &data, None).await, Some(absent)), ErrorKind::NotFound);
    assert_eq!(kind(store.rotate(&live, &other, &data, Some(stale)).await, Some(live)), ErrorKind::Conflict);
    assert_eq!(kind(store.rotate(&live, &other, &data, None).await, Some(other)), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.rotate(&live, &absent, &large, None).await, None), ErrorKind::TooLarge);
    for idle in [Duration::ZERO, Duration::MAX] {
        assert_eq!(kind(store.touch(&live, idle).await, None), ErrorKind::InvalidInput);
    }
    assert_eq!(kind(store.prune(0).await, None), ErrorKind::InvalidInput);
    assert_eq!(store.count().await.unwrap(), 2, "nothing changed");
}

/// A record whose times contradict each other: it expires after its deadline.
fn corrupt() -> Meta {
    let at = Timestamp::from_millis;
    Meta {
        user: Some(UserId::new("mallory").unwrap()),
        created_at: at(0),
        last_seen_at: at(0),
        expires_at: at(2_000),
        deadline: at(1_000),
        version: Version::from_bytes([7; 16]),
    }
}

#[tokio::test]
async fn corrupt_records_are_refused_and_can_be_removed() {
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let store = MemoryStore::builder().clock(clock).build().unwrap();
    let (bad, free) = (key(0xAB), key(0xCD));
    let user = UserId::new("mallory").unwrap();
    let plant = || store.plant(bad, corrupt(), Bytes::from_static(b"hunter2"));

    plant();
    let data = write("hunter2");
    assert_eq!(kind(store.get(&bad).await, Some(bad)), ErrorKind::Corrupt);
    assert_eq!(kind(store.touch(&bad, HOUR).await, Some(bad)), ErrorKind::Corrupt);
    assert_eq!(kind(store.set(&bad, &data, SetMode::Upsert).await, Some(bad)), ErrorKind::Corrupt);
    assert_eq!(kind(store.rotate(&bad, &free, &data, None).await, Some(bad)), ErrorKind::Corrupt);
    store.set(&free, &data, SetMode::Create).await.unwrap();
    assert_eq!(kind(store.rotate(&free, &bad, &data, None).await, Some(bad)), ErrorKind::Corrupt);
    let listed = store.list_by_user(&user, &Page::first(10).unwrap()).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key).collect::<Vec<_>>(), [free]);

    store.destroy(&bad).await.unwrap();
    assert!(store.get(&bad).await.unwrap().is_none());
    plant();
    store.destroy_by_user(&user, None).await.unwrap();
    assert_eq!(store.stored(), 0);
    plant();
    store.clear().await.unwrap();
    assert_eq!(store.stored(), 0);
}

#[tokio::test]
async fn the_store_itself_shows_nothing_of_its_sessions() {
    let store = MemoryStore::new();
    store.set(&key(0xAB), &write("hunter2"), SetMode::Create).await.unwrap();
    assert_eq!(format!("{store:?}"), "MemoryStore { data_limit: 1048576, .. }");
    let record = store.get(&key(0xAB)).await.unwrap();
    let list = store.list_by_user(&UserId::new("mallory").unwrap(), &Page::first(1).unwrap()).await.unwrap();
    let shown = format!("{record:?} {list:?}");
    assert!(!shown.contains("mallory") && !shown.contains("hunter2") && !shown.contains("abab"));
}
