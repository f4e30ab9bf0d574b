//! A layer of `axum_session` over a database, which keeps a session's JSON as a text; it is decoded and encoded here as
//! its `Session` does.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use axum_session::DatabasePool;
use serde_json::Value;
use session_store_core::SessionId;
use time::OffsetDateTime;

use crate::corpus::Session;
use crate::result::Result;
use crate::store::{HOUR, Store, nth, save_all};

type Fields = HashMap<String, Value>;

pub(crate) struct AxumSession<P> {
    pool: P,
    table: String,
    ids: Vec<String>,
    fields: Vec<Fields>,
}

impl<P: DatabasePool + Send + Sync + 'static> AxumSession<P> {
    /// So many sessions in this table.
    pub(crate) async fn fill(pool: P, table: &str, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        pool.initiate(table).await?;
        let fields = sessions.iter().map(|session| Ok(serde_json::from_str(&session.json)?)).collect::<Result<_>>()?;
        let ids = (0..count).map(|_| new_id()).collect::<Result<_>>()?;
        let axum = Arc::new(Self { pool, table: table.to_owned(), ids, fields });
        save_all(&axum, count).await?;
        Ok(axum)
    }

    async fn store(&self, id: &str, session: usize) -> Result {
        let expires = OffsetDateTime::now_utc().unix_timestamp() + i64::try_from(HOUR.as_secs())?;
        let text = serde_json::to_string(nth(&self.fields, session)?)?;
        Ok(self.pool.store(id, &text, expires, &self.table).await?)
    }
}

fn new_id() -> Result<String> {
    Ok(SessionId::generate()?.expose_secret().to_string())
}

impl<P: DatabasePool + Send + Sync + 'static> Store for AxumSession<P> {
    type Id = String;

    async fn load(&self, session: usize) -> Result {
        let text = self.pool.load(nth(&self.ids, session)?, &self.table).await?.ok_or("a session is gone")?;
        black_box(serde_json::from_str::<Fields>(&text)?);
        Ok(())
    }

    async fn save(&self, session: usize) -> Result {
        self.store(nth(&self.ids, session)?, session).await
    }

    async fn create(&self, session: usize) -> Result<String> {
        let id = new_id()?;
        self.store(&id, session).await?;
        Ok(id)
    }

    async fn destroy(&self, id: String) -> Result {
        Ok(self.pool.delete_one_by_id(&id, &self.table).await?)
    }
}
