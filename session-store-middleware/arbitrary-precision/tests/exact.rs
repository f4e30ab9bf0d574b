//! Numbers keep each digit where a build keeps numbers as texts.

use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::SessionStore as _;
use async_session::SessionStore as _;
use poem::session::SessionStorage as _;
use serde_json::Value;
use session_store_core::{Page, UserId};
use session_store_memory::MemoryStore;
use session_store_middleware::Adapter;
use tower_sessions::SessionStore as _;
use tower_sessions::cookie::time::{Duration as Time, OffsetDateTime};
use tower_sessions::session::{Id, Record};

/// What neither 64 bits nor a float hold, and different texts of one number.
const NUMBERS: &str = r#"{"float":0.1000000000000000055511151231257827021181583404541015625,"huge":1e+4000,"integer":123456789012345678901234567890,"list":[1.0,1.00,1e+0,-0],"text":"1"}"#;

fn adapter() -> Adapter {
    Adapter::new(Arc::new(MemoryStore::new())).user_at("/user")
}

fn numbers() -> Value {
    let numbers: Value = serde_json::from_str(NUMBERS).unwrap();
    assert_eq!(numbers.to_string(), NUMBERS, "the feature is not on");
    numbers
}

/// What the application sees in its list.
async fn listed(adapter: &Adapter, user: &str) -> String {
    let page = Page::first(10).unwrap();
    let listing = adapter.list(&UserId::new(user).unwrap(), &page).await.unwrap();
    listing.sessions[0].data.as_ref().unwrap().value("numbers").unwrap().to_string()
}

#[tokio::test]
async fn of_tower_sessions() {
    let adapter = adapter();
    let store = adapter.tower_sessions();
    let user: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    let data = [("numbers".to_owned(), numbers()), ("user".to_owned(), user)];
    let expiry_date = OffsetDateTime::now_utc() + Time::HOUR;
    let mut record = Record { id: Id::default(), data: data.into(), expiry_date };
    store.create(&mut record).await.unwrap();
    for _ in 0..2 {
        let mut loaded = store.load(&record.id).await.unwrap().unwrap();
        assert_eq!(loaded.data["numbers"].to_string(), NUMBERS);
        loaded.data.insert("more".to_owned(), Value::Null);
        store.save(&loaded).await.unwrap();
    }
    assert_eq!(listed(&adapter, "123456789012345678901234567890").await, NUMBERS);
}

#[tokio::test]
async fn of_poem() {
    const ID: &str = "0123456789012345678901234567890123456789012";
    let adapter = adapter();
    let store = adapter.poem();
    let entries = [("numbers".to_owned(), numbers()), ("user".to_owned(), "ann".into())].into();
    store.update_session(ID, &entries, Some(Duration::from_secs(60))).await.unwrap();
    assert_eq!(store.load_session(ID).await.unwrap().unwrap()["numbers"].to_string(), NUMBERS);
    assert_eq!(listed(&adapter, "ann").await, NUMBERS);
}

#[tokio::test]
async fn of_actix_session() {
    let adapter = adapter();
    let store = adapter.actix_session();
    let state = [("numbers".to_owned(), NUMBERS.to_owned()), ("user".to_owned(), "\"ann\"".to_owned())].into();
    let key = store.save(state, &Time::HOUR).await.unwrap();
    assert_eq!(store.load(&key).await.unwrap().unwrap()["numbers"], NUMBERS);
    assert_eq!(listed(&adapter, "ann").await, NUMBERS);
}

#[tokio::test]
async fn of_async_session() {
    let adapter = adapter();
    let store = adapter.async_session();
    let mut session = async_session::Session::new();
    session.insert("numbers", numbers()).unwrap();
    session.insert("user", "ann").unwrap();
    let cookie = store.store_session(session).await.unwrap().unwrap();
    let session = store.load_session(cookie).await.unwrap().unwrap();
    assert_eq!(session.get_raw("numbers").as_deref(), Some(NUMBERS));
    assert_eq!(listed(&adapter, "ann").await, NUMBERS);
}
