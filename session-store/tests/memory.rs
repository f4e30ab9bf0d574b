//! `connect` on the embedded store.

#![cfg(feature = "memory")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use session_store::{ErrorKind, Result, SessionId, SessionKey, SessionStore, SetMode, Write, connect};

const HOUR: Duration = Duration::from_hours(1);
const MOMENT: Duration = Duration::from_millis(1);

async fn set(store: &dyn SessionStore, data: &str, idle: Duration) -> Result<SessionKey> {
    let key = SessionKey::from(&SessionId::generate()?);
    store.set(&key, &Write::new(data.to_owned(), idle, HOUR)?, SetMode::Create).await?;
    Ok(key)
}

#[tokio::test]
async fn a_url_makes_a_store_of_its_own() {
    for url in ["memory:", "memory:?", "memory://", "MEMORY://?", "memory:?session_data_limit=4"] {
        let (store, other) = (connect(url).await.unwrap(), connect(url).await.unwrap());
        let key = set(&*store, "data", HOUR).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().unwrap().data, "data");
        assert!(other.get(&key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_future_and_the_store_cross_threads() {
    let store: Arc<dyn SessionStore> = tokio::spawn(connect("memory:")).await.unwrap().unwrap();
    tokio::spawn(async move { store.ping().await }).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_data_limit_is_that_of_the_url() {
    let store = connect("memory://?session_data_limit=4").await.unwrap();
    set(&*store, "four", HOUR).await.unwrap();
    assert_eq!(set(&*store, "fives", HOUR).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn dead_sessions_are_removed_if_the_url_says_so() {
    let (kept, pruned) = (connect("memory:").await.unwrap(), connect("memory:?session_prune_every=5ms").await.unwrap());
    for store in [&kept, &pruned] {
        set(&**store, "data", MOMENT).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(kept.prune(10).await.unwrap().removed, 1);
    assert_eq!(pruned.prune(10).await.unwrap().removed, 0);
}

#[tokio::test]
async fn a_memory_url_leads_nowhere() {
    let urls = [
        "memory:hunter2",
        "memory:/hunter2",
        "memory://hunter2",
        "memory:?hunter2",
        "memory:?a=hunter2&session_data_limit=4",
    ];
    for url in urls.into_iter().chain(["memory:#hunter2", "memory://?session_prune_every=1s#hunter2"]) {
        let error = connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("memory: alone") && !format!("{error:?}").contains("hunter2"), "{error}");
    }
}
