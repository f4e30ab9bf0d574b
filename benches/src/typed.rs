//! A store of this project through `Sessions<T>`, as an application uses it: the ID is hashed, the data are decoded into
//! the application's struct, the timeouts judged.

use std::sync::Arc;

use session_store_core::{SessionId, SessionStore, Sessions};
use tokio::sync::Mutex;

use crate::result::Result;
use crate::shop;
use crate::store::{Store, each, found, nth};

type Held = session_store_core::Session<shop::Session>;

pub(crate) struct Typed {
    sessions: Sessions<shop::Session>,
    corpus: Vec<shop::Session>,
    ids: Vec<SessionId>,
    /// As the requests hold that save them.
    held: Vec<Mutex<Held>>,
}

impl Typed {
    /// So many sessions in this store.
    pub(crate) async fn fill(store: Arc<dyn SessionStore>, count: usize) -> Result<Arc<Self>> {
        let (sessions, corpus) = (Sessions::new(store), crate::corpus::typed()?);
        let created = Arc::new(std::sync::Mutex::new(Vec::with_capacity(count)));
        let (filled, data, into) = (sessions.clone(), corpus.clone(), Arc::clone(&created));
        each(count, move |session| {
            let (sessions, data, created) = (filled.clone(), nth(&data, session).cloned(), Arc::clone(&into));
            async move {
                let session = sessions.create(data?).await?;
                created.lock().map_err(|_| "a task has failed")?.push(session);
                Ok(())
            }
        })
        .await?;
        let held: Vec<Held> = std::mem::take(&mut *created.lock().map_err(|_| "a task has failed")?);
        let ids = held.iter().map(|session| session.id().clone()).collect();
        Ok(Arc::new(Self { sessions, corpus, ids, held: held.into_iter().map(Mutex::new).collect() }))
    }
}

impl Store for Typed {
    type Id = SessionId;

    async fn load(&self, session: usize) -> Result {
        found(self.sessions.load(nth(&self.ids, session)?).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        found(self.sessions.save(&mut *nth(&self.held, session)?.lock().await).await?)
    }

    /// A load does it by itself where it is due; here it is the store's own.
    async fn touch(&self, session: usize) -> Result {
        let id = nth(&self.ids, session)?;
        found(self.sessions.store().touch(&id.into(), crate::store::HOUR).await?)
    }

    async fn create(&self, session: usize) -> Result<SessionId> {
        Ok(self.sessions.create(nth(&self.corpus, session)?.clone()).await?.id().clone())
    }

    async fn destroy(&self, id: SessionId) -> Result {
        found(self.sessions.destroy(&id).await?)
    }
}
