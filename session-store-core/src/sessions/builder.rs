//! How `Sessions` are made.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use super::inner::Inner;
use super::max_per_user::MaxPerUser;
use super::pepper::{Hashing, Pepper, Way};
use crate::codec::Codec;
use crate::{DEFAULT_DATA_LIMIT, Error, Policy, Result, SessionStore, timeout_millis};

/// What [`Sessions`] may be given. Every setting has a default.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use session_store_core::MaxPerUser;
/// use session_store_core::{Policy, Result, SessionStore, Sessions};
///
/// fn sessions(store: Arc<dyn SessionStore>) -> Result<Sessions<String>> {
///     Sessions::builder(store)
///         .policy(Policy::NIST_AAL3)
///         .touch_after(Duration::from_secs(60))
///         .max_per_user(MaxPerUser::EndOldest(5))
///         .build()
/// }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<T> {
    store: Arc<dyn SessionStore>,
    idle: Duration,
    absolute: Duration,
    touch_after: Option<Duration>,
    max_per_user: Option<MaxPerUser>,
    codec: Codec,
    data_limit: usize,
    pepper: Option<Pepper>,
    accepted: Vec<Way>,
    update_attempts: u32,
    data: PhantomData<fn() -> T>,
}

impl<T> Builder<T> {
    pub(super) fn new(store: Arc<dyn SessionStore>) -> Self {
        Self {
            store,
            idle: Policy::NIST_AAL2.idle(),
            absolute: Policy::NIST_AAL2.absolute(),
            touch_after: None,
            max_per_user: None,
            codec: Codec::new(),
            data_limit: DEFAULT_DATA_LIMIT,
            pepper: None,
            accepted: Vec::new(),
            update_attempts: 64,
            data: PhantomData,
        }
    }

    /// How long sessions live whose login brings no policy of its own. Unless set, [`Policy::NIST_AAL2`]: 1 hour idle,
    /// 24 hours in all. A changed policy reaches a session at its next save; a session that is too old for it ends with that
    /// save.
    pub fn policy(self, policy: Policy) -> Self {
        self.idle_timeout(policy.idle()).absolute_timeout(policy.absolute())
    }

    /// How long such a session lives when it is not used: 1 ms to 10 years.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = timeout;
        self
    }

    /// How long such a session lives in all: 1 ms to 10 years.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute = timeout;
        self
    }

    /// How long after it was last seen a session that is loaded is touched, so that its idle timeout begins anew:
    /// `Duration::ZERO` to half of the idle timeout. Unless set, a tenth of the session's idle timeout.
    ///
    /// A touch is a write, and one at every request is what most burdens a session database. What it costs to touch
    /// less often: a session may end by so much earlier after its last use, and lists show by so much less exactly
    /// when it was last seen. For logins with a shorter idle timeout of their own, it is half of that at the most.
    pub fn touch_after(mut self, time: Duration) -> Self {
        self.touch_after = Some(time);
        self
    }

    /// How many sessions a user may have, 1 or more, and what becomes of a login beyond. Unless set, any number.
    pub fn max_per_user(mut self, max: MaxPerUser) -> Self {
        self.max_per_user = Some(max);
        self
    }

    /// How data is encoded: with a dictionary, encrypted. Unless set, [`Codec::new`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The most bytes of encoded data that are sent to the store: what is over it is `TooLarge`. Unless set, 1 MiB.
    /// The store has a limit of its own.
    pub fn data_limit(mut self, bytes: usize) -> Self {
        self.data_limit = bytes;
        self
    }

    /// Computes the keys of new sessions with this pepper. Unless set, without one.
    pub fn pepper(mut self, pepper: Pepper) -> Self {
        self.pepper = Some(pepper);
        self
    }

    /// Finds sessions as well whose keys were computed with this pepper; each costs one read more where the session
    /// was not found before.
    pub fn accept_pepper(mut self, pepper: Pepper) -> Self {
        self.accepted.push(Way::Peppered(pepper));
        self
    }

    /// Finds sessions as well whose keys were computed without a pepper: while a pepper is being introduced, which
    /// protects nothing so long.
    pub fn accept_unpeppered(mut self) -> Self {
        self.accepted.push(Way::Plain);
        self
    }

    /// How often [`Sessions::update`] tries, 1 or more, while other requests change the session; with the pauses
    /// between, that takes some seconds. Unless set, 64.
    pub fn update_attempts(mut self, count: u32) -> Self {
        self.update_attempts = count;
        self
    }

    /// The sessions. Nothing is sent.
    ///
    /// # Errors
    ///
    /// `Config` when a setting is out of its bounds; the text names it.
    pub fn build(self) -> Result<Sessions<T>> {
        let policy = self.checked_policy()?;
        if self.touch_after.is_some_and(|time| time > policy.idle() / 2) {
            return Err(Error::config("touch_after is over half of the idle timeout; set a shorter time"));
        }
        if self.max_per_user.is_some_and(|max| max.count() == 0) {
            return Err(Error::config("max_per_user is 0, and nobody could log in; set 1 or more"));
        }
        if self.data_limit == 0 {
            return Err(Error::config("data_limit is 0, and nothing could be stored; set 1 or more"));
        }
        if self.update_attempts == 0 {
            return Err(Error::config("update_attempts is 0, and nothing could be updated; set 1 or more"));
        }
        Ok(Sessions::from_inner(self.inner(policy)))
    }

    /// What `build` makes of settings that are within their bounds, as the defaults are.
    pub(super) fn inner(self, policy: Policy) -> Inner {
        let first = self.pepper.map_or(Way::Plain, Way::Peppered);
        Inner {
            store: self.store,
            policy,
            touch_after: self.touch_after,
            max_per_user: self.max_per_user,
            codec: self.codec,
            data_limit: self.data_limit,
            hashing: Hashing { first, others: self.accepted },
            update_attempts: self.update_attempts,
        }
    }

    fn checked_policy(&self) -> Result<Policy> {
        for (name, timeout) in [("idle_timeout", self.idle), ("absolute_timeout", self.absolute)] {
            if timeout_millis(timeout).is_err() {
                return Err(Error::config(format!("{name} is {timeout:?}; set 1 millisecond to 10 years")));
            }
        }
        Policy::new(self.idle, self.absolute)
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("store", &self.store)
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("max_per_user", &self.max_per_user)
            .finish_non_exhaustive()
    }
}
