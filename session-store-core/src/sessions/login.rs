//! Logins.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::inner::Inner;
use super::limit::{Newcomer, Place};
use super::update::pause;
use super::{MaxPerUser, Session, Sessions, session};
use crate::observed::{Cause, Why, because};
use crate::{Error, ErrorKind, Owner, Policy, Result, SessionId, SessionKey, SessionStore, SetMode, UserId, Version};

/// A login, for [`Sessions::login`].
///
/// # Example: "remember me"
///
/// ```
/// use std::time::Duration;
/// use session_store_core::{Login, Policy, Result, Session, SessionId, Sessions, UserId};
///
/// async fn remember(sessions: &Sessions<String>, user: UserId, cookie: Option<&SessionId>) -> Result<Session<String>> {
///     const DAY: Duration = Duration::from_hours(24);
///     let remember_me = Policy::new(14 * DAY, 90 * DAY)?;
///     sessions.login(Login::new(user, "data".to_owned()).replacing(cookie).policy(remember_me)).await
/// }
/// ```
#[must_use = "a login does nothing until it is given to `Sessions::login`"]
pub struct Login<T> {
    user: UserId,
    data: T,
    replaced: Option<SessionId>,
    /// Whose the data were before.
    data_of: Option<UserId>,
    policy: Option<Policy>,
}

impl<T> Login<T> {
    /// A login of this user, whose session begins with this data.
    pub fn new(user: UserId, data: T) -> Self {
        Self { user, data, replaced: None, data_of: None, policy: None }
    }

    /// A login of this user in the place of a session, whose data it takes over as they are, and which it
    /// [replaces](Self::replacing). What another request saves in that session meanwhile is not taken over. The session
    /// must not be that of another user, whose data would go to this one.
    pub fn from_session(user: UserId, session: Session<T>) -> Self {
        Self { user, data: session.data, replaced: Some(session.id), data_of: session.user, policy: None }
    }

    /// The session that the browser had before, if it had one, which ends with the login: whoever has planted or seen
    /// its ID has nothing. Where it is gone already, that is all right.
    pub fn replacing<'a>(mut self, id: impl Into<Option<&'a SessionId>>) -> Self {
        self.replaced = id.into().cloned();
        self
    }

    /// How long this session lives, whatever the configuration says of others. It is kept with the session.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }
}

impl<T> fmt::Debug for Login<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned + Send> Sessions<T> {
    /// Begins a new session for a user, ends the one that it [replaces](Login::replacing), and sees to it that the user
    /// has no more than [there may be](super::Builder::max_per_user). The clock of the absolute timeout begins anew.
    ///
    /// Of any number of logins at once, on any nodes, as many are left as there may be when all have returned. Where the
    /// [oldest end](MaxPerUser::EndOldest), they are the newest, so the session of a login that returns may be gone
    /// already, ended by later ones. Where logins are [refused](MaxPerUser::Refuse), no login ends another's session.
    ///
    /// It needs a Tokio runtime with timers: logins at once, of which only one can stay, wait for a moment or begin anew.
    ///
    /// # Errors
    ///
    /// `LimitReached` when the user has as many sessions as there may be, and the configuration is to refuse; the session
    /// that was to be replaced lives on. `Conflict`, transient, when other logins and rotations of the user were faster
    /// each time. `InvalidInput` when the data are another user's, or cannot be stored, or `TooLarge`. After any other
    /// error, or when the future is dropped on the way, the new session is ended again as far as the database allows, and
    /// that which was to be replaced may be gone.
    pub async fn login(&self, login: Login<T>) -> Result<Session<T>> {
        let Login { user, data, replaced, data_of, policy: own_policy } = login;
        if data_of.is_some_and(|before| before != user) {
            return Err(Error::invalid_input("the session is another user's; log in with data of the user's own"));
        }
        let replaced = replaced.map(|id| self.inner.hashing.keys(&id).collect::<Result<Vec<_>>>()).transpose()?;
        let replaced = replaced.unwrap_or_default();
        let mut attempt = 1;
        loop {
            let id = SessionId::generate()?;
            let key = self.inner.hashing.key(&id)?;
            let write = self.inner.write(&key, &data, own_policy)?.with_owner(Owner::User(user.clone()));
            let newcomer = Newcomer { key: &key, user: &user, write: &write, replaced: &replaced, attempt };
            match self.inner.begin(&newcomer).await? {
                Some(version) => {
                    return Ok(session::begun((id, key, Some(user)), version, (data, own_policy), self.inner.policy));
                }
                None => sleep(pause(attempt)?).await,
            }
            attempt += 1;
        }
    }
}

/// A session whose ID nobody has yet. It must not live on where the login fails, or its future is dropped.
struct Unfinished<'a> {
    store: &'a Arc<dyn SessionStore>,
    key: SessionKey,
    is_over: bool,
}

impl Unfinished<'_> {
    async fn end(mut self) -> Result<()> {
        self.is_over = true;
        because(Why::Ended(Cause::Abandoned), self.store.destroy(&self.key)).await.map(drop)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_over
            && let Ok(runtime) = Handle::try_current()
        {
            let (store, key) = (Arc::clone(self.store), self.key);
            runtime.spawn(async move { because(Why::Ended(Cause::Abandoned), store.destroy(&key)).await });
        }
    }
}

impl Inner {
    /// The version of the newcomer; `None` when it has to begin anew.
    async fn begin(&self, newcomer: &Newcomer<'_>) -> Result<Option<Version>> {
        let mut unfinished = Unfinished { store: &self.store, key: *newcomer.key, is_over: false };
        match self.begun(newcomer).await {
            Ok((version, place)) => {
                unfinished.is_over = true;
                match place {
                    Place::Stays => Ok(Some(version)),
                    Place::Again => Ok(None),
                    Place::Refused => Err(limit_reached(newcomer.key)),
                }
            }
            Err(error) => {
                // What this meets itself is less than what is told already.
                let _ = unfinished.end().await;
                Err(error)
            }
        }
    }

    async fn begun(&self, newcomer: &Newcomer<'_>) -> Result<(Version, Place)> {
        let version = self.store.set(newcomer.key, newcomer.write, SetMode::Create).await?;
        // A login that is refused takes nothing away.
        let may_be_refused = matches!(self.max_per_user, Some(MaxPerUser::Refuse(_)));
        if !may_be_refused {
            because(Why::Ended(Cause::Replaced), self.destroy(newcomer.replaced)).await?;
        }
        let place = self.place(newcomer).await?;
        if may_be_refused && matches!(place, Place::Stays) {
            because(Why::Ended(Cause::Replaced), self.destroy(newcomer.replaced)).await?;
        }
        Ok((version, place))
    }

    /// Ends the session that has one of these keys; whether it was live.
    pub(super) async fn destroy(&self, keys: &[SessionKey]) -> Result<bool> {
        let (mut was_live, mut failure) = (false, None);
        // Each is tried, whatever the others meet.
        for key in keys {
            match self.store.destroy(key).await {
                Ok(live) => was_live |= live,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(was_live), Err)
    }
}

fn limit_reached(newcomer: &SessionKey) -> Error {
    let text = "the user has as many sessions as there may be; one of them must end first";
    Error::new(ErrorKind::LimitReached, text).with_key(*newcomer)
}
