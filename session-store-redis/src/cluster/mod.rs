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

pub(crate) mod connection;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod rotate;
mod sweep;
pub(crate) mod user;

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use session_store_core::backend::{Call, Change, Deadline, Destroy, Import, Set, Touch, Verdict};
use session_store_core::{Owner, SessionKey, SetMode, Timestamp, UserId, Version, Write};

use crate::connection::Connections;
use crate::error::Error;
use crate::identifiers::Keys;
use crate::protocol::script::{self, cluster as scripts};
use crate::protocol::{add_write, change, parse, read, verdict};

type Result<T> = std::result::Result<T, Error>;

/// The operations of a store on Cluster. Clones are for tasks that go on when an operation has ended.
#[derive(Clone)]
pub(crate) struct Cluster {
    connections: Arc<Connections>,
    keys: Arc<Keys>,
    /// What each command of such a task has.
    operation_timeout: Duration,
}

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

/// What a session's script answers to a write.
enum Written {
    /// It is done; this entry belongs to the record that it replaced.
    Done(Option<Entry>),
    /// It needs a mark in this user's index first, for a session that lives so many milliseconds.
    NeedsMark(Vec<u8>, i64),
    Refused(Verdict),
}

/// What ending a session came to.
enum Ended {
    Live(Option<Entry>),
    /// It was no record; it is gone.
    Removed,
    Not,
    /// Only for one at a version.
    Refused(Verdict),
}

/// Which session is ended.
#[derive(Clone, Copy)]
enum Only<'a> {
    Any,
    Of(&'a UserId),
    At(Version),
}

impl Cluster {
    pub(crate) fn new(connections: &Arc<Connections>, keys: &Arc<Keys>, operation_timeout: Duration) -> Self {
        Self { connections: Arc::clone(connections), keys: Arc::clone(keys), operation_timeout }
    }

    /// Changes sessions one by one: there are no batches.
    pub(crate) async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict>>> {
        let mut verdicts = Vec::with_capacity(changes.len());
        for change in changes {
            verdicts.push(Ok(match change {
                Change::Set(set) => self.set(call, set).await?,
                Change::Touch(touch) => self.touch(call, touch).await?,
                Change::Import(import) => self.import(call, import).await?,
                Change::Destroy(destroy) => self.destroy(call, destroy).await?,
                Change::Rotate(rotate) => self.rotate(call, rotate).await?,
            }));
        }
        Ok(verdicts)
    }

    async fn set(&self, call: &Call, set: &Set) -> Result<Verdict> {
        let Set { key, write, mode, version } = set;
        let mut entry = None;
        // A created session is known to need a mark.
        if let (SetMode::Create, Owner::User(user)) = (mode, write.owner()) {
            entry = Some(self.mark_created(user, key, write).await?);
        }
        let statement = set_statement(mode, *version, write, None);
        self.write_listed(call, key, statement, entry).await
    }

    async fn touch(&self, call: &Call, touch: &Touch) -> Result<Verdict> {
        let command = change::change(&self.keys, &[Change::Touch(*touch)])?;
        let mut answers = self.connections.write_each(&script::CHANGE, &command, call, 1).await?;
        verdict(&answers.next().ok_or(Error::Unexpected)??)
    }

    async fn import(&self, call: &Call, import: &Import) -> Result<Verdict> {
        let Import { key, meta, data } = import;
        change::times(meta)?;
        let user = meta.user.as_ref().map_or("", UserId::as_str);
        let version = meta.version.as_bytes();
        let statement = |command: &mut Cmd, mark: &[u8], marked: &[u8]| {
            command.arg("import").arg(version).arg("").arg(0).arg(0).arg("user").arg(user).arg(&data[..]);
            command.arg(meta.created_at.as_millis()).arg(mark).arg(marked);
            command.arg([meta.last_seen_at, meta.expires_at, meta.deadline].map(Timestamp::as_millis).as_slice());
        };
        self.write_listed(call, key, statement, None).await
    }

