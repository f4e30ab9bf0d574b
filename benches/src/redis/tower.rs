//! tower-sessions-redis-store, with the pool of its documentation.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use super::bare::HEAD;
use super::server::Server;
use super::{HOUR, SESSIONS, Store, found, nth};
use crate::corpus::Session;
use crate::measure::Result;

pub(super) const NAME: &str = "tower-sessions-redis-store";

const POOL: usize = 6;

pub(super) struct TowerSessions {
    store: RedisStore<Pool>,
    records: Vec<Record>,
}

pub(super) async fn connect(server: &Server) -> Result<Pool> {
    let pool = Pool::new(Config::from_url(server.url())?, None, None, None, POOL)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(pool)
}

impl TowerSessions {
    pub(super) async fn fill(
        pool: &Pool,
        sessions: &[Session],
        record: fn(&Session) -> Result<Record>,
    ) -> Result<Self> {
        let store = RedisStore::new(pool.clone());
        let mut records = Vec::with_capacity(SESSIONS);
        for session in 0..SESSIONS {
            let mut record = record(nth(sessions, session)?)?;
            // Its save only changes what is there.
            store.create(&mut record).await?;
            records.push(record);
        }
        Ok(Self { store, records })
    }
}

fn record(data: impl IntoIterator<Item = (String, Value)>) -> Record {
    let expiry_date = OffsetDateTime::now_utc() + HOUR;
    Record { id: Id::default(), data: data.into_iter().collect(), expiry_date }
}

/// As much of the session's JSON as makes the record as long as in session-store-redis, but for up to three bytes
/// where a character ends.
pub(super) fn as_one_text(session: &Session) -> Result<Record> {
    let of_text = |text: &str| record([("data".to_owned(), Value::from(text))]);
    // MessagePack needs two bytes more to tell the length of a text of 256 bytes to 64 KiB than of an empty one.
    let around = rmp_serde::to_vec(&of_text(""))?.len() + 2;
    let rest = (HEAD.len() + session.messagepack.len()).saturating_sub(around);
    Ok(of_text(session.json.split_at(session.json.floor_char_boundary(rest)).0))
}

/// As an application would have it that keeps the same session in it.
pub(super) fn as_fields(session: &Session) -> Result<Record> {
    let fields: Map<String, Value> = serde_json::from_str(&session.json)?;
    Ok(record(fields))
}

impl Store for TowerSessions {
    fn key(&self, session: usize) -> Result<Vec<u8>> {
        Ok(nth(&self.records, session)?.id.to_string().into_bytes())
    }

    async fn load(&self, session: usize) -> Result {
        found(self.store.load(&nth(&self.records, session)?.id).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        Ok(self.store.save(nth(&self.records, session)?).await?)
    }
}
