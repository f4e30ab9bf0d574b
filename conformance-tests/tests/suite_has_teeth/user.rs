//! Lists and revocation.

use std::time::Duration;

use session_store_core::{Entry, Error, ErrorKind, Page, Result, SessionKey, UserId};

use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) async fn do_list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        if self.wrong(Fault::ListsAreNotSupported) {
            return Err(Error::new(ErrorKind::Unsupported, "no lists"));
        }
        let keys = self.world.lock().keys_of(user);
        self.pause_if(Fault::ListsStopAtWhatHasGone).await;
        let mut dead = Vec::new();
        let entries = {
            let mut state = self.world.lock();
            let now = state.now;
            let mut entries = Vec::new();
            for key in keys {
                let Some(row) = state.rows.get(&key).cloned() else {
                    if self.wrong(Fault::ListsStopAtWhatHasGone) {
                        break;
                    }
                    continue;
                };
                if row.corrupt {
                    if self.wrong(Fault::ListsStopAtCorrupt) {
                        return Err(state.corrupt(&key));
                    }
                    continue;
                }
                let verified = self.wrong(Fault::FormerOwnersStayInTheIndex)
                    || self.wrong(Fault::TheAnonymousBelongToNull)
                    || row.meta.user.as_ref().is_some_and(|owner| state.is_same_user(owner, user));
                if !state.is_live(&row.meta) && !self.wrong(Fault::ListsTheExpired) {
                    dead.push(key);
                    if self.wrong(Fault::PagesAreCutBeforeFiltering) {
                        entries.push((key, None));
                    }
                } else if self.wrong(Fault::TouchForgetsTheIndex) && row.listed_until <= now {
                    // Its entry has expired, and the session has not.
                } else if verified {
                    if self.wrong(Fault::ListsExtend)
                        && let Some(row) = state.rows.get_mut(&key)
                    {
                        row.meta.touch(Duration::from_millis(300), now);
                    }
                    entries.push((key, Some(Entry { key, meta: row.meta })));
                }
            }
            entries
        };
        if self.wrong(Fault::ListsRepairLate) {
            tokio::task::yield_now().await;
            let mut state = self.world.lock();
            state.index.retain(|(_, key)| !dead.contains(key));
        }
        Ok(self.paged(entries, page))
    }

    /// One page of what a list found, some of which may have no entry any more.
    pub(crate) fn paged(&self, mut found: Vec<(SessionKey, Option<Entry>)>, page: &Page) -> Vec<Entry> {
        found.sort_by_key(|(key, _)| *key);
        let begins = |key: &SessionKey, after: &SessionKey| {
            if self.wrong(Fault::PagesRepeatTheirKey) { key >= after } else { key > after }
        };
        let missing = page.after().is_some_and(|after| found.iter().all(|(key, _)| key != after));
        if missing && self.wrong(Fault::PagesNeedTheirKey) {
            return Vec::new();
        }
        found.retain(|(key, _)| page.after().is_none_or(|after| begins(key, after)));
        if !self.wrong(Fault::PagesIgnoreTheirLimit) {
            found.truncate(page.limit() as usize);
        }
        if self.wrong(Fault::PagesAreInNoOrder) {
            found.reverse();
        }
        found.into_iter().filter_map(|(_, entry)| entry).collect()
    }

    pub(crate) async fn do_destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        if self.wrong(Fault::ListsAreNotSupported) {
            return Err(Error::new(ErrorKind::Unsupported, "no lists"));
        }
        let mut keys = self.world.lock().keys_of(user);
        keys.retain(|key| Some(key) != except || self.wrong(Fault::RevokeIgnoresExcept));
        if self.wrong(Fault::RevokeForgetsTheIndexFirst) {
            self.world.lock().index.retain(|(known, key)| known != user || Some(key) == except);
        }
        self.pause_if(Fault::RevokeForgetsTheIndexFirst).await;
        self.pause_if(Fault::RevokeReadsTheIndexOnce).await;
        let late = self.wrong(Fault::RevokeForgetsTheIndexFirst) || self.wrong(Fault::RevokeReadsTheIndexOnce);
        if self.wrong(Fault::RevokeCountsFirst) {
            let is_live = |key: &&SessionKey| self.world.lock().live(key).is_ok_and(|row| row.is_some());
            let live = keys.iter().filter(is_live).count() as u64;
            tokio::task::yield_now().await;
            for key in &keys {
                self.world.lock().remove(key);
            }
            return Ok(live);
        }
        let ended = self.end_all(user, except, keys, late)?;
        if self.wrong(Fault::RevokeForgetsTheIndexLast) {
            tokio::task::yield_now().await;
            self.world.lock().index.retain(|(known, key)| known != user || Some(key) == except);
        }
        Ok(ended)
    }

    /// Ends what a revocation found, or, where it was not late, finds now.
    fn end_all(
        &self,
        user: &UserId,
        except: Option<&SessionKey>,
        mut keys: Vec<SessionKey>,
        late: bool,
    ) -> Result<u64> {
        let mut state = self.world.lock();
        if !late {
            keys = state.keys_of(user);
            keys.retain(|key| Some(key) != except || self.wrong(Fault::RevokeIgnoresExcept));
        }
        if self.wrong(Fault::RevokeEndsOnePage) {
            keys.truncate(1_000);
        }
        if self.wrong(Fault::RevokeEndsTheAnonymousToo) {
            state.rows.retain(|_, row| row.meta.user.is_some());
        }
        let foreign = except.and_then(|key| state.rows.get(key)).is_none_or(|row| row.meta.user.as_ref() != Some(user));
        if self.wrong(Fault::RevokeNeedsAnExceptedSession) && except.is_some() && foreign {
            return Ok(0);
        }
        let mut ended = 0;
        for key in keys {
            let corrupt = state.rows.get(&key).is_some_and(|row| row.corrupt);
            if corrupt && self.wrong(Fault::RevokeLeavesCorrupt) {
                continue;
            }
            if corrupt && self.wrong(Fault::RevokeStopsAtCorrupt) {
                return Err(state.corrupt(&key));
            }
            if let Some(row) = state.remove(&key) {
                let counts = !row.corrupt || self.wrong(Fault::RevokeCountsCorrupt);
                ended += u64::from(counts && (state.is_live(&row.meta) || self.wrong(Fault::RevokeCountsTheExpired)));
            }
        }
        Ok(ended)
    }
}