    /// Writes a session, marked first if it must be, and removes the entry of the record that was replaced.
    async fn write_listed(
        &self,
        call: &Call,
        key: &SessionKey,
        statement: impl Fn(&mut Cmd, &[u8], &[u8]),
        entry: Option<Entry>,
    ) -> Result<Verdict> {
        let mut entry = entry;
        loop {
            match self.write_session(Some(call), key, &statement, entry.as_ref()).await? {
                Written::Done(replaced) => {
                    if let Some(replaced) = replaced {
                        self.tidy(key, &replaced, call.deadline()).await;
                    }
                    return Ok(Verdict::Done);
                }
                Written::NeedsMark(user, life) => entry = Some(self.mark(&user, key, life).await?),
                Written::Refused(verdict) => return Ok(verdict),
            }
        }
    }

    /// Writes a session in one step.
    async fn write_session(
        &self,
        call: Option<&Call>,
        key: &SessionKey,
        statement: impl Fn(&mut Cmd, &[u8], &[u8]),
        entry: Option<&Entry>,
    ) -> Result<Written> {
        let mut command = scripts::SET.on([self.keys.session(key)]);
        let mark = entry.map_or(String::new(), |entry| entry.mark.to_string());
        statement(&mut command, mark.as_bytes(), entry.map_or(&[], |entry| &entry.user));
        written(self.connections.write(&scripts::SET, &command, call).await?)
    }

    async fn mark_created(&self, user: &UserId, key: &SessionKey, write: &Write) -> Result<Entry> {
        let life = i64::try_from(write.absolute().as_millis()).unwrap_or(i64::MAX);
        self.mark(user.as_str().as_bytes(), key, life).await
    }

    /// Marks that a session of this user is about to be written. It changes no session, and may be repeated.
    async fn mark(&self, user: &[u8], key: &SessionKey, life: i64) -> Result<Entry> {
        let mut command = scripts::MARK.on([self.keys.index_of(user)]);
        command.arg(key.as_bytes()).arg(life);
        let answer = self.connections.write(&scripts::MARK, &command, None).await?;
        Ok(Entry { user: user.to_vec(), mark: parse(answer)? })
    }

    /// Removes the entry of a record that is no more.
    async fn unlist(&self, key: &SessionKey, entry: &Entry) -> Result<u64> {
        let mut command = scripts::UNLIST.on([self.keys.index_of(&entry.user)]);
        command.arg(key.as_bytes()).arg(entry.mark.to_string());
        parse(self.connections.write(&scripts::UNLIST, &command, None).await?)
    }

    /// Does the same after the operation is done: if it fails, the entry is stale, and repaired later.
    async fn tidy(&self, key: &SessionKey, entry: &Entry, deadline: Deadline) {
        if !matches!(deadline.limit(self.unlist(key, entry)).await, Some(Ok(_))) {
            tracing::debug!("an entry of a user's index is left to the next repair");
        }
    }

    async fn end(&self, call: Option<&Call>, session: &[u8], only: Only<'_>) -> Result<Ended> {
        let (user, version) = match &only {
            Only::Any => ("", &[][..]),
            Only::Of(user) => (user.as_str(), &[][..]),
            Only::At(version) => ("", &version.as_bytes()[..]),
        };
        let mut command = scripts::DESTROY.on([session]);
        command.arg(user).arg(version);
        ended(self.connections.write(&scripts::DESTROY, &command, call).await?)
    }

    async fn destroy(&self, call: &Call, destroy: &Destroy) -> Result<Verdict> {
        let Destroy { key, version } = destroy;
        let only = version.map_or(Only::Any, Only::At);
        Ok(match self.end(Some(call), &self.keys.session(key), only).await? {
            Ended::Live(entry) => {
                if let Some(entry) = entry {
                    self.tidy(key, &entry, call.deadline()).await;
                }
                Verdict::Done
            }
            Ended::Removed => Verdict::Done,
            Ended::Not => Verdict::NotFound,
            Ended::Refused(verdict) => verdict,
        })
    }

