//! The operations on Cluster, where a session and its user's index are on two servers.
//!
//! Every script has one key, so none can cross slots. What keeps an acknowledged session listed:
//!
//! - An index entry carries a **mark**, which grows with every marking. It is set before the session is
//!   written, and the record keeps it (`mark.lua`, `set.lua`).
//! - An entry is removed by whoever has replaced or ended its record, afterwards, and only at that record's
//!   mark, so never the entry of a newer record (`unlist.lua`).
//! - Entries whose writer went away are repaired: removed at their mark once that was over 60 s old *before*
//!   the session was read, and found dead or another user's. A session's script refuses a mark older than
//!   30 s, so such a writer cannot come late. This is why the clocks of the nodes must agree within 30 s.

#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod rotate;
mod sweep;
mod user;

use std::sync::Arc;
use std::time::Instant as Deadline;

use redis::Cmd;
use session_store_core::{Error, Owner, Result, SessionKey, SetMode, UserId, Version, Write, timeout_millis};

pub(crate) use self::rotate::rotate;
pub(crate) use self::sweep::{end_all, prune_index, sessions_among};
pub(crate) use self::user::{destroy_by_user, list_by_user};
use crate::script::cluster as script;
use crate::shared::{Effect, Shared, unexpected};
use crate::wire::{add_write, parse, parse_written, status};

/// An entry of a user's index, as it was marked for one record.
#[derive(Clone, Debug)]
struct Entry {
    user: Vec<u8>,
    mark: u64,
}

impl Entry {
    fn new(user: &UserId, mark: u64) -> Self {
        Self { user: user.as_str().as_bytes().to_vec(), mark }
    }
}

/// What a session's script says to a write.
enum Written {
    /// It is done; this entry belongs to the record that it replaced.
    Done(Option<Entry>),
    /// It needs a mark in this user's index first, for a session that lives so many milliseconds.
    NeedsMark(Vec<u8>, i64),
}

pub(crate) async fn set(shared: &Arc<Shared>, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
    let (version, deadline) = (Version::generate()?, shared.deadline());
    if let Some(replaced) = write_listed(shared, key, write, mode, version, None, deadline).await? {
        tidy(shared, key, &replaced, deadline).await;
    }
    Ok(version)
}

/// A mode, with the version that it expects.
fn add_mode(call: &mut Cmd, mode: &SetMode, version: &[u8]) {
    let (name, expected): (_, &[u8]) = match mode {
        SetMode::Create => ("create", b""),
        SetMode::Replace => ("replace", b""),
        SetMode::Update(expected) => ("update", expected.as_bytes()),
        SetMode::Upsert => ("upsert", b""),
    };
    call.arg(name).arg(version).arg(expected);
}

/// Writes a session, marked first where it must be; `created_at` is that of the session whose new key this is. It
/// gives the entry of the record that was replaced, which is to be removed.
async fn write_listed(
    shared: &Shared,
    key: &SessionKey,
    write: &Write,
    mode: SetMode,
    version: Version,
    created_at: Option<i64>,
    deadline: Deadline,
) -> Result<Option<Entry>> {
    let mut entry = None;
    // A created session is known to need a mark.
    if let (SetMode::Create, Owner::User(user)) = (mode, write.owner()) {
        let life = timeout_millis(write.absolute())?;
        entry = Some(mark(shared, user.as_str().as_bytes(), key, life, deadline).await?);
    }
    loop {
        match write_session(shared, key, write, mode, version, created_at, entry.as_ref(), deadline).await? {
            Written::Done(replaced) => return Ok(replaced),
            Written::NeedsMark(user, life) => entry = Some(mark(shared, &user, key, life, deadline).await?),
        }
    }
}

/// Writes a session in one step.
#[allow(clippy::too_many_arguments, reason = "they are the arguments of the script")]
async fn write_session(
    shared: &Shared,
    key: &SessionKey,
    write: &Write,
    mode: SetMode,
    version: Version,
    created_at: Option<i64>,
    entry: Option<&Entry>,
    deadline: Deadline,
) -> Result<Written> {
    let mut call = script::SET.on([shared.keys.session(key)]);
    add_mode(&mut call, &mode, version.as_bytes());
    add_write(&mut call, write)?;
    call.arg(created_at.map_or(String::new(), |millis| millis.to_string()));
    call.arg(entry.map_or(String::new(), |entry| entry.mark.to_string()));
    call.arg(entry.map_or(&[][..], |entry| &entry.user));
    written(shared.script(&script::SET, &call, Effect::Write, deadline).await?, key)
}

