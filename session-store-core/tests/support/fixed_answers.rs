//! A store that gives the same kind of answer to every call.

use std::time::Duration;

use session_store_core::{
    Bytes, Entry, Error, ErrorKind, IfChanged, Meta, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey,
    SessionStore, SetMode, Timestamp, UserId, Version, Write, async_trait,
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    Live,
    /// As `Live`; but `get_if_changed` returns the record because its version is another one.
    Changed,
    Gone,
    Error(ErrorKind),
    Never,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedAnswers(pub(crate) Answers);

const VERSION: Version = Version::from_bytes([9; 16]);

impl FixedAnswers {
    async fn answer<T>(&self, live: T, gone: T) -> Result<T> {
        match self.0 {
            Answers::Live | Answers::Changed => Ok(live),
            Answers::Gone => Ok(gone),
            Answers::Error(kind) => Err(Error::new(kind, "as asked")),
            Answers::Never => std::future::pending().await,
        }
    }
}

pub(crate) fn record() -> Record {
    let at = Timestamp::from_millis;
    let meta = Meta {
        user: None,
        created_at: at(1),
        last_seen_at: at(2),
        expires_at: at(3),
        deadline: at(4),
        version: VERSION,
    };
    Record { meta, data: Bytes::from_static(b"data"), read_at: at(2) }
}

#[async_trait]
impl SessionStore for FixedAnswers {
    async fn get(&self, _: &SessionKey) -> Result<Option<Record>> {
        self.answer(Some(record()), None).await
    }

    async fn get_if_changed(&self, _: &SessionKey, _: Version) -> Result<IfChanged> {
        let Record { meta, read_at, .. } = record();
        let live = match self.0 {
            Answers::Changed => IfChanged::Changed(record()),
            _ => IfChanged::Unchanged { meta, read_at },
        };
        self.answer(live, IfChanged::Gone).await
    }

    async fn set(&self, _: &SessionKey, _: &Write, _: SetMode) -> Result<Version> {
        self.answer(VERSION, VERSION).await
    }

    async fn touch(&self, _: &SessionKey, _: Duration) -> Result<bool> {
        self.answer(true, false).await
    }

    async fn destroy(&self, _: &SessionKey) -> Result<bool> {
        self.answer(true, false).await
    }

    async fn destroy_if(&self, _: &SessionKey, _: Version) -> Result<bool> {
        self.answer(true, false).await
    }

    async fn import(&self, _: &SessionKey, _: &Record) -> Result<Option<Version>> {
        self.answer(Some(VERSION), None).await
    }

    async fn rotate(&self, _: &SessionKey, _: &SessionKey, _: &Write, _: Option<Version>) -> Result<Version> {
        self.answer(VERSION, VERSION).await
    }

    fn placement(&self, _: &SessionKey) -> u16 {
        7
    }

    async fn list_by_user(&self, _: &UserId, _: &Page) -> Result<Vec<Entry>> {
        self.answer(vec![], vec![]).await
    }

    async fn destroy_by_user(&self, _: &UserId, _: Option<&SessionKey>) -> Result<u64> {
        self.answer(11, 0).await
    }

    async fn prune(&self, _: u32) -> Result<Pruned> {
        let pruned = |removed| Pruned { removed, more: false };
        self.answer(pruned(12), pruned(0)).await
    }

    async fn count(&self) -> Result<u64> {
        self.answer(13, 0).await
    }

    async fn clear(&self) -> Result<u64> {
        self.answer(14, 0).await
    }

    async fn scan(&self, _: Option<&ScanCursor>, _: u32) -> Result<ScanPage> {
        let page = ScanPage { entries: vec![], next: None };
        self.answer(page.clone(), page).await
    }

    async fn ping(&self) -> Result<()> {
        self.answer((), ()).await
    }

    async fn close(&self) {
        if matches!(self.0, Answers::Never) {
            std::future::pending::<()>().await;
        }
    }
}
