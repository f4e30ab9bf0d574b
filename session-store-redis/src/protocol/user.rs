//! The operations where session and index are on one server: one script each. `batch.rs` has `set` and `touch`.

use session_store_core::{Entry, Page, Result, SessionKey, Sweep, UserId, Version, Write};
use std::time::Instant as Deadline;

use crate::keys::{Kind, session_key};
use crate::script;
use crate::shared::{Effect, Shared};
use crate::wire::{Listed, add_write, listed, or_nothing, parse, parse_written, status};

/// How many entries of an index one script looks at: some milliseconds at the most.
const PIECE: usize = 500;

pub(crate) async fn destroy(shared: &Shared, key: &SessionKey) -> Result<bool> {
    Ok(destroy_all(shared, &[shared.keys.session(key)], shared.deadline()).await? > 0)
}

/// Ends sessions, and gives how many of them were live.
pub(crate) async fn destroy_all(shared: &Shared, sessions: &[Vec<u8>], deadline: Deadline) -> Result<u64> {
    let mut call = script::DESTROY.on(sessions);
    call.arg(shared.keys.prefix(Kind::Index));
    parse_written(shared.script(&script::DESTROY, &call, Effect::Write, deadline).await?)
}

pub(crate) async fn rotate(
    shared: &Shared,
    from: &SessionKey,
    to: &SessionKey,
    write: &Write,
    expected: Option<Version>,
) -> Result<Version> {
    let version = Version::generate()?;
    let mut call = script::ROTATE.on([shared.keys.session(from), shared.keys.session(to)]);
    call.arg(version.as_bytes()).arg(expected.as_ref().map_or(&[][..], |version| version.as_bytes()));
    add_write(&mut call, write)?;
    call.arg(shared.keys.prefix(Kind::Index));
    let answer = shared.script(&script::ROTATE, &call, Effect::Write, shared.deadline()).await?;
    status(&parse_written::<Vec<u8>>(answer)?, from, to)?;
    Ok(version)
}

pub(crate) async fn list_by_user(shared: &Shared, user: &UserId, page: &Page, sweep: Sweep) -> Result<Vec<Entry>> {
    let limit = page.limit() as usize;
    let (mut entries, mut after) = (Vec::new(), or_nothing(page.after()).to_vec());
    loop {
        // Sessions that are gone leave places free.
        let wanted = limit - entries.len();
        let mut call = script::LIST_BY_USER.on([shared.keys.index(user)]);
        call.arg(shared.keys.prefix(Kind::Session)).arg(&after).arg(wanted);
        let answer = shared.script(&script::LIST_BY_USER, &call, Effect::Read, sweep.deadline()).await?;
        let found: Vec<(Vec<u8>, Vec<u8>)> = parse(answer)?;
        for (member, head) in &found {
            after.clone_from(member);
            let Some(key) = session_key(member) else { continue };
            if let Listed::Entry(entry) = listed(key, head, user) {
                entries.push(entry);
            }
        }
        if found.len() < wanted || entries.len() == limit {
            return Ok(entries);
        }
    }
}

pub(crate) async fn destroy_by_user(
    shared: &Shared,
    user: &UserId,
    except: Option<&SessionKey>,
    sweep: Sweep,
) -> Result<u64> {
    let index = shared.keys.index(user);
    let mut ended = 0;
    loop {
        let (before, mut pieces, mut after) = (ended, 0, Vec::new());
        loop {
            let mut call = script::DESTROY_BY_USER.on([&index]);
            call.arg(shared.keys.prefix(Kind::Session)).arg(user.as_str()).arg(or_nothing(except));
            call.arg(&after).arg(PIECE);
            let answer = shared.script(&script::DESTROY_BY_USER, &call, Effect::Write, sweep.deadline()).await?;
            let (some, next): (u64, Vec<u8>) = parse(answer)?;
            (ended, pieces, after) = (ended + some, pieces + 1, next);
            if after.is_empty() {
                break;
            }
        }
        // Between two pieces, a rotation may have put a session behind (B1).
        if pieces == 1 || ended == before {
            return Ok(ended);
        }
    }
}

/// Removes entries of an index whose sessions are gone, and gives how many.
pub(crate) async fn prune_index(shared: &Shared, index: &[u8], limit: u64, sweep: Sweep) -> Result<u64> {
    let (mut removed, mut after) = (0, Vec::new());
    loop {
        let mut call = script::PRUNE.on([index]);
        call.arg(shared.keys.prefix(Kind::Session)).arg(shared.keys.prefix(Kind::Index));
        call.arg(&after).arg(PIECE).arg(limit - removed);
        let answer = shared.script(&script::PRUNE, &call, Effect::Write, sweep.deadline()).await?;
        let (some, next): (u64, Vec<u8>) = parse(answer)?;
        (removed, after) = (removed + some, next);
        if removed == limit || after.is_empty() {
            return Ok(removed);
        }
    }
}

/// Ends sessions of the namespace, for `clear`.
pub(crate) async fn end_all(shared: &Shared, sessions: &[Vec<u8>], sweep: Sweep) -> Result<u64> {
    let mut ended = 0;
    for some in sessions.chunks(PIECE) {
        ended += destroy_all(shared, some, sweep.deadline()).await?;
    }
    Ok(ended)
}
