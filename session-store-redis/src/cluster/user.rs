//! The sessions of a user, on Cluster.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant as Deadline;

use futures_util::future::join_all;
use redis::Value;
use session_store_core::{Entry as Session, Page, Result, SessionKey, Sweep, UserId};

use super::{Ended, Entry, Only, end, head_of, number, tidy, unlist};
use crate::keys::session_key;
use crate::script::cluster as script;
use crate::shared::{Effect, Shared, unexpected};
use crate::wire::{Listed, listed, parse};

/// How many sessions are read or ended at once.
pub(super) const AT_ONCE: usize = 100;

/// A mark older than this belongs to no write that is still under way.
const REPAIR_AFTER_MICROS: u64 = 60_000_000;

/// How often a list is begun again because a session was given a new key under it.
const RESTARTS: usize = 3;

/// An entry of an index.
#[derive(Clone, Copy)]
pub(super) struct Marked {
    pub(super) key: SessionKey,
    pub(super) mark: u64,
    /// It is of no write that is still under way, so that it goes if its session is dead now.
    pub(super) is_old: bool,
}

/// All of a user's index, by ascending key.
pub(super) async fn index_of(shared: &Shared, index: &[u8], deadline: Deadline) -> Result<Vec<Marked>> {
    marked(shared.script(&script::INDEX, &script::INDEX.on([index]), Effect::Read, deadline).await?)
}

pub(super) fn marked(answer: Value) -> Result<Vec<Marked>> {
    let (now, entries): (u64, Vec<Vec<u8>>) = {
        let mut answer = parse::<Vec<Vec<u8>>>(answer)?.into_iter();
        (number(&answer.next().ok_or_else(unexpected)?)?, answer.collect())
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

/// A session that an index names, and what is under its key.
pub(super) async fn read_all(shared: &Shared, some: &[Marked], deadline: Deadline) -> Result<Vec<(Marked, Vec<u8>)>> {
    let reads = some.iter().map(|marked| async {
        let head = head_of(shared, &shared.keys.session(&marked.key), deadline).await?;
        Ok((*marked, head))
    });
    join_all(reads).await.into_iter().collect()
}

pub(crate) async fn list_by_user(
    shared: &Arc<Shared>,
    user: &UserId,
    page: &Page,
    sweep: Sweep,
) -> Result<Vec<Session>> {
    let mut restarts = 0;
    loop {
        let listing = list(shared, user, page, sweep).await?;
        repair(shared, user, listing.stale);
        // The new key is in the index by now, which was read before.
        if !listing.moved || restarts == RESTARTS {
            return Ok(listing.sessions);
        }
        restarts += 1;
    }
}

/// What a list met.
struct Listing {
    sessions: Vec<Session>,
    stale: Vec<Marked>,
    moved: bool,
}

async fn list(shared: &Shared, user: &UserId, page: &Page, sweep: Sweep) -> Result<Listing> {
    let limit = page.limit() as usize;
    let mut marked = index_of(shared, &shared.keys.index(user), sweep.deadline()).await?;
    marked.retain(|marked| page.after().is_none_or(|after| marked.key > *after));
    let mut listing = Listing { sessions: Vec::new(), stale: Vec::new(), moved: false };
    for some in marked.chunks(AT_ONCE) {
        for (marked, head) in read_all(shared, some, sweep.deadline()).await? {
            match listed(marked.key, &head, user) {
                Listed::Entry(session) => listing.sessions.push(session),
                Listed::Stale if marked.is_old => listing.stale.push(marked),
                Listed::Moved => listing.moved = true,
                Listed::Stale | Listed::Corrupt => {}
            }
            if listing.sessions.len() == limit {
                return Ok(listing);
            }
        }
    }
    Ok(listing)
}

/// Removes stale entries, whether or not the caller of the list goes away.
fn repair(shared: &Arc<Shared>, user: &UserId, stale: Vec<Marked>) {
    if stale.is_empty() {
        return;
    }
    let (shared, user) = (Arc::clone(shared), user.clone());
    tokio::spawn(async move {
        for Marked { key, mark, .. } in stale {
            // What is left is repaired with the next list.
            if unlist(&shared, &key, &Entry::new(&user, mark), shared.deadline()).await.is_err() {
                return;
            }
        }
    });
}

pub(crate) async fn destroy_by_user(
    shared: &Arc<Shared>,
    user: &UserId,
    except: Option<&SessionKey>,
    sweep: Sweep,
) -> Result<u64> {
    let (mut ended, mut met) = (0, HashSet::new());
    // Until a pass meets no new key and ends nothing: a rotation may give a session a new key, which is marked
    // before it is written, and written before the old key is given up (B1).
    loop {
        let mut marked = index_of(shared, &shared.keys.index(user), sweep.deadline()).await?;
        marked.retain(|marked| Some(&marked.key) != except);
        let before = (ended, met.len());
        met.extend(marked.iter().map(|marked| marked.key));
        for some in marked.chunks(AT_ONCE) {
            let ends = some.iter().map(|marked| end_listed(shared, user, *marked, sweep.deadline()));
            for is_live in join_all(ends).await {
                ended += u64::from(is_live?);
            }
        }
        if (ended, met.len()) == before {
            return Ok(ended);
        }
    }
}

/// Ends a session that an index names if it is still this user's, and says whether it was.
async fn end_listed(shared: &Shared, user: &UserId, marked: Marked, deadline: Deadline) -> Result<bool> {
    let entry = Entry::new(user, marked.mark);
    match end(shared, &shared.keys.session(&marked.key), Only::Of(user), deadline).await? {
        Ended::Live(own) => {
            tidy(shared, &marked.key, &own.unwrap_or(entry), deadline).await;
            Ok(true)
        }
        // A young mark may be of a write that is still under way.
        Ended::Corrupt | Ended::Not if marked.is_old => {
            unlist(shared, &marked.key, &entry, deadline).await.map(|_| false)
        }
        Ended::Corrupt | Ended::Not => Ok(false),
    }
}
