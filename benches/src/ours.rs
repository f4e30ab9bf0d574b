//! A store of this project, with the data that `Sessions<T>` would give it.

use std::sync::Arc;

use session_store_core::{Owner, SessionId, SessionKey, SessionStore, SetMode, UserId, Write};

use crate::corpus::Session;
use crate::measure::Operation;
use crate::result::Result;
use crate::store::{HOUR, LIVES, Store, each, expire, found, nth};

pub(crate) struct Ours<S> {
    store: S,
    keys: Vec<SessionKey>,
    writes: Vec<Write>,
}

impl<S: SessionStore + 'static> Ours<S> {
    /// So many sessions in this store.
    pub(crate) async fn fill(store: S, sessions: &[Session], count: usize) -> Result<Arc<Self>> {
        let write = |session: &Session| Ok(Write::new(session.payload.clone(), HOUR, HOUR)?);
        let writes = sessions.iter().map(write).collect::<Result<_>>()?;
        let keys = (0..count).map(|_| new_key()).collect::<Result<_>>()?;
        let ours = Arc::new(Self { store, keys, writes });
        let filled = Arc::clone(&ours);
        each(count, move |session| {
            let ours = Arc::clone(&filled);
            async move {
                ours.store.set(ours.key(session)?, ours.write(session)?, SetMode::Create).await?;
                Ok(())
            }
        })
        .await?;
        Ok(ours)
    }

    /// The same sessions through another store.
    pub(crate) fn through(&self, store: S) -> Arc<Self> {
        Arc::new(Self { store, keys: self.keys.clone(), writes: self.writes.clone() })
    }

    pub(crate) fn key(&self, session: usize) -> Result<&SessionKey> {
        nth(&self.keys, session)
    }

    fn write(&self, session: usize) -> Result<&Write> {
        nth(&self.writes, session)
    }

    /// Gives a user so many sessions.
    async fn log_in(&self, user: &UserId, sessions: usize) -> Result {
        for session in 0..sessions {
            let write = self.write(session)?.clone().with_owner(Owner::User(user.clone()));
            self.store.set(&new_key()?, &write, SetMode::Create).await?;
        }
        Ok(())
    }
}

fn new_key() -> Result<SessionKey> {
    Ok(SessionKey::from(&SessionId::generate()?))
}

impl<S: SessionStore + 'static> Store for Ours<S> {
    type Id = SessionKey;

    async fn load(&self, session: usize) -> Result {
        found(self.store.get(self.key(session)?).await?.is_some())
    }

    async fn save(&self, session: usize) -> Result {
        self.store.set(self.key(session)?, self.write(session)?, SetMode::Replace).await?;
        Ok(())
    }

    async fn touch(&self, session: usize) -> Result {
        found(self.store.touch(self.key(session)?, HOUR).await?)
    }

    async fn create(&self, session: usize) -> Result<SessionKey> {
        let key = new_key()?;
        self.store.set(&key, self.write(session)?, SetMode::Create).await?;
        Ok(key)
    }

    async fn destroy(&self, key: SessionKey) -> Result {
        found(self.store.destroy(&key).await?)
    }
}

/// Users with so many sessions each.
pub(crate) struct Users<S> {
    ours: Arc<Ours<S>>,
    users: Vec<UserId>,
}

impl<S: SessionStore + 'static> Users<S> {
    pub(crate) async fn fill(ours: &Arc<Ours<S>>, users: usize, sessions: usize) -> Result<Self> {
        let name = |user: usize| Ok(UserId::new(format!("with {sessions}, {user}"))?);
        let users = (0..users).map(name).collect::<Result<Vec<_>>>()?;
        let (filled, shared) = (Arc::clone(ours), Arc::new(users.clone()));
        each(users.len(), move |user| {
            let (ours, users) = (Arc::clone(&filled), Arc::clone(&shared));
            async move { ours.log_in(nth(&users, user)?, sessions).await }
        })
        .await?;
        Ok(Self { ours: Arc::clone(ours), users })
    }
}

/// A list of all sessions of a user.
pub(crate) struct ListByUser<S>(pub(crate) Users<S>);

impl<S: SessionStore + 'static> Operation for ListByUser<S> {
    async fn operate(&self, user: usize) -> Result {
        let Users { ours, users } = &self.0;
        let page = session_store_core::Page::first(100)?;
        found(!ours.store.list_by_user(nth(users, user)?, &page).await?.is_empty())
    }
}

/// How many users a second lose all their sessions.
pub(crate) async fn destroy_by_user<S: SessionStore + 'static>(
    ours: &Arc<Ours<S>>,
    users: usize,
    sessions: usize,
) -> Result<f64> {
    let filled = Users::fill(ours, users, sessions).await?;
    let (ours, shared) = (Arc::clone(ours), Arc::new(filled.users));
    let begin = std::time::Instant::now();
    each(users, move |user| {
        let (ours, users) = (Arc::clone(&ours), Arc::clone(&shared));
        async move { found(ours.store.destroy_by_user(nth(&users, user)?, None).await? > 0) }
    })
    .await?;
    Ok(f64::from(u32::try_from(users)?) / begin.elapsed().as_secs_f64())
}

/// How many seconds it takes to remove so many sessions that have expired, and how many of them there were to remove:
/// some databases remove them by themselves.
pub(crate) async fn prune<S: SessionStore + 'static>(ours: &Arc<Ours<S>>, sessions: usize) -> Result<(f64, u64)> {
    let dying: Vec<_> =
        ours.writes.iter().map(|write| Ok(Write::new(write.data().clone(), LIVES, LIVES)?)).collect::<Result<_>>()?;
    let (filled, writes) = (Arc::clone(ours), Arc::new(dying));
    expire(sessions, move |session| {
        let (ours, writes) = (Arc::clone(&filled), Arc::clone(&writes));
        async move {
            let user = UserId::new(format!("pruned {session}"))?;
            let write = nth(&writes, session)?.clone().with_owner(Owner::User(user));
            ours.store.set(&new_key()?, &write, SetMode::Create).await?;
            Ok(())
        }
    })
    .await?;
    let begin = std::time::Instant::now();
    let mut removed = 0;
    loop {
        let pruned = ours.store.prune(1_000).await?;
        removed += pruned.removed;
        if !pruned.more {
            break;
        }
    }
    Ok((begin.elapsed().as_secs_f64(), removed))
}
