//! The sessions of a user, and users' indexes, on one server.

use redis::{Cmd, Value};
use session_store_core::backend::{BulkPage, ListPage, Next};
use session_store_core::{SessionKey, UserId};

use super::script::{DESTROY_BY_USER, LIST_BY_USER, PRUNE};
use super::{Listed, key_bytes_or_empty, listed, parse};
use crate::error::Error;
use crate::identifiers::{Keys, Kind, session_key};

/// How many entries of an index, or how many sessions, one script looks at: some milliseconds at the most.
pub(crate) const PIECE: usize = 500;

pub(crate) fn list(keys: &Keys, user: &UserId, after: &[u8], limit: u32) -> Cmd {
    let mut call = LIST_BY_USER.on([keys.index(user)]);
    call.arg(keys.prefix(Kind::Session)).arg(after).arg(limit);
    call
}

/// Reads a piece of a list. It goes on after the last key that was looked at.
pub(crate) fn listed_page(answer: Value, user: &UserId, limit: u32) -> Result<ListPage<Vec<u8>>, Error> {
    let found: Vec<(Vec<u8>, Vec<u8>)> = parse(answer)?;
    let mut page = ListPage { entries: Vec::with_capacity(found.len()), corrupt: 0, next: None };
    for (member, head) in &found {
        let Some(key) = session_key(member) else { continue };
        match listed(key, head, user) {
            Listed::Entry(entry) => page.entries.push(entry),
            Listed::Corrupt => page.corrupt += 1,
            Listed::Stale | Listed::Moved => {}
        }
    }
    if found.len() >= limit as usize {
        page.next = found.into_iter().next_back().map(|(member, _)| member);
    }
    Ok(page)
}

pub(crate) fn destroy_by_user(keys: &Keys, user: &UserId, except: Option<&SessionKey>, after: &[u8]) -> Cmd {
    let mut call = DESTROY_BY_USER.on([keys.index(user)]);
    call.arg(keys.prefix(Kind::Session)).arg(user.as_str()).arg(key_bytes_or_empty(except)).arg(after).arg(PIECE);
    call
}

/// Reads what a piece of `destroy_by_user` did that began after `after`.
pub(crate) fn destroyed_by_user(answer: Value, after: &[u8]) -> Result<BulkPage<Vec<u8>>, Error> {
    let (live, removed, next): (u64, u64, Vec<u8>) = parse(answer)?;
    let next = match (next.is_empty(), after.is_empty()) {
        (true, true) => Next::End,
        // Between two pieces, a rotation may have put a session behind (B1). This pass has removed what it found, so the
        // next one is of one piece.
        (true, false) => Next::Again,
        (false, _) => Next::From(next),
    };
    Ok(BulkPage { live, removed, held: false, next })
}

/// Removes entries of an index whose sessions are gone.
pub(crate) fn prune(keys: &Keys, index: &[u8], after: &[u8], limit: u32) -> Cmd {
    let mut call = PRUNE.on([index]);
    call.arg(keys.prefix(Kind::Session)).arg(keys.prefix(Kind::Index)).arg(after).arg(PIECE).arg(limit);
    call
}

/// Reads how many entries were removed, and the key to go on after; none at the end.
pub(crate) fn pruned(answer: Value) -> Result<(u64, Vec<u8>), Error> {
    parse(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_finished_only_by_a_pass_of_one_piece() {
        let answer =
            |next: &str| Value::Array(vec![Value::Int(1), Value::Int(2), Value::BulkString(next.as_bytes().to_vec())]);
        let next = |after: &str, next| destroyed_by_user(answer(next), after.as_bytes()).unwrap().next;
        assert_eq!(next("", ""), Next::End);
        assert_eq!(next("a", ""), Next::Again);
        assert_eq!(next("", "b"), Next::From(b"b".to_vec()));
        assert_eq!(next("a", "b"), Next::From(b"b".to_vec()));
    }
}
