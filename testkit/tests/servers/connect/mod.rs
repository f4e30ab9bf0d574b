//! `session_store::connect` on real servers: what each parameter of a URL does there.

mod mongo;
mod postgres;
mod redis;

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store::{
    Error, ErrorKind, Owner, Page, Result, SessionId, SessionKey, SessionStore, SetMode, UserId, Write, connect,
};
use testkit::servers::Proxy;

const HOUR: Duration = Duration::from_hours(1);

/// The URL with more parameters: `a=1&b=2`.
fn with(url: &str, parameters: &str) -> String {
    format!("{url}{}{parameters}", if url.contains('?') { '&' } else { '?' })
}

async fn open(url: &str, parameters: &str) -> Arc<dyn SessionStore> {
    connect(&with(url, parameters)).await.unwrap()
}

/// The error of a `connect`, which shows nothing of the password or a value.
async fn refused(url: &str, parameters: &str) -> Error {
    let error = connect(&with(url, parameters)).await.unwrap_err();
    let mut texts = vec![format!("{error} {error:?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    for secret in ["opensesame", "127.0.0.1", url] {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{texts:?}");
    }
    error
}

fn is_config(error: &Error, text: &str) {
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.to_string().contains(text), "{error}");
}

async fn set(store: &dyn SessionStore, data: &str) -> Result<SessionKey> {
    let key = SessionKey::from(&SessionId::generate()?);
    let write = Write::new(data.to_owned(), HOUR, HOUR)?.with_owner(Owner::User(UserId::new("alice")?));
    store.set(&key, &write, SetMode::Create).await?;
    Ok(key)
}

/// A session is kept, seen by another handle, and ended.
async fn keeps_sessions(url: &str, parameters: &str) {
    let (store, other) = (open(url, parameters).await, open(url, parameters).await);
    let key = set(&*store, "data").await.unwrap();
    assert_eq!(other.get(&key).await.unwrap().unwrap().data, "data");
    let (alice, page) = (UserId::new("alice").unwrap(), Page::first(10).unwrap());
    assert!(other.list_by_user(&alice, &page).await.unwrap().iter().any(|entry| entry.key == key));
    assert!(other.destroy(&key).await.unwrap());
    assert!(store.get(&key).await.unwrap().is_none());
}

/// Two namespaces, of which one's name begins with the other's, do not mix.
async fn keeps_namespaces_apart(url: &str) {
    let (shop, other) = (open(url, "session_namespace=shop").await, open(url, "session_namespace=shop%20%2A").await);
    let key = set(&*shop, "data").await.unwrap();
    assert!(other.get(&key).await.unwrap().is_none());
    assert_eq!((shop.count().await.unwrap(), other.count().await.unwrap()), (1, 0));
    assert_eq!(other.clear().await.unwrap(), 0);
    let again = open(url, "session_namespace=shop").await;
    assert_eq!(again.get(&key).await.unwrap().unwrap().data, "data");
}

async fn keeps_the_data_limit(url: &str) {
    let store = open(url, "session_data_limit=4").await;
    set(&*store, "four").await.unwrap();
    assert_eq!(set(&*store, "fives").await.unwrap_err().kind(), ErrorKind::TooLarge);
    set(&*connect(url).await.unwrap(), "fives").await.unwrap();
}

/// Each of the timeouts, where the others are much longer.
async fn keeps_timeouts(url: &str) {
    const LIMIT: Duration = Duration::from_millis(1900);
    let proxy = Proxy::start(url).await.unwrap();
    for setting in ["operation", "connect", "bulk"] {
        let store = open(&proxy.url(), &format!("session_{setting}_timeout=500ms")).await;
        let key = set(&*store, "data").await.unwrap();
        proxy.hold();
        if setting == "connect" {
            proxy.cut().await;
        }
        let started = Instant::now();
        let error = match setting {
            "bulk" => store.count().await.unwrap_err(),
            _ => store.get(&key).await.unwrap_err(),
        };
        let took = started.elapsed();
        let kind = if setting == "connect" { ErrorKind::Unavailable } else { ErrorKind::Timeout };
        assert_eq!(error.kind(), kind, "{setting}: {error:?}");
        assert!((Duration::from_millis(300)..LIMIT).contains(&took), "{setting}: {took:?}");
        proxy.release();
        proxy.cut().await;
    }
}

async fn keeps_data_limit_namespaces_and_sessions(url: &str) {
    keeps_sessions(url, "session_bulk_timeout=1m").await;
    keeps_namespaces_apart(url).await;
    keeps_the_data_limit(url).await;
}
