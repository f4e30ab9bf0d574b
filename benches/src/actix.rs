//! The Redis store of actix-session, which keeps a map of texts; each is the JSON of a field.

use std::collections::HashMap;
use std::sync::Arc;

use actix_session::storage::{RedisSessionStore, SessionKey, SessionStore as _};
use serde_json::{Map, Value};
use time::Duration;

use crate::corpus::Session;
use crate::result::Result;
use crate::store::{Store, each, found, nth};

const HOUR: Duration = Duration::HOUR;

type Fields = HashMap<String, String>;

pub(crate) struct ActixSession {
    store: RedisSessionStore,
    fields: Vec<Fields>,
    /// The keys, as its cookie carries them.
    ids: Vec<String>,
}

impl ActixSession {
    /// So many sessions on the server of this URL.
    pub(crate) async fn fill(url: &str, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let store = RedisSessionStore::builder(url).build().await?;
        let fields: Vec<Fields> = sessions.iter().map(fields).collect::<Result<_>>()?;
        let created = Arc::new(std::sync::Mutex::new(vec![String::new(); count]));
        let (filled, data, into) = (store.clone(), fields.clone(), Arc::clone(&created));
        each(count, move |session| {
            let (store, fields, created) = (filled.clone(), nth(&data, session).cloned(), Arc::clone(&into));
            async move {
                let key = store.save(fields?, &HOUR).await.map_err(|error| error.to_string())?;
                let mut created = created.lock().map_err(|_| "a task has failed")?;
                created.get_mut(session).map(|id| key.as_ref().clone_into(id)).ok_or("there are fewer sessions")?;
                Ok(())
            }
        })
        .await?;
        let ids = std::mem::take(&mut *created.lock().map_err(|_| "a task has failed")?);
        Ok(Arc::new(Self { store, fields, ids }))
    }

    fn key(&self, session: usize) -> Result<SessionKey> {
        Ok(nth(&self.ids, session)?.clone().try_into()?)
    }
}

fn fields(session: &Session) -> Result<Fields> {
    let fields: Map<String, Value> = serde_json::from_str(&session.json)?;
    Ok(fields.into_iter().map(|(name, value)| (name, value.to_string())).collect())
}

impl Store for ActixSession {
    type Id = String;

    async fn load(&self, session: usize) -> Result {
        found(self.store.load(&self.key(session)?).await.map_err(|error| error.to_string())?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        let fields = nth(&self.fields, session)?.clone();
        self.store.update(self.key(session)?, fields, &HOUR).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn touch(&self, session: usize) -> Result {
        Ok(self.store.update_ttl(&self.key(session)?, &HOUR).await?)
    }

    async fn create(&self, session: usize) -> Result<String> {
        let fields = nth(&self.fields, session)?.clone();
        let key = self.store.save(fields, &HOUR).await.map_err(|error| error.to_string())?;
        Ok(key.as_ref().to_owned())
    }

    async fn destroy(&self, id: String) -> Result {
        Ok(self.store.delete(&id.try_into()?).await?)
    }
}
