//! Every operation of a store, on a session of its own.

use session_store_core::{Page, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write};

use super::common::{HOUR, new_key, new_user, write_of};

/// A method of a store; `set` in each of its modes.
#[allow(missing_docs, reason = "their names say it")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
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

/// The operations that have the operation timeout as a whole.
pub const ON_KEYS: [Operation; 9] = [Get, Create, Replace, Update, Upsert, Touch, Destroy, Rotate, Ping];

/// Those of [`ON_KEYS`] that write.
pub const WRITES: [Operation; 7] = [Create, Replace, Update, Upsert, Touch, Destroy, Rotate];

/// The operations on many sessions, which have a longer timeout.
pub const BULK: [Operation; 5] = [List, DestroyByUser, Prune, Count, Clear];

/// Returns all operations.
pub fn all() -> impl Iterator<Item = Operation> {
    ON_KEYS.into_iter().chain(BULK)
}

/// What an operation starts from: a live session of a user, and a key that is free.
#[derive(Debug)]
pub struct Fixture {
    /// The key of the live session.
    pub live: SessionKey,
    /// A key without a session.
    pub free: SessionKey,
    /// The user of the live session.
    pub user: UserId,
    version: Version,
}

impl Fixture {
    /// Creates the session of a new fixture.
    pub async fn create(store: &dyn SessionStore) -> Result<Self> {
        let (live, free, user) = (new_key(), new_key(), new_user());
        let version = store.set(&live, &write_of(&user), SetMode::Create).await?;
        Ok(Self { live, free, user, version })
    }

    /// Returns a fixture whose session nobody has written.
    #[must_use]
    pub fn without_session() -> Self {
        let version = Version::generate().unwrap();
        Self { live: new_key(), free: new_key(), user: new_user(), version }
    }

    fn write(&self) -> Write {
        write_of(&self.user)
    }
}

impl Operation {
    /// Returns whether it is one of [`WRITES`].
    #[must_use]
    pub fn is_write(self) -> bool {
        WRITES.contains(&self)
    }

    /// Runs the operation, and returns whether the answer is the right one for a live session.
    pub async fn run(self, store: &dyn SessionStore, fixture: &Fixture) -> Result<bool> {
        let (live, write) = (&fixture.live, fixture.write());
        Ok(match self {
            Get => store.get(live).await?.is_some_and(|record| record.data == "data"),
            Create => store.set(&fixture.free, &write, SetMode::Create).await? != fixture.version,
            Replace => store.set(live, &write, SetMode::Replace).await? != fixture.version,
            Update => store.set(live, &write, SetMode::Update(fixture.version)).await? != fixture.version,
            Upsert => store.set(live, &write, SetMode::Upsert).await? != fixture.version,
            Touch => store.touch(live, HOUR).await?,
            Destroy => store.destroy(live).await?,
            Rotate => store.rotate(live, &fixture.free, &write, Some(fixture.version)).await? != fixture.version,
            List => store.list_by_user(&fixture.user, &Page::first(10)?).await?.iter().any(|entry| entry.key == *live),
            DestroyByUser => store.destroy_by_user(&fixture.user, None).await? == 1,
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
