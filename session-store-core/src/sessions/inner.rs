//! What all handles of `Sessions` share, and which knows nothing of their type.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::max_per_user::MaxPerUser;
use super::pepper::Hashing;
use crate::codec::Codec;
use crate::{
    Error, ErrorKind, Owner, Policy, Record, Result, SessionId, SessionKey, SessionStore, SetMode, Version, Write,
};

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) policy: Policy,
    pub(super) touch_after: Option<Duration>,
    pub(super) max_per_user: Option<MaxPerUser>,
    pub(super) codec: Codec,
    pub(super) data_limit: usize,
    pub(super) hashing: Hashing,
    pub(super) update_attempts: u32,
}

/// What a load does besides, so that the session stays as it should be.
pub(super) enum Upkeep {
    /// The session is as it was read, but for a touch.
    None,
    /// The data was encrypted anew.
    Reencrypted(Version),
    /// It has changed since it was read.
    Changed,
    /// It is gone.
    Gone,
}

impl Inner {
    /// The live session with this ID, under whichever of its possible keys.
    pub(super) async fn find(&self, id: &SessionId) -> Result<Option<(SessionKey, Record)>> {
        for key in self.hashing.keys(id) {
            let key = key?;
            if let Some(record) = self.store.get(&key).await? {
                return Ok(Some((key, record)));
            }
        }
        Ok(None)
    }

    pub(super) fn write<T: Serialize>(&self, key: &SessionKey, data: &T, policy: Option<Policy>) -> Result<Write> {
        let data = self.codec.encode_with(key, data, policy)?;
        let lifetime = policy.unwrap_or(self.policy);
        let write = Write::new(data, lifetime.idle(), lifetime.absolute())?;
        write.check_size(self.data_limit)?;
        Ok(write)
    }

    /// Touches a session, or encrypts it anew, if it is time to.
    ///
    /// Where that fails, the session was read all the same, and the next load tries again: no reason to turn its user
    /// away.
    pub(super) async fn keep_up(&self, key: &SessionKey, record: &Record, policy: Option<Policy>) -> Upkeep {
        let lifetime = policy.unwrap_or(self.policy);
        if !self.codec.is_current(&record.data) {
            match self.reencrypt(key, record, lifetime.idle()).await {
                Ok(upkeep) => return upkeep,
                Err(error) => upkeep_failed(&error),
            }
        }
        if record.read_at.saturating_since(record.meta.last_seen_at) < self.touch_after(lifetime) {
            return Upkeep::None;
        }
        match self.store.touch(key, lifetime.idle()).await {
            Ok(true) => Upkeep::None,
            Ok(false) => Upkeep::Gone,
            Err(error) => {
                upkeep_failed(&error);
                Upkeep::None
            }
        }
    }

    fn touch_after(&self, lifetime: Policy) -> Duration {
        self.touch_after.map_or(lifetime.idle() / 10, |time| time.min(lifetime.idle() / 2))
    }

    /// Encrypts the data of a session anew, which from now on lives so long without being used.
    pub(super) async fn reencrypt(&self, key: &SessionKey, record: &Record, idle: Duration) -> Result<Upkeep> {
        let (data, policy) = self.codec.reencrypt_with(key, &record.data)?;
        let write = Write::new(data, idle, policy.unwrap_or(self.policy).absolute())?;
        let write = write.with_owner(Owner::exactly(record.meta.user.as_ref()));
        write.check_size(self.data_limit)?;
        match self.store.set(key, &write, SetMode::Update(record.meta.version)).await {
            Ok(version) => Ok(Upkeep::Reencrypted(version)),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Upkeep::Changed),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Upkeep::Gone),
            Err(error) => Err(error),
        }
    }
}

fn upkeep_failed(error: &Error) {
    let kind = error.kind().as_str();
    metrics::counter!("session_store_upkeep_failures_total", "kind" => kind).increment(1);
    tracing::warn!(target: "session_store", kind, %error, "a session that was loaded could not be kept up");
}

/// Tells that the data of a live session cannot be decoded.
pub(super) fn undecodable(error: Error) -> Error {
    metrics::counter!("session_store_undecodable_total", "kind" => error.kind().as_str()).increment(1);
    tracing::warn!(target: "session_store", %error, "the data of a session cannot be decoded; destroy the session");
    error
}

/// What a write gives of which a session that is gone is an ordinary answer.
pub(super) fn unless_gone<A>(answer: Result<A>) -> Result<Option<A>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
