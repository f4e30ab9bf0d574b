//! Bounds and answers of the bulk operations.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::{Entry, Error, Result, SessionKey};

/// Which part of a user's sessions a list shows: by ascending key bytes, those after a key, up to a
/// limit.
///
/// # Example: all pages
///
/// ```
/// use session_store_core::{Entry, Page, Result, SessionStore, UserId};
///
/// async fn all(store: &dyn SessionStore, user: &UserId) -> Result<Vec<Entry>> {
///     let mut all = Vec::new();
///     let mut next = Some(Page::first(100)?);
///     while let Some(page) = next {
///         let entries = store.list_by_user(user, &page).await?;
///         next = page.next(&entries);
///         all.extend(entries);
///     }
///     Ok(all)
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Page {
    after: Option<SessionKey>,
    limit: u32,
}

impl Page {
    /// The most entries of a page.
    pub const MAX_LIMIT: u32 = 1_000;

    /// The first page, of at most `limit` entries.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the limit is not within 1 and 1,000 (clause I1).
    pub fn first(limit: u32) -> Result<Self> {
        Self::check_limit(limit)?;
        Ok(Self { after: None, limit })
    }

    /// Refuses a limit of a page, or of a piece of a scan, that is out of its bounds (clause I1).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the limit is not within 1 and 1,000.
    pub fn check_limit(limit: u32) -> Result<()> {
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid_input("a page has 1 to 1,000 entries"));
        }
        Ok(())
    }

    /// The page of the same limit that begins after `key`, which need not exist.
    #[must_use]
    pub fn following(self, key: SessionKey) -> Self {
        Self { after: Some(key), ..self }
    }

    /// The page after this one, which had these entries; `None` when it was the last (clause L3).
    #[must_use]
    pub fn next(self, entries: &[Entry]) -> Option<Self> {
        let last = entries.last()?;
        (entries.len() >= self.limit as usize).then(|| self.following(last.key))
    }

    /// The key after which the page begins.
    #[must_use]
    pub fn after(&self) -> Option<&SessionKey> {
        self.after.as_ref()
    }

    /// The most entries that it has.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// What a [`prune`](crate::SessionStore::prune) did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pruned {
    /// How many dead records were removed, or leftovers of an index where the database expires records
    /// by itself.
    pub removed: u64,
    /// Whether more may remain: call again.
    pub more: bool,
}

/// Where a [`scan`](crate::SessionStore::scan) goes on: opaque text without secrets (clause A2).
///
/// It can be kept as text and continued later by any handle on any node.
///
/// # Example: a cursor in a file and back
///
/// ```
/// use session_store_core::ScanCursor;
///
/// let cursor = ScanCursor::encode("memory", b"position");
/// let text = cursor.to_string();
/// assert_eq!(text.parse::<ScanCursor>().unwrap(), cursor);
/// assert_eq!(cursor.decode("memory").unwrap(), b"position");
/// assert!(cursor.decode("redis").is_err());
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ScanCursor(String);

impl ScanCursor {
    /// Creates the cursor of this text. A store checks the text when it is given the cursor.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Creates a cursor for a kind of store, such as `redis`, at a position in the store's own encoding. The text has
    /// the kind and a checksum in it, so that no other kind of store takes it, nor does any store a text that was changed.
    #[must_use]
    pub fn encode(kind: &str, position: &[u8]) -> Self {
        Self(format!("{kind}-{}", URL_SAFE_NO_PAD.encode([&checksum(kind, position)[..], position].concat())))
    }

    /// Returns the position that [`encode`](Self::encode) was given.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the text was not made for this kind of store (clause A2).
    pub fn decode(&self, kind: &str) -> Result<Vec<u8>> {
        let text = self.0.strip_prefix(kind).and_then(|text| text.strip_prefix('-'));
        let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or_else(Self::refused)?;
        match bytes.split_first_chunk() {
            Some((sum, position)) if *sum == checksum(kind, position) => Ok(position.to_vec()),
            _ => Err(Self::refused()),
        }
    }

    /// Returns the error for text that is no cursor of the store that was given it (clause A2).
    #[must_use]
    pub fn refused() -> Error {
        Error::invalid_input("the scan cursor is not one of this store; begin the scan without a cursor")
    }
}

/// The first bytes of SHA-256: against mistakes, not against attackers, who could gain nothing.
fn checksum(kind: &str, position: &[u8]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::new().chain_update(kind).chain_update([0]).chain_update(position).finalize().into();
    let [first, second, third, fourth, ..] = digest;
    [first, second, third, fourth]
}

impl fmt::Display for ScanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ScanCursor {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

/// What a [`scan`](crate::SessionStore::scan) returns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScanPage {
    /// Some live sessions, possibly none, in no order.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` at the end of the walk.
    pub next: Option<ScanCursor>,
}
