//! What the middlewares' own tests ask of a store, and what no request shows.

mod actix_session;
mod async_session;
mod axum_session;
mod poem;
mod tower_sessions;

use std::sync::Arc;
use std::time::Duration;

use ::poem::session::SessionStorage as _;
use serde_json::json;
use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::{Page, Policy, SessionKey, SessionStore, SetMode, UserId, Write};
use session_store_memory::MemoryStore;
use session_store_middleware::Adapter;

use crate::backend::Switched;

/// The name of the note among the data that a middleware gets.
const NOTE: &str = "session-store.loaded";
const HOUR: Duration = Duration::from_hours(1);

fn adapter() -> Adapter {
    Adapter::new(Arc::new(MemoryStore::new())).user_at("/user")
}

async fn count(adapter: &Adapter) -> u64 {
    adapter.store().count().await.unwrap()
}

async fn listed(adapter: &Adapter, user: &str) -> usize {
    adapter.list(&UserId::new(user).unwrap(), &Page::first(10).unwrap()).await.unwrap().sessions.len()
}

/// How long the only session of this user has, by the store's clock.
async fn left(adapter: &Adapter, user: &str) -> Duration {
    let listing = adapter.list(&UserId::new(user).unwrap(), &Page::first(10).unwrap()).await.unwrap();
    let [session] = listing.sessions.try_into().unwrap();
    session.meta.expires_at.saturating_since(session.read_at)
}

/// Puts data there that no adapter has written.
async fn corrupt(adapter: &Adapter, id: &str) {
    let write = Write::new("random-thing", HOUR, HOUR).unwrap();
    adapter.store().set(&adapter.key(id).unwrap(), &write, SetMode::Upsert).await.unwrap();
}

#[tokio::test]
async fn no_session_outlives_the_time_of_the_policy() {
    const DAY: Duration = Duration::from_hours(24);
    for (adapter, wanted) in [(adapter(), 30 * DAY), (adapter().policy(Policy::new(HOUR, 2 * DAY).unwrap()), 2 * DAY)] {
        let id = "0123456789012345678901234567890123456789012";
        let entries = [("user".to_owned(), json!("ann"))].into();
        adapter.poem().update_session(id, &entries, Some(3 * 30 * DAY)).await.unwrap();
        let meta = adapter.store().get(&adapter.key(id).unwrap()).await.unwrap().unwrap().meta;
        assert_eq!(meta.deadline.saturating_since(meta.created_at), wanted);
        assert_eq!(meta.expires_at, meta.deadline);
    }
}

#[tokio::test]
async fn an_earlier_expiry_undoes_no_change_that_comes_between() {
    const ID: &str = "0123456789012345678901234567890123456789012";
    let store = Arc::new(Switched::new());
    let adapter = Adapter::new(store.clone()).user_at("/user");
    let poem = adapter.poem();
    let entries = |cart: u8| [("user".to_owned(), json!("ann")), ("cart".to_owned(), json!(cart))].into();
    poem.update_session(ID, &entries(1), Some(HOUR)).await.unwrap();
    let key = adapter.key(ID).unwrap();
    poem.update_session(ID, &entries(2), Some(HOUR)).await.unwrap();
    let changed = store.get(&key).await.unwrap().unwrap().data;
    poem.update_session(ID, &entries(1), Some(HOUR)).await.unwrap();
    let loaded = poem.load_session(ID).await.unwrap().unwrap();
    store.meddle_after_next_get(Write::new(changed, HOUR, HOUR).unwrap());
    poem.update_session(ID, &loaded, Some(HOUR / 2)).await.unwrap();
    assert_eq!(poem.load_session(ID).await.unwrap().unwrap()["cart"], json!(2));
    assert!(left(&adapter, "ann").await <= HOUR / 2);
}

#[tokio::test]
async fn a_codec_with_encryption_is_that_of_what_is_written_read_and_listed() {
    const ID: &str = "0123456789012345678901234567890123456789012";
    let plain = adapter();
    let codec = Codec::new().with_encryption(KeyRing::new(EncryptionKey::generate().unwrap()));
    let encrypting = plain.clone().codec(codec).unwrap();
    let entries = [("user".to_owned(), json!("ann"))].into();
    encrypting.poem().update_session(ID, &entries, None).await.unwrap();
    assert_eq!(encrypting.poem().load_session(ID).await.unwrap().unwrap()["user"], "ann");
    assert!(plain.poem().load_session(ID).await.is_err());
    let ann = UserId::new("ann").unwrap();
    let is_listed = async |adapter: &Adapter| {
        let listing = adapter.list(&ann, &Page::first(1).unwrap()).await.unwrap();
        listing.sessions[0].data.is_ok()
    };
    assert_eq!((is_listed(&encrypting).await, is_listed(&plain).await), (true, false));
}

#[test]
fn a_key_is_that_of_the_id() {
    let id = "0123456789012345678901";
    assert_eq!(adapter().key(id).unwrap(), SessionKey::from(&id.parse().unwrap()));
    assert!(adapter().key("short").is_err());
}

#[tokio::test]
async fn nothing_of_the_data_is_shown() {
    let adapter = adapter();
    let id = "0123456789012345678901234567890123456789012";
    let entries = [("user".to_owned(), json!("ann")), ("card".to_owned(), json!("4111-1111"))].into();
    adapter.poem().update_session(id, &entries, None).await.unwrap();
    let listing = adapter.list(&UserId::new("ann").unwrap(), &Page::first(1).unwrap()).await.unwrap();
    let data = listing.sessions[0].data.as_ref().unwrap();
    assert_eq!(data.get::<String>("card").as_deref(), Some("4111-1111"));
    // What another program has stored there: no object, but a text.
    let key = adapter.key(id).unwrap();
    let data_of_another = Codec::new().encode(&key, "card 4111-1111").unwrap();
    adapter.store().set(&key, &Write::new(data_of_another, HOUR, HOUR).unwrap(), SetMode::Upsert).await.unwrap();
    let error = adapter.poem().load_session(id).await.unwrap_err();
    let shown = format!("{adapter:?} {:?} {listing:?} {data:?} {error} {error:?}", adapter.axum_session());
    assert!(shown.contains("MemoryStore") && !shown.contains("4111") && !shown.contains(id), "{shown}");
}