    /// Returns the first bytes under a session's key.
    async fn head_of(&self, session: &[u8]) -> Result<Vec<u8>> {
        match self.connections.read(&read::get_head(session)).await {
            Err(Error::Command(error)) => read::head_bytes(Err(error)),
            answer => read::head_bytes(Ok(answer?)),
        }
    }
}

/// Adds the arguments of the script that writes a session; `created_at` is that of the session whose new key this is.
fn set_statement(
    mode: &SetMode,
    version: Version,
    write: &Write,
    created_at: Option<i64>,
) -> impl Fn(&mut Cmd, &[u8], &[u8]) {
    let (name, expected) = match *mode {
        SetMode::Create => ("create", None),
        SetMode::Replace => ("replace", None),
        SetMode::Update(expected) => ("update", Some(expected)),
        SetMode::Upsert => ("upsert", None),
    };
    move |command, mark, marked| {
        command.arg(name).arg(version.as_bytes());
        command.arg(expected.as_ref().map_or(&[][..], |version| version.as_bytes()));
        add_write(command, write);
        command.arg(created_at.map_or(String::new(), |millis| millis.to_string())).arg(mark).arg(marked);
    }
}

fn written(answer: redis::Value) -> Result<Written> {
    let mut answer = parse::<Vec<redis::Value>>(answer)?.into_iter();
    let first = answer.next().ok_or(Error::Unexpected)?;
    if first == redis::Value::BulkString(b"MARK".to_vec()) {
        let (Some(user), Some(life)) = (answer.next(), answer.next()) else { return Err(Error::Unexpected) };
        return Ok(Written::NeedsMark(parse(user)?, parse(life)?));
    }
    Ok(match (verdict(&first)?, answer.next(), answer.next()) {
        (Verdict::Done, Some(user), Some(mark)) => {
            Written::Done(Some(Entry { user: parse(user)?, mark: parse(mark)? }))
        }
        (Verdict::Done, ..) => Written::Done(None),
        (refused, ..) => Written::Refused(refused),
    })
}

fn ended(answer: redis::Value) -> Result<Ended> {
    let mut answer = parse::<Vec<Vec<u8>>>(answer)?.into_iter();
    match (answer.next().as_deref(), answer.next(), answer.next()) {
        (Some(b"OK"), Some(user), Some(mark)) => {
            let mark = number(&mark)?;
            Ok(Ended::Live((!user.is_empty()).then_some(Entry { user, mark })))
        }
        (Some(b"REMOVED"), ..) => Ok(Ended::Removed),
        (Some(b"NOTHING"), ..) => Ok(Ended::Not),
        (Some(b"CONFLICT"), ..) => Ok(Ended::Refused(Verdict::Conflict)),
        (Some(b"CORRUPT"), ..) => Ok(Ended::Refused(Verdict::Corrupt)),
        _ => Err(Error::Unexpected),
    }
}

/// Counts the live sessions that were ended, and the records that were removed. If one failed and others did not, a part
/// was done.
fn count_ended(all: Vec<Result<Ended>>) -> Result<(u64, u64)> {
    let (mut live, mut removed, mut failed) = (0, 0, None);
    for ended in all {
        match ended {
            Ok(Ended::Live(_)) => (live, removed) = (live + 1, removed + 1),
            Ok(Ended::Removed) => removed += 1,
            Ok(Ended::Not | Ended::Refused(_)) => {}
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if removed > 0 => Err(Error::Undecided(Box::new(error))),
        Some(error) => Err(error),
        None => Ok((live, removed)),
    }
}

/// A mark or a time, which scripts give as text: a number of theirs has no more than 53 bits.
fn number(text: &[u8]) -> Result<u64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Error::Unexpected)
}
