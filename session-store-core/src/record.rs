//! What a store keeps and gives back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::write::check_data_size;
use crate::{Error, Result, SessionKey, Timestamp, UserId, Version, Write};

/// All that a store knows of a session but its data.
///
/// The methods are the contract's arithmetic on time, for stores that have no database to do it, and
/// for tests. They take the store's `now`, so they can be tried without waiting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meta {
    /// Whom the session belongs to, if anyone.
    pub user: Option<UserId>,
    /// When the session was created. A rotation keeps it.
    pub created_at: Timestamp,
    /// When the session was last written or touched.
    pub last_seen_at: Timestamp,
    /// When the session dies if nothing happens. Never after `deadline`.
    pub expires_at: Timestamp,
    /// When the session dies however active it is.
    pub deadline: Timestamp,
    /// The token of the last write.
    pub version: Version,
}

impl Meta {
    /// What a successful `write` at `now` leaves behind (clause S6). `before` is the live session it
    /// falls on, if there is one.
    #[must_use]
    pub fn written(write: &Write, before: Option<&Self>, now: Timestamp, version: Version) -> Self {
        let created_at = before.map_or(now, |meta| meta.created_at);
        let deadline = created_at.saturating_add(write.absolute());
        Self {
            user: write.owner().after(before.and_then(|meta| meta.user.as_ref())),
            created_at,
            last_seen_at: now,
            expires_at: now.saturating_add(write.idle()).min(deadline),
            deadline,
            version,
        }
    }

    /// Moves the times as a touch at `now` does (clauses T1 and T4): never backwards, never past the
    /// deadline.
    pub fn touch(&mut self, idle: Duration, now: Timestamp) {
        self.last_seen_at = self.last_seen_at.max(now);
        self.expires_at = self.expires_at.max(now.saturating_add(idle).min(self.deadline));
    }

    /// Returns the times of an imported record as a store keeps them (clause W1): `expires_at` is capped by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `created_at` is not before `deadline`.
    pub fn imported(&self, version: Version) -> Result<Self> {
        if self.created_at >= self.deadline {
            return Err(Error::invalid_input("the `created_at` of an imported record must be before its `deadline`"));
        }
        Ok(Self { expires_at: self.expires_at.min(self.deadline), version, ..self.clone() })
    }

    /// Whether the session is live at `now`: before both its expiry and its deadline.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && now < self.deadline
    }

    /// Refuses times that no sequence of writes and touches leaves behind, so that a store does not
    /// serve foreign bytes that happen to decode (clause Z1).
    ///
    /// # Errors
    ///
    /// `Corrupt`, about `key`.
    pub fn check(&self, key: &SessionKey) -> Result<()> {
        let plausible = self.created_at < self.deadline && self.expires_at <= self.deadline;
        if plausible { Ok(()) } else { Err(Error::corrupt(key, "the times of the record contradict each other")) }
    }
}

/// A live session as a store gives it back. `Debug` shows the data's length only.
#[derive(Clone, Eq, PartialEq)]
pub struct Record {
    /// Owner, times and version.
    pub meta: Meta,
    /// The encoded payload.
    pub data: Bytes,
    /// The store's clock at the read: what ages are judged by, never the caller's own clock.
    pub read_at: Timestamp,
}

impl Record {
    /// Refuses data over a store's limit, before anything is sent (clause Z1).
    ///
    /// # Errors
    ///
    /// `TooLarge` if the data has more than `limit` bytes.
    pub fn check_size(&self, limit: usize) -> Result<()> {
        check_data_size(&self.data, limit)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("meta", &self.meta)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("read_at", &self.read_at)
            .finish()
    }
}

/// What [`get_if_changed`](crate::SessionStore::get_if_changed) returns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IfChanged {
    /// The session is not live.
    Gone,
    /// The session is live at the version that the caller holds.
    Unchanged {
        /// Owner, version and the current times.
        meta: Meta,
        /// The store's clock at the read.
        read_at: Timestamp,
    },
    /// The session is live at another version.
    Changed(Record),
}

impl IfChanged {
    /// Returns what a caller that holds `version` gets of a session that was read.
    #[must_use]
    pub fn compare(record: Option<Record>, version: Version) -> Self {
        match record {
            None => Self::Gone,
            Some(Record { meta, read_at, .. }) if meta.version == version => Self::Unchanged { meta, read_at },
            Some(record) => Self::Changed(record),
        }
    }
}

/// One line of a list. Lists carry no data; read it with [`get`](crate::SessionStore::get).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The session's key.
    pub key: SessionKey,
    /// Owner, times and version.
    pub meta: Meta,
}
