//! A session in an application's hands.

use std::fmt;
use std::time::Duration;

use crate::{Policy, Record, SessionId, SessionKey, UserId, Version};

/// A session in the hands of a request: its data, and what it takes to save them.
///
/// It is as it was when it was read: others may have changed or ended it since, which a save finds out. `Debug`
/// shows neither ID nor data.
pub struct Session<T> {
    /// What the application keeps in it.
    pub data: T,
    pub(super) id: SessionId,
    pub(super) key: SessionKey,
    pub(super) user: Option<UserId>,
    pub(super) version: Version,
    pub(super) own_policy: Option<Policy>,
    pub(super) policy: Policy,
    pub(super) time_left: Duration,
}

impl<T> Session<T> {
    /// The secret for the cookie. After a login or a rotation it is a new one, which the response must set.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What lists know the session by.
    #[must_use]
    pub fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Who is logged in, if anyone.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// How long the session lives: by its login, or else by the configuration.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// How long it can live at the most, from when it was created or read: a `Max-Age` for the cookie. That is until
    /// its absolute timeout; the idle one may end it earlier.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.time_left
    }
}

/// A session that begins, by the policy of its login or else by this one.
pub(super) fn begun<T>(
    (id, key, user): (SessionId, SessionKey, Option<UserId>),
    version: Version,
    (data, own_policy): (T, Option<Policy>),
    policy: Policy,
) -> Session<T> {
    let policy = own_policy.unwrap_or(policy);
    Session { data, id, key, user, version, own_policy, policy, time_left: policy.absolute() }
}

/// What is known of a session that was read.
pub(super) fn read<T>(
    id: SessionId,
    key: SessionKey,
    record: &Record,
    (data, own_policy): (T, Option<Policy>),
    policy: Policy,
) -> Session<T> {
    Session {
        data,
        id,
        key,
        user: record.meta.user.clone(),
        version: record.meta.version,
        own_policy,
        policy: own_policy.unwrap_or(policy),
        time_left: record.meta.deadline.saturating_since(record.read_at),
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("policy", &self.policy)
            .field("time_left", &self.time_left)
            .finish_non_exhaustive()
    }
}
