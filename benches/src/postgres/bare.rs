//! Statements through sqlx, as they are: the plainest that do the work, and those of session-store-postgres itself,
//! which show what its code costs apart from its statements.

use std::sync::Arc;

use session_store_core::{SessionId, SessionKey, SessionStore as _, SetMode, Write};
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::postgres::PgRow;
use session_store_postgres::sqlx::{AssertSqlSafe, PgPool, Row as _, query, raw_sql};

use super::TABLE;
use super::server::Server;
use crate::corpus::Session;
use crate::measure::Operation;
use crate::ours::Ours;
use crate::result::Result;
use crate::store::{HOUR, Store, found, nth};

/// The plain statements have a table of the same layout to themselves, with the same sessions.
const COPY: &str = "copy";

const VERSION: [u8; 16] = [7; 16];

pub(super) struct Bare {
    pool: PgPool,
    ours: Arc<Ours<PostgresStore>>,
    values: Vec<Vec<u8>>,
    select: Arc<str>,
    select_any: Arc<str>,
    upsert: Arc<str>,
    delete: Arc<str>,
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
        server.execute(PostgresStore::builder(server.url()).table(COPY).ddl()?).await?;
        server.execute(format!("INSERT INTO {COPY} SELECT * FROM {TABLE}")).await?;
        let [own_get, own_set] = own_statements(server, ours).await?;
        let select = format!("SELECT owner, created_at, last_seen_at, expires_at, deadline, version, data FROM {COPY}");
        Ok(Arc::new(Self {
            pool: server.pool().clone(),
            ours: Arc::clone(ours),
            values: sessions.iter().map(|session| session.payload.clone()).collect(),
            select: format!("{select} WHERE key = $1").into(),
            select_any: format!("{select} WHERE key = ANY($1)").into(),
            upsert: format!(
                "INSERT INTO {COPY} AS t \
                 (key, created_at, last_seen_at, expires_at, deadline, prune_at, version, data) \
                 VALUES ($1, $2, $2, $3, $3, $3, $4, $5) ON CONFLICT (key) DO UPDATE SET \
                 last_seen_at = excluded.last_seen_at, expires_at = excluded.expires_at, \
                 deadline = excluded.deadline, version = excluded.version, data = excluded.data"
            )
            .into(),
            delete: format!("DELETE FROM {COPY} WHERE key = $1").into(),
            own_get,
            own_set,
        }))
    }

    fn key(&self, session: usize) -> Result<&SessionKey> {
        self.ours.key(session)
    }

    async fn upsert(&self, key: &SessionKey, session: usize) -> Result {
        let expiry = i64::MAX;
        let upsert = query(AssertSqlSafe(Arc::clone(&self.upsert)))
            .bind(&key.as_bytes()[..])
            .bind(expiry - 1)
            .bind(expiry)
            .bind(&VERSION[..])
            .bind(nth(&self.values, session)?);
        found(upsert.execute(&self.pool).await?.rows_affected() == 1)
    }
}

/// The statements that a store prepares for a get and a set: on its one connection there is no other.
async fn own_statements(server: &Server, ours: &Ours<PostgresStore>) -> Result<[Arc<str>; 2]> {
    let pool = server.one_connection().await?;
    let store = PostgresStore::builder(pool.clone()).table(TABLE).build().await?;
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
    type Id = SessionKey;

    async fn load(&self, session: usize) -> Result {
        let select = query(AssertSqlSafe(Arc::clone(&self.select))).bind(&self.key(session)?.as_bytes()[..]);
        is_whole(&select.fetch_one(&self.pool).await?, 6)
    }

    async fn save(&self, session: usize) -> Result {
        self.upsert(self.key(session)?, session).await
    }

    async fn create(&self, session: usize) -> Result<SessionKey> {
        let key = SessionKey::from(&SessionId::generate()?);
        self.upsert(&key, session).await?;
        Ok(key)
    }

    async fn destroy(&self, key: SessionKey) -> Result {
        let delete = query(AssertSqlSafe(Arc::clone(&self.delete))).bind(&key.as_bytes()[..]);
        found(delete.execute(&self.pool).await?.rows_affected() == 1)
    }
}

/// Gets many by one statement.
pub(super) struct ManyGets(pub(super) Arc<Bare>);

impl Operation for ManyGets {
    const SESSIONS: u32 = 64;

    async fn operate(&self, session: usize) -> Result {
        let Self(bare) = self;
        let keys = (0..64).map(|n| Ok(bare.key(session + 97 * n)?.as_bytes().to_vec())).collect::<Result<Vec<_>>>()?;
        let rows = query(AssertSqlSafe(Arc::clone(&bare.select_any))).bind(keys).fetch_all(&bare.pool).await?;
        found(rows.len() == 64)?;
        rows.iter().try_for_each(|row| is_whole(row, 6))
    }
}

/// The store's own statements, each for one session, on the store's table.
pub(super) struct Own(pub(super) Arc<Bare>);

impl Store for Own {
    type Id = SessionKey;

    async fn load(&self, session: usize) -> Result {
        let Self(bare) = self;
        let get = query(AssertSqlSafe(Arc::clone(&bare.own_get))).bind(&bare.key(session)?.as_bytes()[..]);
        is_whole(&get.fetch_one(&bare.pool).await?, 8)
    }

    async fn save(&self, session: usize) -> Result {
        let Self(bare) = self;
        let lifetime = i64::try_from(HOUR.as_millis())?;
        let set = query(AssertSqlSafe(Arc::clone(&bare.own_set)))
            .bind(&bare.key(session)?.as_bytes()[..])
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

    async fn create(&self, session: usize) -> Result<SessionKey> {
        self.0.create(session).await
    }

    async fn destroy(&self, key: SessionKey) -> Result {
        self.0.destroy(key).await
    }
}
