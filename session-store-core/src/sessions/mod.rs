//! Typed sessions on any store: what an application holds.

mod builder;
mod inner;
mod limit;
mod login;
mod max_per_user;
mod pepper;
mod session;
mod update;
mod user;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::builder::Builder;
use self::inner::{Inner, Upkeep, undecodable, unless_gone};
pub use self::login::Login;
pub use self::max_per_user::MaxPerUser;
pub use self::pepper::Pepper;
pub use self::session::Session;
pub use self::user::{Listed, Listing};
use crate::{Owner, Policy, Result, SessionId, SessionStore, SetMode};

/// Typed sessions on any store: the one object that an application holds.
///
/// `T` is the application's own struct, of which every session keeps one. Cloning is cheap, and every clone, on every
/// node, sees the same sessions.
///
/// `T` may change while sessions live: fields may be added, with `#[serde(default)]`, renamed, with
/// `#[serde(alias = "...")]`, and removed. While nodes of the former release still run, they save what they know: a new
/// field that must not be lost is read by one release, and written by the next, and a field that the former release
/// needs is removed, or renamed, by the release after the one that does without it.
///
/// # Sessions that are gone
///
/// A session may end at any time: it expires, or somebody logs out elsewhere. That is an ordinary answer and no error.
/// Each method says how it gives it. A session that is gone stays so: no method brings it back.
///
/// # Errors of every method
///
/// Besides those that a method names: the database's failures (`Unavailable`, `Timeout`, ...). What they mean is on
/// the page of [`Error`](crate::Error). Where the data of a session does not fit `T`, or cannot be decrypted, the
/// error is `Corrupt` (or `Unsupported`, where this build cannot decompress or decrypt), and its
/// [`key`](crate::Error::key) says which session it is: by that it can be destroyed in the [`store`](Self::store).
///
/// # What it tells
///
/// What happens to sessions is told by an [`Observed`](crate::observed::Observed) store beneath. What only `Sessions`
/// knows, it tells metrics, and tracing at level warn:
///
/// | metric | kind | what |
/// | --- | --- | --- |
/// | `session_store_undecodable_total` | counter | data that could not be decoded; label `kind` |
/// | `session_store_corrupt_records_total` | counter | records that a list left out; label `store`: `sessions` |
/// | `session_store_upkeep_failures_total` | counter | loads that could not touch their session, or encrypt it anew; label `kind` |
///
/// # Clocks
///
/// Only the store's clock counts: a node whose own is wrong changes nothing.
///
/// # Example: from the first visit to the logout
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> session_store_core::Result<()> {
/// use serde::{Deserialize, Serialize};
/// use session_store_core::{Login, Page, Result, SessionId, Sessions, UserId};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Shop { basket: Vec<String> }
///
/// async fn visit(sessions: &Sessions<Shop>) -> Result<()> {
///     let visitor = sessions.create(Shop::default()).await?;
///     let cookie = visitor.id().expose_secret().to_owned();
///
///     // At the next request. A cookie that is no session ID is that of a stranger.
///     let Ok(id) = cookie.parse::<SessionId>() else { return Ok(()) };
///     sessions.update(&id, |shop| shop.basket.push("lamp".into())).await?; // loses no change of another request
///
///     // The login: a new session, with the basket of the old one, which ends.
///     let Some(visitor) = sessions.load(&id).await? else { return Ok(()) };
///     let alice = UserId::new("alice")?;
///     let session = sessions.login(Login::from_session(alice.clone(), visitor)).await?;
///     assert!(sessions.load(&id).await?.is_none(), "whoever knew the old cookie has nothing");
///
///     let devices = sessions.list(&alice, &Page::first(100)?).await?.sessions;
///     assert_eq!((devices.len(), &devices[0].key), (1, session.key()));
///     sessions.destroy_others(&session).await?; // "log out everywhere else"
///     sessions.destroy(session.id()).await?; // the logout
///     Ok(())
/// }
/// # use session_store_core::Error;
/// # Ok::<(), Error>(())
/// # }
/// ```
pub struct Sessions<T> {
    inner: Arc<Inner>,
    data: PhantomData<fn() -> T>,
}

impl<T> Sessions<T> {
    /// Sessions in this store, with the defaults, which are the [`Builder`]'s.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        Self::from_inner(Builder::<T>::new(store).inner(Policy::NIST_AAL2))
    }

    /// Sessions in this store, with settings.
    pub fn builder(store: Arc<dyn SessionStore>) -> Builder<T> {
        Builder::new(store)
    }

    fn from_inner(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), data: PhantomData }
    }

    /// The store beneath: to count, prune and ping.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.inner.store
    }
}

