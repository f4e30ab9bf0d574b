//! The operations on a whole namespace, on Cluster.

use std::sync::Arc;

use futures_util::future::join_all;
use session_store_core::{Result, SessionKey, Sweep};

use super::user::{AT_ONCE, Marked, index_of, read_all};
use super::{Ended, Entry, Only, end, head_of, unlist};
use crate::keys::Kind;
use crate::record::{Stored, decode};
use crate::shared::Shared;

/// Ends sessions of the namespace, for `clear`; their entries are left to the next prune.
pub(crate) async fn end_all(shared: &Arc<Shared>, sessions: &[Vec<u8>], sweep: Sweep) -> Result<u64> {
    let mut ended = 0;
    for some in sessions.chunks(AT_ONCE) {
        let ends = some.iter().map(|session| end(shared, session, Only::Any, sweep.deadline()));
        for answer in join_all(ends).await {
            ended += u64::from(matches!(answer?, Ended::Live(_)));
        }
    }
    Ok(ended)
}

/// Without what rotations have left under old keys, and what has ended meanwhile.
pub(crate) async fn sessions_among(shared: &Shared, keys: Vec<SessionKey>, sweep: Sweep) -> Result<Vec<SessionKey>> {
    let mut sessions = Vec::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE) {
        let read = async |key| head_of(shared, &shared.keys.session(key), sweep.deadline()).await;
        for (key, head) in some.iter().zip(join_all(some.iter().map(read)).await) {
            let head = head?;
            if !head.is_empty() && !matches!(decode(key, &head), Ok(Stored::Moved)) {
                sessions.push(*key);
            }
        }
    }
    Ok(sessions)
}

/// Removes entries of an index that are of no write under way, and whose sessions are gone; gives how many.
pub(crate) async fn prune_index(shared: &Arc<Shared>, index: &[u8], limit: u64, sweep: Sweep) -> Result<u64> {
    let user = index.strip_prefix(shared.keys.prefix(Kind::Index)).unwrap_or_default();
    let mut marked = index_of(shared, index, sweep.deadline()).await?;
    marked.retain(|marked| marked.is_old);
    let mut removed = 0;
    for some in marked.chunks(AT_ONCE) {
        for (Marked { key, mark, .. }, head) in read_all(shared, some, sweep.deadline()).await? {
            let is_listed = !head.is_empty()
                && match decode(&key, &head) {
                    Ok(Stored::Session(head)) => head.meta.user.is_some_and(|owner| owner.as_str().as_bytes() == user),
                    Ok(Stored::Moved) => false,
                    // It may be this user's: destroy_by_user takes it away.
                    Err(_) => true,
                };
            if !is_listed {
                removed += unlist(shared, &key, &Entry { user: user.to_vec(), mark }, sweep.deadline()).await?;
            }
            if removed == limit {
                return Ok(removed);
            }
        }
    }
    Ok(removed)
}
