//! Every operation of a store, on a session of its own.

use session_store_core::{Page, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write};

use crate::common::{HOUR, new_key, new_user, write_of};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    Get,
    Create,
    Replace,
    Update,
    Upsert,
    Touch,
    Destroy,
    Rotate,
    List,
    DestroyByUser,
    Prune,
    Count,
    Clear,
    Ping,
}

use Operation::{
    Clear, Count, Create, Destroy, DestroyByUser, Get, List, Ping, Prune, Replace, Rotate, Touch, Update, Upsert,
};

/// Those that have the operation timeout as a whole.
pub(crate) const ON_KEYS: [Operation; 9] = [Get, Create, Replace, Update, Upsert, Touch, Destroy, Rotate, Ping];

/// Those of them that write.
pub(crate) const WRITES: [Operation; 7] = [Create, Replace, Update, Upsert, Touch, Destroy, Rotate];

pub(crate) const SWEEPS: [Operation; 5] = [List, DestroyByUser, Prune, Count, Clear];

pub(crate) fn all() -> impl Iterator<Item = Operation> {
    ON_KEYS.into_iter().chain(SWEEPS)
}

/// What an operation begins with: a live session of a user, and a key that is free.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) live: SessionKey,
    pub(crate) free: SessionKey,
    pub(crate) user: UserId,
    version: Version,
}

impl Stage {
    pub(crate) async fn set(store: &dyn SessionStore) -> Result<Self> {
        let (live, free, user) = (new_key(), new_key(), new_user());
        let version = store.set(&live, &write_of(&user), SetMode::Create).await?;
        Ok(Self { live, free, user, version })
    }

    /// One with a session that nobody has written.
    pub(crate) fn without_session() -> Self {
        let version = Version::generate().unwrap();
        Self { live: new_key(), free: new_key(), user: new_user(), version }
    }

    fn write(&self) -> Write {
        write_of(&self.user)
    }
}

impl Operation {
    pub(crate) fn is_write(self) -> bool {
        WRITES.contains(&self)
    }

    /// Fails where the store does, and gives whether the answer is the right one for a live session.
    pub(crate) async fn run(self, store: &dyn SessionStore, stage: &Stage) -> Result<bool> {
        let (live, write) = (&stage.live, stage.write());
        Ok(match self {
            Get => store.get(live).await?.is_some_and(|record| record.data == "data"),
            Create => store.set(&stage.free, &write, SetMode::Create).await? != stage.version,
            Replace => store.set(live, &write, SetMode::Replace).await? != stage.version,
            Update => store.set(live, &write, SetMode::Update(stage.version)).await? != stage.version,
            Upsert => store.set(live, &write, SetMode::Upsert).await? != stage.version,
            Touch => store.touch(live, HOUR).await?,
            Destroy => store.destroy(live).await?,
            Rotate => store.rotate(live, &stage.free, &write, Some(stage.version)).await? != stage.version,
            List => store.list_by_user(&stage.user, &Page::first(10)?).await?.iter().any(|entry| entry.key == *live),
            DestroyByUser => store.destroy_by_user(&stage.user, None).await? == 1,
            Prune => !store.prune(1_000).await?.more,
            Count => store.count().await? > 0,
            Clear => store.clear().await? > 0,
            Ping => {
                store.ping().await?;
                true
            }
        })
    }
}
