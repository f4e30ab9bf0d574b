//! How many sessions a user may have.

use super::MaxPerUser;
use super::inner::Inner;
use crate::observed::{Cause, Why, because};
use crate::{Entry, Error, ErrorKind, Page, Result, SessionKey, UserId, Write};

/// How often the surplus is counted anew, when sessions change their IDs at the same moment.
const ROUNDS: u32 = 16;

/// How often a login begins that meets another of the same millisecond. After that, their keys decide.
const ATTEMPTS: u32 = 8;

const SURPLUS: Why = Why::Ended(Cause::Surplus);

/// A session that a login begins.
pub(super) struct Newcomer<'a> {
    pub(super) key: &'a SessionKey,
    pub(super) user: &'a UserId,
    pub(super) write: &'a Write,
    /// The keys of the session that ends with the login.
    pub(super) replaced: &'a [SessionKey],
    pub(super) attempt: u32,
}

/// What became of a newcomer.
pub(super) enum Place {
    Stays,
    Refused,
    /// Of the same millisecond as another, of which only one can stay.
    Tied,
}

impl Inner {
    /// Ends what a user has too much, in the order of (creation, key), so that on every node the same ones stay.
    ///
    /// The first `max` in that order, or the last, are never a surplus to anybody. All others are one to the login that
    /// lists last, which sees every session that was created before, or where logins are refused, to their own.
    pub(super) async fn end_surplus(&self, newcomer: &Newcomer<'_>, max: MaxPerUser) -> Result<Place> {
        for _ in 0..ROUNDS {
            let mut entries = self.counted(newcomer).await?;
            entries.sort_by_key(|entry| (entry.meta.created_at, entry.key));
            let place = entries.iter().position(|entry| entry.key == *newcomer.key);
            let boundary = match max {
                MaxPerUser::EndOldest(_) => entries.len().saturating_sub(max.count()),
                MaxPerUser::Refuse(_) => entries.len().min(max.count()),
            };
            if newcomer.attempt < ATTEMPTS && place.is_some_and(|place| is_split(&entries, place, boundary)) {
                return Ok(Place::Tied);
            }
            let (surplus, why) = match max {
                MaxPerUser::EndOldest(_) => (entries.get(..boundary), SURPLUS),
                MaxPerUser::Refuse(_) if place.is_some_and(|place| place < boundary) => {
                    (entries.get(boundary..), SURPLUS)
                }
                // A login that is refused ends no other session: there may be more than `max` since that was lowered.
                MaxPerUser::Refuse(_) => (place.and_then(|place| entries.get(place..=place)), Why::LimitReached),
            };
            let is_settled = self.end(surplus.unwrap_or_default(), why).await?;
            if let Why::LimitReached = why {
                return Ok(Place::Refused);
            }
            if is_settled {
                return Ok(Place::Stays);
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the user's sessions changed each time they were counted; try again later")
            .with_transient(true))
    }

    /// Whether each of them was live under its key: one that was not may be live under another, which it was given
    /// meanwhile.
    async fn end(&self, surplus: &[Entry], why: Why) -> Result<bool> {
        let mut all = true;
        for entry in surplus {
            all &= because(why, self.store.destroy(&entry.key)).await?;
        }
        Ok(all)
    }

    /// The user's sessions but the one that ends with the login.
    async fn counted(&self, newcomer: &Newcomer<'_>) -> Result<Vec<Entry>> {
        let mut entries = self.entries(newcomer.user).await?;
        entries.retain(|entry| !newcomer.replaced.contains(&entry.key));
        Ok(entries)
    }

    /// Whether a login that was refused had better begin anew: those in whose favour it was may have been refused for its
    /// own sake, or have begun anew themselves.
    pub(super) async fn has_room(&self, newcomer: &Newcomer<'_>) -> Result<bool> {
        let Some(max) = self.max_per_user.filter(|_| newcomer.attempt < ATTEMPTS) else { return Ok(false) };
        Ok(self.counted(newcomer).await?.len() < max.count())
    }

    /// All sessions of a user.
    pub(super) async fn entries(&self, user: &UserId) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        let mut next = Some(Page::first(Page::MAX_LIMIT)?);
        while let Some(page) = next {
            let entries = self.store.list_by_user(user, &page).await?;
            next = page.next(&entries);
            all.extend(entries);
        }
        Ok(all)
    }
}

/// Whether the boundary parts the sessions of the same millisecond as that at `place`. Which of them came first is not
/// known, and their keys are no reason to end one of them.
fn is_split(entries: &[Entry], place: usize, boundary: usize) -> bool {
    let Some(created_at) = entries.get(place).map(|entry| entry.meta.created_at) else { return false };
    let first = entries.partition_point(|entry| entry.meta.created_at < created_at);
    let end = entries.partition_point(|entry| entry.meta.created_at <= created_at);
    first < boundary && boundary < end
}