fn written(answer: redis::Value, key: &SessionKey) -> Result<Written> {
    let mut answer = parse_written::<Vec<redis::Value>>(answer)?.into_iter();
    let said: Vec<u8> = parse_written(answer.next().ok_or_else(unexpected_of_write)?)?;
    match (said.as_slice(), answer.next(), answer.next()) {
        (b"MARK", Some(user), Some(life)) => Ok(Written::NeedsMark(parse_written(user)?, parse_written(life)?)),
        (b"OK", Some(user), Some(mark)) => {
            Ok(Written::Done(Some(Entry { user: parse_written(user)?, mark: parse_written(mark)? })))
        }
        (said, ..) => status(said, key, key).map(|()| Written::Done(None)),
    }
}

/// Marks that a session of this user is about to be written.
async fn mark(shared: &Shared, user: &[u8], key: &SessionKey, life: i64, deadline: Deadline) -> Result<Entry> {
    let mut call = script::MARK.on([shared.keys.index_of(user)]);
    call.arg(key.as_bytes()).arg(life);
    let answer = shared.script(&script::MARK, &call, Effect::Write, deadline).await?;
    Ok(Entry { user: user.to_vec(), mark: parse(answer)? })
}

/// Removes the entry of a record that is no more.
async fn unlist(shared: &Shared, key: &SessionKey, entry: &Entry, deadline: Deadline) -> Result<u64> {
    let mut call = script::UNLIST.on([shared.keys.index_of(&entry.user)]);
    call.arg(key.as_bytes()).arg(entry.mark.to_string());
    parse(shared.script(&script::UNLIST, &call, Effect::Write, deadline).await?)
}

/// The same after the operation is done: where it fails, the entry is stale, and repaired later.
async fn tidy(shared: &Shared, key: &SessionKey, entry: &Entry, deadline: Deadline) {
    if let Err(error) = unlist(shared, key, entry, deadline).await {
        tracing::debug!(kind = error.kind().as_str(), "an entry of a user's index is left to the next repair");
    }
}

/// What ending a session came to.
enum Ended {
    Live(Option<Entry>),
    /// It was no record; it is gone.
    Corrupt,
    Not,
}

/// Which session is ended.
#[derive(Clone, Copy)]
enum Only<'a> {
    Any,
    Of(&'a UserId),
    At(Version),
}

async fn end(shared: &Shared, session: &[u8], only: Only<'_>, deadline: Deadline) -> Result<Ended> {
    let (user, version) = match &only {
        Only::Any => ("", &[][..]),
        Only::Of(user) => (user.as_str(), &[][..]),
        Only::At(version) => ("", &version.as_bytes()[..]),
    };
    let mut call = script::DESTROY.on([session]);
    call.arg(user).arg(version);
    ended(shared.script(&script::DESTROY, &call, Effect::Write, deadline).await?)
}

fn ended(answer: redis::Value) -> Result<Ended> {
    let mut answer = parse_written::<Vec<Vec<u8>>>(answer)?.into_iter();
    match (answer.next().as_deref(), answer.next(), answer.next()) {
        (Some(b"OK"), Some(user), Some(mark)) => {
            let mark = number(&mark).map_err(Error::with_outcome_unknown)?;
            Ok(Ended::Live((!user.is_empty()).then_some(Entry { user, mark })))
        }
        (Some(b"CORRUPT"), ..) => Ok(Ended::Corrupt),
        (Some(b"NOTHING"), ..) => Ok(Ended::Not),
        _ => Err(unexpected_of_write()),
    }
}

/// The script was run all the same.
fn unexpected_of_write() -> Error {
    unexpected().with_outcome_unknown()
}

/// A mark or a time, which scripts give as text: a number of theirs has no more than 53 bits.
fn number(text: &[u8]) -> Result<u64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(unexpected)
}

pub(crate) async fn destroy(shared: &Arc<Shared>, key: &SessionKey) -> Result<bool> {
    let deadline = shared.deadline();
    let ended = end(shared, &shared.keys.session(key), Only::Any, deadline).await?;
    if let Ended::Live(Some(entry)) = &ended {
        tidy(shared, key, entry, deadline).await;
    }
    Ok(matches!(ended, Ended::Live(_)))
}

/// The bytes under a session's key, their first ones.
async fn head_of(shared: &Shared, session: &[u8], deadline: Deadline) -> Result<Vec<u8>> {
    let mut read = redis::cmd("GETRANGE");
    read.arg(session).arg(0).arg(crate::record::LONGEST_HEAD - 1);
    match shared.command(&read, Effect::Read, deadline).await {
        Ok(answer) => parse(answer),
        // One byte that is no record stands for what cannot be read.
        Err(error) if error.kind() == session_store_core::ErrorKind::Corrupt => Ok(vec![0]),
        Err(error) => Err(error),
    }
}
