//! The sessions of a user, on Cluster.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use redis::Value;
use session_store_core::backend::{BulkPage, Call, Deadline, ListPage, Next};
use session_store_core::{Entry as Session, SessionKey, UserId};

use super::{Cluster, Ended, Entry, Only, Result, count_ended, number};
use crate::error::Error;
use crate::identifiers::session_key;
use crate::protocol::script::cluster as scripts;
use crate::protocol::{Listed, listed, parse};

/// How many sessions are read or ended at once.
pub(super) const AT_ONCE: usize = 100;

/// A mark older than this belongs to no write that is still under way.
const REPAIR_AFTER_MICROS: u64 = 60_000_000;

/// How often a list is begun again because a session was given a new key under it.
const RESTARTS: usize = 3;

/// An entry of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marked {
    pub(super) key: SessionKey,
    pub(super) mark: u64,
    /// It is of no write that is still under way, so that it goes if its session is dead now.
    pub(super) is_old: bool,
}

/// A pass of `destroy_by_user` over an index, as it was when the pass began.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    marked: Arc<[Marked]>,
    done: usize,
    /// The keys that this pass and those before it met.
    met: Arc<HashSet<SessionKey>>,
    /// Whether this pass met a new key, or ended a session.
    has_changed: bool,
}

/// What a list found.
#[derive(Default)]
struct Listing {
    entries: Vec<Session>,
    corrupt: u64,
    stale: Vec<Marked>,
    has_moved: bool,
}

impl Cluster {
    /// Returns all of a user's index, by ascending key.
    pub(super) async fn index_of(&self, index: &[u8]) -> Result<Vec<Marked>> {
        marked(self.connections.read_script(&scripts::INDEX, &scripts::INDEX.on([index])).await?)
    }

    /// Reads what is under the keys that an index names.
    pub(super) async fn read_all(&self, some: &[Marked]) -> Result<Vec<(Marked, Vec<u8>)>> {
        let names: Vec<_> = some.iter().map(|marked| self.keys.session(&marked.key)).collect();
        Ok(some.iter().copied().zip(self.heads(&names).await?).collect())
    }

    /// Lists all that there is room for: the whole index is read at once.
    pub(crate) async fn list_page<C>(
        &self,
        user: &UserId,
        after: Option<&SessionKey>,
        limit: u32,
    ) -> Result<ListPage<C>> {
        let mut restarts = 0;
        loop {
            let Listing { entries, corrupt, stale, has_moved } = self.list(user, after, limit).await?;
            self.repair(user, stale);
            // The new key is in the index by now, which was read before.
            if !has_moved || restarts == RESTARTS {
                return Ok(ListPage { entries, corrupt, next: None });
            }
            restarts += 1;
        }
    }

    async fn list(&self, user: &UserId, after: Option<&SessionKey>, limit: u32) -> Result<Listing> {
        let mut marked = self.index_of(&self.keys.index(user)).await?;
        marked.retain(|marked| after.is_none_or(|after| marked.key > *after));
        let mut listing = Listing::default();
        for some in marked.chunks(AT_ONCE) {
            for (marked, head) in self.read_all(some).await? {
                match listed(marked.key, &head, user) {
                    Listed::Entry(session) => listing.entries.push(session),
                    Listed::Stale if marked.is_old => listing.stale.push(marked),
                    Listed::Moved => listing.has_moved = true,
                    Listed::Corrupt => listing.corrupt += 1,
                    Listed::Stale => {}
                }
                if listing.entries.len() >= limit as usize {
                    return Ok(listing);
                }
            }
        }
        Ok(listing)
    }

    /// Removes stale entries, whether or not the caller of the list goes away.
    fn repair(&self, user: &UserId, stale: Vec<Marked>) {
        if stale.is_empty() {
            return;
        }
        let (cluster, user) = (self.clone(), user.clone());
        tokio::spawn(async move {
            for Marked { key, mark, .. } in stale {
                let deadline = Deadline::after(cluster.operation_timeout);
                // What is left is repaired with the next list.
                if !matches!(deadline.limit(cluster.unlist(&key, &Entry::new(&user, mark))).await, Some(Ok(_))) {
                    return;
                }
            }
        });
    }

    /// Ends some of a user's sessions.
    ///
    /// Passes go on until one meets no new key and ends nothing: a rotation may give a session a new key, which is marked
    /// before it is written, and written before the old key is given up (B1). Each pass is over the index as it was at
    /// its beginning.
    pub(crate) async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        pass: Option<&Pass>,
    ) -> Result<BulkPage<Pass>> {
        let mut pass = match pass {
            Some(pass) if pass.done < pass.marked.len() => pass.clone(),
            earlier => self.begin_pass(user, except, earlier).await?,
        };
        let some = pass.marked.get(pass.done..).and_then(|left| left.chunks(AT_ONCE).next()).unwrap_or_default();
        let ends = some.iter().map(|marked| self.end_listed(call, user, *marked));
        let (live, removed) = count_ended(join_all(ends).await)?;
        pass.done += some.len();
        pass.has_changed |= live > 0;
        let is_last = pass.done >= pass.marked.len() && !pass.has_changed;
        Ok(BulkPage { live, removed, held: false, next: if is_last { Next::End } else { Next::From(pass) } })
    }

    async fn begin_pass(&self, user: &UserId, except: Option<&SessionKey>, earlier: Option<&Pass>) -> Result<Pass> {
        let mut marked = self.index_of(&self.keys.index(user)).await?;
        marked.retain(|marked| Some(&marked.key) != except);
        let mut met = earlier.map_or_else(HashSet::new, |pass| HashSet::clone(&pass.met));
        let before = met.len();
        met.extend(marked.iter().map(|marked| marked.key));
        let has_changed = met.len() > before;
        Ok(Pass { marked: marked.into(), done: 0, met: Arc::new(met), has_changed })
    }

    /// Ends a session that an index names if it is still this user's.
    async fn end_listed(&self, call: &Call, user: &UserId, marked: Marked) -> Result<Ended> {
        let entry = Entry::new(user, marked.mark);
        let ended = self.end(Some(call), &self.keys.session(&marked.key), Only::Of(user)).await?;
        match &ended {
            Ended::Live(own) => self.tidy(&marked.key, own.as_ref().unwrap_or(&entry), call.deadline()).await,
            // A young mark may be of a write that is still under way.
            _ if marked.is_old => self.unlist(&marked.key, &entry).await.map(drop)?,
            _ => {}
        }
        Ok(ended)
    }
}

/// Reads a user's index.
pub(super) fn marked(answer: Value) -> Result<Vec<Marked>> {
    let (now, entries): (u64, Vec<Vec<u8>>) = {
        let mut answer = parse::<Vec<Vec<u8>>>(answer)?.into_iter();
        (number(&answer.next().ok_or(Error::Unexpected)?)?, answer.collect())
    };
    let mut marked = Vec::with_capacity(entries.len() / 2);
    for entry in entries.chunks_exact(2) {
        let [member, mark] = entry else { continue };
        let (Some(key), mark) = (session_key(member), number(mark)?) else { continue };
        marked.push(Marked { key, mark, is_old: mark.saturating_add(REPAIR_AFTER_MICROS) < now });
    }
    marked.sort_unstable_by_key(|marked| marked.key);
    Ok(marked)
}
