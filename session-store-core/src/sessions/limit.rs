//! How many sessions a user may have.

use tokio::time::sleep;

use super::MaxPerUser;
use super::inner::Inner;
use super::update::pause;
use crate::observed::{Cause, Why, because};
use crate::{Entry, Error, ErrorKind, Page, Result, SessionKey, UserId, Write};

/// How often the surplus is counted anew, when sessions change their IDs at the same moment.
const ROUNDS: u32 = 16;

/// How often a login begins that meets another of the same millisecond. After that, their keys decide.
const ATTEMPTS: u32 = 8;

/// How often a login looks whether those that came after it have left.
const LOOKS: u32 = 8;

/// How often a login begins that had to leave, and had room by then.
const RETURNS: u32 = 32;

/// A session that a login begins.
pub(super) struct Newcomer<'a> {
    pub(super) key: &'a SessionKey,
    pub(super) user: &'a UserId,
    pub(super) write: &'a Write,
    /// The keys of the session that ends with the login.
    pub(super) replaced: &'a [SessionKey],
    pub(super) attempt: u32,
}

/// What becomes of a newcomer.
pub(super) enum Place {
    Stays,
    /// It has ended, and had better begin anew.
    Again,
    /// It has ended.
    Refused,
}

impl Inner {
    pub(super) async fn place(&self, newcomer: &Newcomer<'_>) -> Result<Place> {
        match self.max_per_user {
            None => Ok(Place::Stays),
            Some(max @ MaxPerUser::EndOldest(_)) => self.end_surplus(newcomer, max.count()).await,
            Some(max @ MaxPerUser::Refuse(_)) => self.stay_or_leave(newcomer, max.count()).await,
        }
    }

    /// Ends what a user has too much, in the order of (creation, key), so that on every node the same ones stay.
    ///
    /// The last `max` in that order are never a surplus to anybody. All others are one to the login that lists last, which
    /// sees every session.
    async fn end_surplus(&self, newcomer: &Newcomer<'_>, max: usize) -> Result<Place> {
        for _ in 0..ROUNDS {
            let entries = self.counted(newcomer).await?;
            let boundary = entries.len().saturating_sub(max);
            if newcomer.attempt < ATTEMPTS
                && place_of(newcomer, &entries).is_some_and(|at| is_split(&entries, at, boundary))
            {
                because(Why::Ended(Cause::Abandoned), self.store.destroy(newcomer.key)).await?;
                return Ok(Place::Again);
            }
            if self.end(entries.get(..boundary).unwrap_or_default()).await? {
                return Ok(Place::Stays);
            }
        }
        Err(changed_each_time())
    }

    /// Ends the newcomer, and never another session, where there are too many.
    ///
    /// It stays only where it has seen no more than `max`. Of those that stay, the one that lists last sees all others,
    /// so they are never more. Of those that leave, the last one sees just those that stay, so they are never fewer.
    async fn stay_or_leave(&self, newcomer: &Newcomer<'_>, max: usize) -> Result<Place> {
        for look in 1..=LOOKS {
            let entries = self.counted(newcomer).await?;
            if entries.len() <= max {
                return Ok(Place::Stays);
            }
            // Those beyond leave by themselves, unless they were there before.
            if place_of(newcomer, &entries).is_none_or(|at| at >= max) {
                break;
            }
            sleep(pause(look)?).await;
        }
        because(Why::LimitReached, self.store.destroy(newcomer.key)).await?;
        if self.counted(newcomer).await?.len() >= max {
            return Ok(Place::Refused);
        }
        if newcomer.attempt < RETURNS { Ok(Place::Again) } else { Err(changed_each_time()) }
    }

    /// Whether each of them was live under its key: one that was not may be live under another, which it was given
    /// meanwhile.
    async fn end(&self, surplus: &[Entry]) -> Result<bool> {
        let mut all = true;
        for entry in surplus {
            all &= because(Why::Ended(Cause::Surplus), self.store.destroy(&entry.key)).await?;
        }
        Ok(all)
    }

    /// The user's sessions but the one that ends with the login, in the order of (creation, key).
    async fn counted(&self, newcomer: &Newcomer<'_>) -> Result<Vec<Entry>> {
        let mut entries = self.entries(newcomer.user).await?;
        entries.retain(|entry| !newcomer.replaced.contains(&entry.key));
        entries.sort_by_key(|entry| (entry.meta.created_at, entry.key));
        Ok(entries)
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

fn place_of(newcomer: &Newcomer<'_>, entries: &[Entry]) -> Option<usize> {
    entries.iter().position(|entry| entry.key == *newcomer.key)
}

fn changed_each_time() -> Error {
    Error::new(ErrorKind::Conflict, "the user's sessions changed each time they were counted; try again later")
        .with_transient(true)
}

/// Whether the boundary parts the sessions of the same millisecond as that at `place`. Which of them came first is not
/// known, and their keys are no reason to end one of them.
fn is_split(entries: &[Entry], place: usize, boundary: usize) -> bool {
    let Some(created_at) = entries.get(place).map(|entry| entry.meta.created_at) else { return false };
    let first = entries.partition_point(|entry| entry.meta.created_at < created_at);
    let end = entries.partition_point(|entry| entry.meta.created_at <= created_at);
    first < boundary && boundary < end
}
