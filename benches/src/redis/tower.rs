//! tower-sessions-redis-store, with the pool of its documentation.

use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use super::server::Server;
use crate::result::Result;

const POOL: usize = 6;

pub(super) async fn connect(server: &Server) -> Result<RedisStore<Pool>> {
    let pool = Pool::new(Config::from_url(server.url())?, None, None, None, POOL)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
}
