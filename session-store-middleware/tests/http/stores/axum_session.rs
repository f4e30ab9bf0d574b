//! The database of `axum_session`.

use axum_session::{DatabaseError, DatabasePool as _};
use time::OffsetDateTime;

use super::{adapter, corrupt, count, listed};

const ID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const SESSION: &str = r#"{"data":{"user":"\"ann\"","n":"1"},"longterm":false}"#;
const REORDERED: &str = r#"{"data":{"n":"1","user":"\"ann\""},"longterm":false}"#;

fn in_an_hour() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() + 3_600
}

#[tokio::test]
async fn a_session_is_stored_counted_and_deleted() {
    let adapter = adapter();
    let store = adapter.axum_session();
    store.initiate("any").await.unwrap();
    assert!(!store.exists(ID, "any").await.unwrap());
    store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    assert_eq!(store.load(ID, "any").await.unwrap().as_deref(), Some(SESSION));
    assert!(store.exists(ID, "any").await.unwrap());
    assert_eq!((store.count("any").await.unwrap(), listed(&adapter, "ann").await), (1, 1));
    assert!(store.delete_by_expiry("any").await.unwrap().is_empty());
    store.delete_one_by_id(ID, "any").await.unwrap();
    assert_eq!(store.load(ID, "any").await.unwrap(), None);
    store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    store.delete_all("any").await.unwrap();
    assert_eq!(store.count("any").await.unwrap(), 0);
    assert!(store.auto_handles_expiry());
    assert!(matches!(store.get_ids("any").await, Err(DatabaseError::GenericNotSupportedError(_))));
}

#[tokio::test]
async fn the_order_of_what_has_not_changed_is_no_change() {
    let adapter = adapter();
    let store = adapter.axum_session();
    assert!(!store.exists(ID, "any").await.unwrap());
    store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    let version = async || adapter.store().get(&adapter.key(ID).unwrap()).await.unwrap().unwrap().meta.version;
    let before = version().await;
    store.load(ID, "any").await.unwrap();
    store.store(ID, REORDERED, in_an_hour(), "any").await.unwrap();
    assert_eq!(version().await, before);
    store.load(ID, "any").await.unwrap();
    store.store(ID, &SESSION.replace("false", "true"), in_an_hour(), "any").await.unwrap();
    assert_ne!(version().await, before);
}

#[tokio::test]
async fn a_session_of_the_middlewares_memory_is_not_created_again() {
    let adapter = adapter();
    adapter.axum_session().store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    assert_eq!(count(&adapter).await, 0);
}

#[tokio::test]
async fn a_session_whose_time_is_over_is_not_kept() {
    let adapter = adapter();
    let store = adapter.axum_session();
    assert!(!store.exists(ID, "any").await.unwrap());
    store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    store.store(ID, SESSION, 0, "any").await.unwrap();
    assert_eq!(count(&adapter).await, 0);
}

#[tokio::test]
async fn what_could_not_be_loaded_is_neither_replaced_nor_deleted() {
    let adapter = adapter();
    let store = adapter.axum_session();
    corrupt(&adapter, ID).await;
    assert!(store.load(ID, "any").await.is_err());
    assert!(store.store(ID, SESSION, in_an_hour(), "any").await.is_err());
    // Another request has the empty session from the middleware's memory.
    let other = store.clone();
    let stored = tokio::spawn(async move { other.store(ID, SESSION, in_an_hour(), "any").await });
    assert!(stored.await.unwrap().is_err());
    assert!(store.delete_one_by_id(ID, "any").await.is_err());
    assert_eq!(count(&adapter).await, 1);
}

#[tokio::test]
async fn an_id_that_is_none_keeps_nothing() {
    let adapter = adapter();
    let store = adapter.axum_session();
    assert_eq!(store.load("short", "any").await.unwrap(), None);
    store.store("short", SESSION, in_an_hour(), "any").await.unwrap();
    assert_eq!(count(&adapter).await, 0);
}

/// Requests on one connection run on one task.
#[tokio::test]
async fn what_a_request_has_found_gone_is_nothing_to_the_next() {
    const NEW: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf7";
    let adapter = adapter();
    let store = adapter.axum_session();
    assert!(!store.exists(ID, "any").await.unwrap());
    store.store(ID, SESSION, in_an_hour(), "any").await.unwrap();
    let requests = tokio::spawn(async move {
        store.load(ID, "any").await.unwrap().unwrap();
        adapter.store().clear().await.unwrap();
        store.delete_one_by_id(ID, "any").await.unwrap();
        store.load(ID, "any").await.unwrap();
        assert!(!store.exists(NEW, "any").await.unwrap());
        store.store(NEW, SESSION, in_an_hour(), "any").await.unwrap();
        count(&adapter).await
    });
    assert_eq!(requests.await.unwrap(), 1);
}
