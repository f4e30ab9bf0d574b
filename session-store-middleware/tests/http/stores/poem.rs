//! The storage of poem.

use std::collections::BTreeMap;

use poem::session::SessionStorage as _;
use serde_json::{Value, json};

use super::{HOUR, NOTE, adapter, corrupt, count, left};

const ID: &str = "0123456789012345678901234567890123456789012";

fn entries() -> BTreeMap<String, Value> {
    [("user".to_owned(), json!("ann"))].into()
}

#[tokio::test]
async fn a_session_is_stored_loaded_and_removed() {
    let adapter = adapter();
    let store = adapter.poem();
    assert!(store.load_session(ID).await.unwrap().is_none());
    store.update_session(ID, &entries(), Some(HOUR)).await.unwrap();
    let mut loaded = store.load_session(ID).await.unwrap().unwrap();
    assert!(loaded.remove(NOTE).is_some());
    assert_eq!(loaded, entries());
    store.remove_session(ID).await.unwrap();
    store.remove_session(ID).await.unwrap();
    assert!(store.load_session(ID).await.unwrap().is_none());
}

#[tokio::test]
async fn without_a_time_of_its_own_a_session_has_that_of_the_policy() {
    let adapter = adapter();
    adapter.poem().update_session(ID, &entries(), None).await.unwrap();
    let days = left(&adapter, "ann").await.as_secs_f64() / 86_400.0;
    assert!((29.9..=30.0).contains(&days), "{days}");
}

#[tokio::test]
async fn a_session_that_was_cleared_is_written_as_it_is() {
    let adapter = adapter();
    let store = adapter.poem();
    store.update_session(ID, &entries(), Some(HOUR)).await.unwrap();
    store.update_session(ID, &BTreeMap::new(), Some(HOUR)).await.unwrap();
    let mut loaded = store.load_session(ID).await.unwrap().unwrap();
    loaded.remove(NOTE);
    assert_eq!((loaded.len(), count(&adapter).await), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let adapter = adapter();
    corrupt(&adapter, ID).await;
    assert!(adapter.poem().load_session(ID).await.is_err());
}
