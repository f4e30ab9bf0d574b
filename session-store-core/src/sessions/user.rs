//! All sessions of a user.

use std::fmt;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::inner::{Inner, Upkeep, undecodable};
use super::{Session, Sessions};
use crate::observed::{Cause, Why, because};
use crate::{Entry, ErrorKind, MIN_TIMEOUT, Meta, Page, Record, Result, SessionKey, Timestamp, UserId, report};

/// How many sessions of a page are read at once.
const READS_AT_ONCE: usize = 32;

/// A page of a user's sessions.
pub struct Listing<T> {
    /// In the order of their keys, which is the order of nothing else.
    pub sessions: Vec<Listed<T>>,
    /// The page after this one; `None` when this is the last.
    pub next: Option<Page>,
}

/// A session in a list, as for a page "your devices". `Debug` shows neither key nor data.
pub struct Listed<T> {
    /// What the session is [ended](Sessions::end) by. It is this request's own where it equals [`Session::key`].
    pub key: SessionKey,
    /// Owner and times. `last_seen_at` is right to [`touch_after`](super::Builder::touch_after).
    pub meta: Meta,
    /// The store's clock at the read, which is the one to compare `meta` with.
    pub read_at: Timestamp,
    /// What the application keeps in it, or an error where that cannot be decoded (`Corrupt`). Then all else is right,
    /// and the session can be ended.
    pub data: Result<T>,
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("sessions", &self.sessions).field("next", &self.next).finish()
    }
}

impl<T> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed").field("meta", &self.meta).field("read_at", &self.read_at).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned + Send> Sessions<T> {
    /// The user's sessions, a page at a time. One that is gone is not among them; one whose data cannot be decoded is,
    /// with an error in the place of its data.
    ///
    /// Looking at a session here does not touch it.
    ///
    /// # Errors
    ///
    /// The database's failures. A record that the store itself cannot read is left out, and told to tracing.
    pub async fn list(&self, user: &UserId, page: &Page) -> Result<Listing<T>> {
        let entries = self.inner.store.list_by_user(user, page).await?;
        let next = page.next(&entries);
        let read = stream::iter(entries).map(|entry| self.inner.listed(user, entry));
        let read = read.buffered(READS_AT_ONCE).try_filter_map(async |listed| Ok(listed));
        let decoded = read.map_ok(|(key, Record { meta, data, read_at })| {
            let data = self.inner.codec.decode(&key, &data).map_err(undecodable);
            Listed { key, meta, read_at, data }
        });
        Ok(Listing { sessions: decoded.try_collect().await?, next })
    }

    /// Ends the session with this key if it is that user's: a key that came from a web form is not yet a right.
    /// `false` when the user has no such session, be it gone or another's, or when it got a new ID just before, and with
    /// it a new key.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the store cannot read the record, and so not tell whose it is.
    pub async fn end(&self, user: &UserId, key: &SessionKey) -> Result<bool> {
        // A key belongs to one user for as long as it lives: a login makes a new one.
        match self.inner.store.get(key).await? {
            Some(record) if record.meta.user.as_ref() == Some(user) => {
                because(Why::Ended(Cause::EndedByUser), self.inner.store.destroy(key)).await
            }
            _ => Ok(false),
        }
    }

    /// Ends all sessions of the user but this one, and gives how many: "log out everywhere else". 0 when nobody is
    /// logged in with it. Whether this session is gone itself makes no difference; where another request has given it a
    /// new ID since it was read, it is one of the others.
    ///
    /// # Errors
    ///
    /// The database's failures; after one, calling again finishes.
    pub async fn destroy_others(&self, session: &Session<T>) -> Result<u64> {
        match session.user() {
            Some(user) => self.inner.store.destroy_by_user(user, Some(session.key())).await,
            None => Ok(0),
        }
    }

    /// Ends all sessions of the user, and gives how many: after a change of the password, or of rights. Those that are
    /// gone are not counted.
    ///
    /// # Errors
    ///
    /// The database's failures; after one, calling again finishes.
    pub async fn destroy_all(&self, user: &UserId) -> Result<u64> {
        self.inner.store.destroy_by_user(user, None).await
    }

    /// Encrypts the data of the user's sessions anew where a former key has encrypted them, and gives how many that
    /// were. Each [`load`](Self::load) does the same for its session, so this is for sessions that are not used.
    ///
    /// Their data stay as they are, fields that `T` does not know among them, and so does the time when they die if
    /// nobody uses them; only that they were seen is noted. Requests may use them meanwhile. Sessions that are gone,
    /// cannot be decrypted, or would be too large, are left alone.
    ///
    /// # Errors
    ///
    /// The database's failures; after one, calling again goes on.
    pub async fn reencrypt(&self, user: &UserId) -> Result<u64> {
        let mut count = 0;
        for entry in self.inner.entries(user).await? {
            count += u64::from(self.inner.is_reencrypted(&entry.key).await?);
        }
        Ok(count)
    }
}

impl Inner {
    /// The record of a line of a list, unless it is gone, or cannot be read.
    async fn listed(&self, user: &UserId, entry: Entry) -> Result<Option<(SessionKey, Record)>> {
        match self.store.get(&entry.key).await {
            Ok(record) => Ok(record.filter(|r| r.meta.user.as_ref() == Some(user)).map(|r| (entry.key, r))),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                report::corrupt_record_skipped("sessions");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a session's data were encrypted anew.
    async fn is_reencrypted(&self, key: &SessionKey) -> Result<bool> {
        for _ in 0..self.update_attempts {
            let record = match self.store.get(key).await {
                Ok(Some(record)) if !self.codec.is_current(&record.data) => record,
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(false),
                Err(error) => return Err(error),
            };
            // Nobody has used it, so it dies when it would have.
            let idle = record.meta.expires_at.saturating_since(record.read_at).max(MIN_TIMEOUT);
            match self.reencrypt(key, &record, idle).await {
                Ok(Upkeep::Changed) => {}
                Ok(upkeep) => return Ok(matches!(upkeep, Upkeep::Reencrypted(_))),
                // One that cannot be read, or not be stored, is no reason to leave the others.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::TooLarge) =>
                {
                    undecodable(error);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Err(super::update::too_many_conflicts())
    }
}