impl<T: Serialize + DeserializeOwned + Send> Sessions<T> {
    /// Begins a session that belongs to nobody yet.
    ///
    /// # Errors
    ///
    /// `InvalidInput` or `TooLarge` when the data cannot be stored.
    pub async fn create(&self, data: T) -> Result<Session<T>> {
        let id = SessionId::generate()?;
        let key = self.inner.hashing.key(&id)?;
        let write = self.inner.write(&key, &data, None)?;
        let version = self.inner.store.set(&key, &write, SetMode::Create).await?;
        Ok(session::begun((id, key, None), version, (data, None), self.inner.policy))
    }

    /// Reads the session with this ID. `None` when it is gone.
    ///
    /// It also [touches](Builder::touch_after) the session when that is due, and encrypts its data anew where they were
    /// encrypted with a former key. Where the database refuses that, the session is given all the same.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the data do not fit `T`, or cannot be decrypted.
    pub async fn load(&self, id: &SessionId) -> Result<Option<Session<T>>> {
        let mut attempt = 1;
        loop {
            let Some((key, record)) = self.inner.find(id).await? else { return Ok(None) };
            let decoded = self.inner.codec.decode_with(&key, &record.data).map_err(undecodable)?;
            let upkeep = self.inner.keep_up(&key, &record, decoded.1).await;
            let mut session = session::read(id.clone(), key, &record, decoded, self.inner.policy);
            match upkeep {
                // Whoever changed it has encrypted it as well: hardly ever does it take a third round.
                Upkeep::Changed if attempt < self.inner.update_attempts => attempt += 1,
                Upkeep::Gone => return Ok(None),
                Upkeep::Reencrypted(version) => {
                    session.version = version;
                    return Ok(Some(session));
                }
                Upkeep::None | Upkeep::Changed => return Ok(Some(session)),
            }
        }
    }

    /// Saves the session's data. `false` when it is gone: nothing was saved, and nothing can be.
    ///
    /// # Errors
    ///
    /// `Conflict` when another request has changed the session since it was read, and nothing was saved: load it again,
    /// or use [`update`](Self::update), which does. `InvalidInput` or `TooLarge` when the data cannot be stored.
    #[must_use = "false means that the session is gone and nothing was saved"]
    pub async fn save(&self, session: &mut Session<T>) -> Result<bool> {
        let write = self.inner.write(&session.key, &session.data, session.own_policy)?;
        // At this version the session has this owner, so naming them changes nothing, and is cheaper than `Keep`, for which
        // Redis' script would copy the record.
        let write = write.with_owner(Owner::exactly(session.user.as_ref()));
        let saved = self.inner.store.set(&session.key, &write, SetMode::Update(session.version)).await;
        let version = unless_gone(saved)?;
        session.version = version.unwrap_or(session.version);
        Ok(version.is_some())
    }

    /// Gives the session a new ID, which the response must set, and saves its data. The old ID is dead, and the clock
    /// of the absolute timeout runs on. `false` when the session is gone.
    ///
    /// It is for what raises a session's rights without a login. Of several requests that do it at once, one succeeds;
    /// to the others the session is gone.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save). Where the [outcome is unknown](crate::Error::outcome_unknown), the session may have
    /// got an ID that nobody knows: its user has to log in again. The same where the future is dropped on the way.
    #[must_use = "false means that the session is gone"]
    pub async fn rotate(&self, session: &mut Session<T>) -> Result<bool> {
        let id = SessionId::generate()?;
        let key = self.inner.hashing.key(&id)?;
        let write = self.inner.write(&key, &session.data, session.own_policy)?;
        let write = write.with_owner(Owner::exactly(session.user.as_ref()));
        let rotated = self.inner.store.rotate(&session.key, &key, &write, Some(session.version)).await;
        let version = unless_gone(rotated)?;
        if let Some(version) = version {
            (session.id, session.key, session.version) = (id, key, version);
        }
        Ok(version.is_some())
    }

    /// Ends the session with this ID: a logout. `false` when it was gone already, or got a new ID just before.
    ///
    /// # Errors
    ///
    /// The database's failures. It works where the data cannot be decoded.
    pub async fn destroy(&self, id: &SessionId) -> Result<bool> {
        let keys = self.inner.hashing.keys(id).collect::<Result<Vec<_>>>()?;
        self.inner.destroy(&keys).await
    }
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), data: PhantomData }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.inner).finish()
    }
}
