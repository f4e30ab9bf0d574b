//! A store behind `Arc`, `Box`, both or an observer answers as the store does, by one call of the same method.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_store_core::{
    Bytes, Entry, Error, ErrorKind, IfChanged, Meta, Owner, Page, Pruned, Record, Result, ScanCursor, ScanPage,
    SessionKey, SessionStore, SetMode, Timestamp, UserId, Version, Write, async_trait,
};

const MINUTE: Duration = Duration::from_mins(1);
const VERSION: Version = Version::from_bytes([9; 16]);

/// Records every call with its arguments, and gives an answer that no default would.
#[derive(Clone, Debug, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<Call>>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Call {
    Get(SessionKey),
    GetIfChanged(SessionKey, Version),
    Set(SessionKey, Write, SetMode),
    Touch(SessionKey, Duration),
    Destroy(SessionKey),
    DestroyIf(SessionKey, Version),
    Import(SessionKey, Record),
    Rotate(SessionKey, SessionKey, Write, Option<Version>),
    Placement(SessionKey),
    ListByUser(UserId, Page),
    DestroyByUser(UserId, Option<SessionKey>),
    Prune(u32),
    Count,
    Clear,
    Scan(Option<ScanCursor>, u32),
    Ping,
    Close,
}

impl Recorder {
    fn record(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl SessionStore for Recorder {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.record(Call::Get(*key));
        Ok(Some(record()))
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        self.record(Call::GetIfChanged(*key, version));
        Ok(IfChanged::Changed(record()))
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.record(Call::Set(*key, write.clone(), mode));
        Ok(VERSION)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.record(Call::Touch(*key, idle));
        Ok(true)
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        self.record(Call::Destroy(*key));
        Ok(true)
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.record(Call::DestroyIf(*key, version));
        Ok(true)
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.record(Call::Import(*key, record.clone()));
        Ok(Some(VERSION))
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.record(Call::Rotate(*from, *to, write.clone(), expected));
        Ok(VERSION)
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.record(Call::Placement(*key));
        15
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        self.record(Call::ListByUser(user.clone(), *page));
        Ok(vec![Entry { key: key(5), meta: record().meta }])
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        self.record(Call::DestroyByUser(user.clone(), except.copied()));
        Ok(11)
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.record(Call::Prune(limit));
        Ok(Pruned { removed: 12, more: true })
    }

    async fn count(&self) -> Result<u64> {
        self.record(Call::Count);
        Ok(13)
    }

    async fn clear(&self) -> Result<u64> {
        self.record(Call::Clear);
        Ok(14)
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.record(Call::Scan(cursor.cloned(), limit));
        Ok(scan_page())
    }

    async fn ping(&self) -> Result<()> {
        self.record(Call::Ping);
        Err(Error::new(ErrorKind::Unavailable, "out to lunch"))
    }

    async fn close(&self) {
        self.record(Call::Close);
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

fn cursor() -> ScanCursor {
    ScanCursor::new("from here")
}

fn scan_page() -> ScanPage {
    ScanPage { entries: vec![Entry { key: key(8), meta: record().meta }], next: Some(ScanCursor::new("go on")) }
}

/// Calls every method once, as generic code does.
async fn call_each<S: SessionStore>(store: S) {
    assert_eq!(store.get(&key(1)).await.unwrap(), Some(record()));
    assert_eq!(store.get_if_changed(&key(9), VERSION).await.unwrap(), IfChanged::Changed(record()));
    assert_eq!(store.set(&key(2), &write("set"), SetMode::Update(VERSION)).await.unwrap(), VERSION);
    assert!(store.touch(&key(3), MINUTE).await.unwrap());
    assert!(store.destroy(&key(4)).await.unwrap());
    assert!(store.destroy_if(&key(10), VERSION).await.unwrap());
    assert_eq!(store.import(&key(11), &record()).await.unwrap(), Some(VERSION));
    assert_eq!(store.rotate(&key(5), &key(6), &write("rotate"), Some(VERSION)).await.unwrap(), VERSION);
    assert_eq!(store.placement(&key(12)), 15);
    assert_eq!(store.list_by_user(&user(), &page()).await.unwrap(), [Entry { key: key(5), meta: record().meta }]);
    assert_eq!(store.destroy_by_user(&user(), Some(&key(7))).await.unwrap(), 11);
    assert_eq!(store.prune(8).await.unwrap(), Pruned { removed: 12, more: true });
    assert_eq!(store.count().await.unwrap(), 13);
    assert_eq!(store.clear().await.unwrap(), 14);
    assert_eq!(store.scan(Some(&cursor()), 9).await.unwrap(), scan_page());
    assert_eq!(store.ping().await.unwrap_err().to_string(), "out to lunch");
    store.close().await;
}

fn each_call_once() -> Vec<Call> {
    vec![
        Call::Get(key(1)),
        Call::GetIfChanged(key(9), VERSION),
        Call::Set(key(2), write("set"), SetMode::Update(VERSION)),
        Call::Touch(key(3), MINUTE),
        Call::Destroy(key(4)),
        Call::DestroyIf(key(10), VERSION),
        Call::Import(key(11), record()),
        Call::Rotate(key(5), key(6), write("rotate"), Some(VERSION)),
        Call::Placement(key(12)),
        Call::ListByUser(user(), page()),
        Call::DestroyByUser(user(), Some(key(7))),
        Call::Prune(8),
        Call::Count,
        Call::Clear,
        Call::Scan(Some(cursor()), 9),
        Call::Ping,
        Call::Close,
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
