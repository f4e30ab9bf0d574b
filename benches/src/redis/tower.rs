//! tower-sessions-redis-store, with the pool of its documentation.

use serde_json::Value;
use tower_sessions_core::session::Record;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use super::Keyed;
use super::bare::HEAD;
use super::server::Server;
use crate::corpus::Session;
use crate::measure::Result;
use crate::tower::{TowerSessions, record};

pub(super) const NAME: &str = "tower-sessions-redis-store";

const POOL: usize = 6;

pub(super) async fn connect(server: &Server) -> Result<RedisStore<Pool>> {
    let pool = Pool::new(Config::from_url(server.url())?, None, None, None, POOL)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
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

impl Keyed for TowerSessions<RedisStore<Pool>> {
    fn key(&self, _server: &Server, session: usize) -> Result<Vec<u8>> {
        Ok(self.record(session)?.id.to_string().into_bytes())
    }
}
