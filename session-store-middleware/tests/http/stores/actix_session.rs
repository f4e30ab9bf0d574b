//! The store of actix-session.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SessionKey, SessionStore as _, UpdateError};
use actix_web::cookie::time::Duration;
use session_store_middleware::WhenGone;

use super::{NOTE, adapter, corrupt, count};

fn state() -> HashMap<String, String> {
    [("user".to_owned(), "\"ann\"".to_owned())].into()
}

fn key(text: &str) -> SessionKey {
    SessionKey::try_from(text.to_owned()).unwrap()
}

#[tokio::test]
async fn a_missing_session_is_none() {
    let store = adapter().actix_session();
    for text in ["a".repeat(64), "short".to_owned(), "a".repeat(4_000), "ä".repeat(40)] {
        assert!(store.load(&key(&text)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let adapter = adapter();
    let store = adapter.actix_session();
    let key = store.save(state(), &Duration::HOUR).await.unwrap();
    corrupt(&adapter, key.as_ref()).await;
    assert!(matches!(store.load(&key).await, Err(LoadError::Other(_))));
}

#[tokio::test]
async fn a_session_that_has_ended_is_made_again_only_on_demand_and_under_another_key() {
    let discarding = adapter().when_gone(WhenGone::Discard);
    let recreating = discarding.actix_session().recreating();
    let ended = recreating.save(state(), &Duration::HOUR).await.unwrap();
    discarding.actix_session().delete(&ended).await.unwrap();
    let same = discarding.actix_session().update(key(ended.as_ref()), state(), &Duration::HOUR).await.unwrap();
    assert_eq!((same.as_ref(), count(&discarding).await), (ended.as_ref(), 0));
    recreating.update(ended, state(), &Duration::HOUR).await.unwrap();
    assert_eq!(count(&discarding).await, 1);
    let adapter = adapter();
    let (store, recreating) = (adapter.actix_session(), adapter.actix_session().recreating());
    let ended = store.save(state(), &Duration::HOUR).await.unwrap();
    let mut loaded = store.load(&ended).await.unwrap().unwrap();
    assert!(loaded.contains_key(NOTE));
    store.delete(&ended).await.unwrap();
    store.update_ttl(&ended, &Duration::HOUR).await.unwrap();
    loaded.insert("more".to_owned(), "1".to_owned());
    let refused = store.update(key(ended.as_ref()), loaded.clone(), &Duration::HOUR).await;
    assert!(matches!(refused, Err(UpdateError::Other(_))));
    assert_eq!(count(&adapter).await, 0);
    let again = recreating.update(key(ended.as_ref()), loaded, &Duration::HOUR).await.unwrap();
    assert_ne!(again.as_ref(), ended.as_ref());
    let mut state = recreating.load(&again).await.unwrap().unwrap();
    state.remove(NOTE);
    assert_eq!(state.len(), 2);
}
