//! A store behind `Arc`, `Box`, both or an observer answers as the store does, by one call of the same method.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_store_core::{
    Bytes, Entry, Error, ErrorKind, Meta, Owner, Page, Pruned, Record, Result, SessionKey, SessionStore, SetMode,
    Timestamp, UserId, Version, Write, async_trait,
};

const MINUTE: Duration = Duration::from_mins(1);
const VERSION: Version = Version::from_bytes([9; 16]);

/// Notes every call with its arguments, and gives an answer that no default would.
#[derive(Clone, Debug, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<Call>>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Get(SessionKey),
    Set(SessionKey, Write, SetMode),
    Touch(SessionKey, Duration),
    Destroy(SessionKey),
    Rotate(SessionKey, SessionKey, Write, Option<Version>),
    ListByUser(UserId, Page),
    DestroyByUser(UserId, Option<SessionKey>),
    Prune(u32),
    Count,
    Clear,
    Ping,
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl SessionStore for Recorder {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.note(Call::Get(*key));
        Ok(Some(record()))
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.note(Call::Set(*key, write.clone(), mode));
        Ok(VERSION)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.note(Call::Touch(*key, idle));
        Ok(true)
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.note(Call::Destroy(*key));
        Ok(true)
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.note(Call::Rotate(*from, *to, write.clone(), expected));
        Ok(VERSION)
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.note(Call::ListByUser(user.clone(), *page));
        Ok(vec![Entry { key: key(5), meta: record().meta }])
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.note(Call::DestroyByUser(user.clone(), except.copied()));
        Ok(11)
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.note(Call::Prune(limit));
        Ok(Pruned { removed: 12, more: true })
    }

    async fn count(&self) -> Result<u64> {
        self.note(Call::Count);
        Ok(13)
    }

    async fn clear(&self) -> Result<u64> {
        self.note(Call::Clear);
        Ok(14)
    }

    async fn ping(&self) -> Result<()> {
        self.note(Call::Ping);
        Err(Error::new(ErrorKind::Unavailable, "out to lunch"))
    }
}

fn key(byte: u8) -> SessionKey {
    SessionKey::from_bytes([byte; 32])
}

fn user() -> UserId {
    UserId::new("alice").unwrap()
}

fn write(data: &'static str) -> Write {
    Write::new(data, MINUTE, 2 * MINUTE).unwrap().with_owner(Owner::Anonymous)
}

fn page() -> Page {
    Page::first(7).unwrap().following(key(4))
}

fn record() -> Record {
    let at = Timestamp::from_millis;
    let meta = Meta {
        user: Some(user()),
        created_at: at(1),
        last_seen_at: at(2),
        expires_at: at(3),
        deadline: at(4),
        version: VERSION,
    };
    Record { meta, data: Bytes::from_static(b"data"), read_at: at(2) }
}

/// Calls every method once, as generic code does.
async fn call_each<S: SessionStore>(store: S) {
    assert_eq!(store.get(&key(1)).await.unwrap(), Some(record()));
    assert_eq!(store.set(&key(2), &write("set"), SetMode::Update(VERSION)).await.unwrap(), VERSION);
    assert!(store.touch(&key(3), MINUTE).await.unwrap());
    assert!(store.destroy(&key(4)).await.unwrap());
    assert_eq!(store.rotate(&key(5), &key(6), &write("rotate"), Some(VERSION)).await.unwrap(), VERSION);
    assert_eq!(store.list_by_user(&user(), &page()).await.unwrap(), [Entry { key: key(5), meta: record().meta }]);
    assert_eq!(store.destroy_by_user(&user(), Some(&key(7))).await.unwrap(), 11);
    assert_eq!(store.prune(8).await.unwrap(), Pruned { removed: 12, more: true });
    assert_eq!(store.count().await.unwrap(), 13);
    assert_eq!(store.clear().await.unwrap(), 14);
    assert_eq!(store.ping().await.unwrap_err().to_string(), "out to lunch");
}

fn each_call_once() -> Vec<Call> {
    vec![
        Call::Get(key(1)),
        Call::Set(key(2), write("set"), SetMode::Update(VERSION)),
        Call::Touch(key(3), MINUTE),
        Call::Destroy(key(4)),
        Call::Rotate(key(5), key(6), write("rotate"), Some(VERSION)),
        Call::ListByUser(user(), page()),
        Call::DestroyByUser(user(), Some(key(7))),
        Call::Prune(8),
        Call::Count,
        Call::Clear,
        Call::Ping,
    ]
}

async fn forwards<S: SessionStore>(wrap: impl FnOnce(Recorder) -> S) {
    let recorder = Recorder::default();
    call_each(wrap(recorder.clone())).await;
    assert_eq!(*recorder.calls.lock().unwrap(), each_call_once());
}

#[tokio::test]
async fn arc() {
    forwards(Arc::new).await;
}

#[tokio::test]
async fn boxed() {
    forwards(Box::new).await;
}

#[tokio::test]
async fn arc_of_any_store() {
    forwards(|store| -> Arc<dyn SessionStore> { Arc::new(store) }).await;
}

#[tokio::test]
async fn box_of_any_store() {
    forwards(|store| -> Box<dyn SessionStore> { Box::new(store) }).await;
}

#[tokio::test]
async fn box_of_an_arc_of_any_store() {
    forwards(|store| -> Box<Arc<dyn SessionStore>> { Box::new(Arc::new(store)) }).await;
}

#[cfg(feature = "observed")]
#[tokio::test]
async fn observed() {
    use session_store_core::observed::Observed;

    forwards(|store| Observed::new(store, "recorder")).await;
    forwards(|store| -> Arc<dyn SessionStore> { Arc::new(Observed::new(Observed::new(store, "inner"), "outer")) })
        .await;
}
