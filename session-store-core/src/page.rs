//! Bounds and answers of the sweeping operations.

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
        if !(1..=Self::MAX_LIMIT).contains(&limit) {
            return Err(Error::invalid_input("a page has 1 to 1,000 entries"));
        }
        Ok(Self { after: None, limit })
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
