//! Statements through sqlx, as they are: the plainest that do the work, and those of session-store-postgres itself,
//! which show what its code costs apart from its statements.

use std::sync::Arc;

use session_store_core::{SessionStore as _, SetMode, Write};
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::postgres::PgRow;
use session_store_postgres::sqlx::{AssertSqlSafe, PgPool, Row as _, query, raw_sql};

use super::TABLE;
use super::server::Server;
use crate::corpus::Session;
use crate::measure::{Operation, Result};
use crate::ours::Ours;
use crate::store::{HOUR, Store, found, nth};

pub(super) const SELECT: &str = "bare SELECT";
pub(super) const UPSERT: &str = "bare INSERT ON CONFLICT";
pub(super) const OWN: &str = "its own statement";

/// The plain statements have a table of the same layout to themselves, with the same sessions.
const COPY: &str = "copy";

const VERSION: [u8; 16] = [7; 16];

pub(super) struct Bare {
    pool: PgPool,
    ours: Arc<Ours<PostgresStore>>,
    values: Vec<Vec<u8>>,
    select: Arc<str>,
    upsert: Arc<str>,
    own_get: Arc<str>,
    own_set: Arc<str>,
}

impl Bare {
    /// Copies the sessions of the store.
    pub(super) async fn fill(
        server: &Server,
        sessions: &[Session],
        ours: &Arc<Ours<PostgresStore>>,
    ) -> Result<Arc<Self>> {
        let schema = server.schema();
        server.execute(PostgresStore::builder(server.url()).schema(schema).table(COPY).ddl()?).await?;
        server.execute(format!("INSERT INTO {schema}.{COPY} SELECT * FROM {schema}.{TABLE}")).await?;
        let [own_get, own_set] = own_statements(server, ours).await?;
        Ok(Arc::new(Self {
            pool: server.pool().clone(),
            ours: Arc::clone(ours),
            values: sessions.iter().map(|session| session.messagepack.clone()).collect(),
            select: format!(
                "SELECT owner, created_at, last_seen_at, expires_at, deadline, version, data \
                 FROM {schema}.{COPY} WHERE key = $1"
            )
            .into(),
            upsert: format!(
                "INSERT INTO {schema}.{COPY} AS t \
                 (key, created_at, last_seen_at, expires_at, deadline, prune_at, version, data) \
                 VALUES ($1, $2, $2, $3, $3, $3, $4, $5) ON CONFLICT (key) DO UPDATE SET \
                 last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at, \
                 deadline = excluded.deadline, version = excluded.version, data = excluded.data"
            )
            .into(),
            own_get,
            own_set,
        }))
    }

    fn key(&self, session: usize) -> Result<&[u8]> {
        Ok(self.ours.key(session)?.as_bytes())
    }
}

/// The statements that a store prepares for a get and a set: on its one connection there is no other.
async fn own_statements(server: &Server, ours: &Ours<PostgresStore>) -> Result<[Arc<str>; 2]> {
    let pool = server.one_connection().await?;
    let store = PostgresStore::builder(pool.clone()).schema(server.schema()).table(TABLE).build().await?;
    let key = ours.key(0)?;
    let data = store.get(key).await?.ok_or("a session is gone")?.data;
    store.set(key, &Write::new(data, HOUR, HOUR)?, SetMode::Replace).await?;
    let prepared = raw_sql("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time");
    let rows = prepared.fetch_all(&pool).await?;
    pool.close().await;
    let texts = rows.iter().map(|row| Ok(Arc::from(row.try_get::<&str, _>(0)?))).collect::<Result<Vec<_>>>()?;
    texts.try_into().map_err(|_| "a get and a set prepare other statements than one each".into())
}

/// The bytes of a session that was read.
fn is_whole(row: &PgRow, column: usize) -> Result {
    found(!row.try_get::<&[u8], _>(column)?.is_empty())
}

impl Store for Bare {
    async fn load(&self, session: usize) -> Result {
        let select = query(AssertSqlSafe(Arc::clone(&self.select))).bind(self.key(session)?);
        is_whole(&select.fetch_one(&self.pool).await?, 6)
    }

    async fn save(&self, session: usize) -> Result {
        let expiry = i64::MAX;
        let upsert = query(AssertSqlSafe(Arc::clone(&self.upsert)))
            .bind(self.key(session)?)
            .bind(expiry - 1)
            .bind(expiry)
            .bind(&VERSION[..])
            .bind(nth(&self.values, session)?);
        found(upsert.execute(&self.pool).await?.rows_affected() == 1)
    }
}

/// A get by the store's own statement, for one session, on the store's table.
pub(super) struct OwnGet(pub(super) Arc<Bare>);

impl Operation for OwnGet {
    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let get = query(AssertSqlSafe(Arc::clone(&bare.own_get))).bind(bare.key(session)?);
        is_whole(&get.fetch_one(&bare.pool).await?, 8)
    }
}

/// A set by the store's own statement, for one session, on the store's table.
pub(super) struct OwnSet(pub(super) Arc<Bare>);

impl Operation for OwnSet {
    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let lifetime = i64::try_from(HOUR.as_millis())?;
        let set = query(AssertSqlSafe(Arc::clone(&bare.own_set)))
            .bind(bare.key(session)?)
            .bind("replace")
            .bind(None::<&[u8]>)
            .bind(&VERSION[..])
            .bind("keep")
            .bind(None::<&[u8]>)
            .bind(lifetime)
            .bind(lifetime)
            .bind(&nth(&bare.values, session)?[..]);
        let verdict = set.fetch_one(&bare.pool).await?;
        found(verdict.try_get::<&str, _>(1)? == "ok")
    }
}
