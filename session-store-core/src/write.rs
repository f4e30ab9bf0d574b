//! What a caller writes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Error, ErrorKind, Result, UserId, Version, timeout_millis};

/// The most bytes of data that a store takes unless it is configured otherwise: 1 MiB (clause Z1).
pub const DEFAULT_DATA_LIMIT: usize = 1 << 20;

/// The precondition of a [`set`](crate::SessionStore::set).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetMode {
    /// The key must not be live.
    Create,
    /// The key must be live; whatever is there is overwritten.
    Replace,
    /// The key must be live and at this version. The one mode that loses no concurrent change.
    Update(Version),
    /// Create or overwrite; the last writer wins.
    ///
    /// It exists for middleware that cannot tell creating from updating. It cannot protect from what
    /// the other modes refuse: a late save brings a session back that was logged out, and of two
    /// concurrent changes one is lost. Use it only where nothing better can be known.
    Upsert,
}

/// Whom a session belongs to after a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// The same as before; on creation, nobody.
    Keep,
    /// Nobody.
    Anonymous,
    /// This user.
    User(UserId),
}

impl Owner {
    /// Returns the owner that is this user, or nobody.
    ///
    /// A write at a version can name the owner whom the session has at that version: it says the same as
    /// [`Keep`](Self::Keep), and spares the store to look the owner up.
    #[must_use]
    pub fn exactly(user: Option<&UserId>) -> Self {
        user.map_or(Self::Anonymous, |user| Self::User(user.clone()))
    }

    /// The user after a write on a session that belonged to `before`.
    #[must_use]
    pub fn after(&self, before: Option<&UserId>) -> Option<UserId> {
        match self {
            Self::Keep => before.cloned(),
            Self::Anonymous => None,
            Self::User(user) => Some(user.clone()),
        }
    }
}

/// What [`set`](crate::SessionStore::set) and [`rotate`](crate::SessionStore::rotate) write: owner,
/// data and both timeouts, which change together.
///
/// `Debug` shows the data's length only.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use session_store_core::{Owner, UserId, Write};
///
/// const HOUR: Duration = Duration::from_secs(3600);
/// let write = Write::new("encoded data", HOUR, 24 * HOUR)?
///     .with_owner(Owner::User(UserId::new("alice")?));
/// assert_eq!(write.idle(), HOUR);
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Write {
    owner: Owner,
    data: Bytes,
    idle: Duration,
    absolute: Duration,
}

impl Write {
    /// A write of `data` that keeps the owner. The session dies `idle` after it was last seen, and
    /// `absolute` after it was created at the latest. Both count in whole milliseconds, and an `idle` beyond
    /// `absolute` is allowed: then `absolute` alone decides.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when a timeout is not within 1 ms and 10 years (clause I1).
    pub fn new(data: impl Into<Bytes>, idle: Duration, absolute: Duration) -> Result<Self> {
        timeout_millis(idle)?;
        timeout_millis(absolute)?;
        Ok(Self { owner: Owner::Keep, data: data.into(), idle, absolute })
    }

    /// The same write with this owner.
    #[must_use]
    pub fn with_owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// Whom the session belongs to afterwards.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The encoded payload: opaque bytes to a store.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The idle timeout.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// The absolute timeout, counted from the creation of the session.
    #[must_use]
    pub fn absolute(&self) -> Duration {
        self.absolute
    }

    /// Refuses data over a store's limit, to be called before anything is sent (clause Z1).
    ///
    /// # Errors
    ///
    /// `TooLarge` when the data has more than `limit` bytes.
    pub fn check_size(&self, limit: usize) -> Result<()> {
        check_data_size(&self.data, limit)
    }
}

/// Refuses data over a store's limit (clause Z1).
pub(crate) fn check_data_size(data: &Bytes, limit: usize) -> Result<()> {
    let len = data.len();
    if len > limit {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "the data has {len} bytes and the limit is {limit}; keep less in the session or raise the data limit"
            ),
        ));
    }
    Ok(())
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("owner", &self.owner)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .finish()
    }
}
