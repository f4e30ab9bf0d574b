//! A store that gives one kind of answer, whatever it is asked.

use std::time::Duration;

use session_store_core::{
    Bytes, Entry, Error, ErrorKind, Meta, Page, Pruned, Record, Result, SessionKey, SessionStore, SetMode, Timestamp,
    UserId, Version, Write, async_trait,
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answers {
    Live,
    Gone,
    Error(ErrorKind),
    Never,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed(pub(crate) Answers);

const VERSION: Version = Version::from_bytes([9; 16]);

impl Fixed {
    async fn answer<T>(&self, live: T, gone: T) -> Result<T> {
        match self.0 {
            Answers::Live => Ok(live),
            Answers::Gone => Ok(gone),
            Answers::Error(kind) => Err(Error::new(kind, "as asked")),
            Answers::Never => std::future::pending().await,
        }
    }
}

fn record() -> Record {
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
impl SessionStore for Fixed {
    async fn get(&self, _: &SessionKey) -> Result<Option<Record>> {
        self.answer(Some(record()), None).await
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

    async fn rotate(&self, _: &SessionKey, _: &SessionKey, _: &Write, _: Option<Version>) -> Result<Version> {
        self.answer(VERSION, VERSION).await
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

    async fn ping(&self) -> Result<()> {
        self.answer((), ()).await
    }
}
