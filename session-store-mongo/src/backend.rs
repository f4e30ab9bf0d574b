//! The backend: what each operation sends, and what the answers mean.

use std::collections::HashMap;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawBsonRef, RawDocument};
use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Counted, Destroy, Failure, Group, Import, ListPage, Lookup, Next,
    Rotate, ScannedPage, Set, StoreOptions, Verdict,
};
use session_store_core::{IfChanged, SessionKey, SetMode, Timestamp, UserId, Version, async_trait};

use crate::connection::Connection;
use crate::error::{Error, classify};
use crate::protocol::commands::Commands;
use crate::protocol::reply::read_verdicts;
use crate::record::{Found, dead, entry, id, ids, live};

/// The protocol of MongoDB, for a [`Store`](session_store_core::backend::Store).
#[derive(Debug)]
pub struct MongoBackend {
    connection: Connection,
    commands: Commands,
}

/// Where a bulk operation goes on.
#[derive(Clone, Debug)]
pub struct Cursor(Position);

/// One page is one command, so that each has the operation timeout: what one command found, the next one removes.
#[derive(Clone, Debug)]
enum Position {
    /// What is in the key of a document, which may be no key.
    AfterKey(Vec<u8>),
    AfterId(ObjectId),
    /// Some of a user's sessions: those that can be read, and those that are corrupt.
    OfUser {
        readable: Vec<ObjectId>,
        corrupt: Vec<ObjectId>,
    },
    /// Some documents that are due.
    Due {
        ids: Vec<ObjectId>,
        has_more: bool,
    },
    /// The documents from one id to another: all, or what is left of the dead ones.
    Range {
        after: ObjectId,
        last: ObjectId,
        is_cleared: bool,
    },
}

/// How many documents one command removes: it takes some ten milliseconds.
const PIECE: u32 = 1_000;

/// How many documents one command counts.
const COUNTED_PIECE: u32 = 10_000;

/// About how many bytes an update takes besides its data.
const OVERHEAD: usize = 1_024;

/// How many changes of a session go out together if several wait: a quarter of a batch. They are made one after another.
const CHANGES_PER_TURN: usize = 16;

/// The same for commands of their own, which meet each other in the server.
const SINGLE_CHANGES_PER_TURN: usize = 8;

/// The groups of changes. Touches are apart because they have a write concern of their own.
const SETS: usize = 0;
const TOUCHES: usize = 1;
const REMOVALS: usize = 2;

/// The id before all others.
const FIRST: ObjectId = ObjectId::from_bytes([0; 12]);

/// Returns the page of a command that removed documents.
fn removed(removed: u64, live: u64, next: Next<Cursor>) -> BulkPage<Cursor> {
    BulkPage { live, removed, held: false, next }
}

fn from(position: Position) -> Next<Cursor> {
    Next::From(Cursor(position))
}

/// What is under a key: the version of a live session, nothing, or a live record that cannot be read.
type State = Result<Option<Version>, Error>;

/// Returns why a change is refused that needs a live session, or `None` if it is not.
fn refusal(state: &State, expected: Option<&Version>) -> Option<Verdict> {
    match state {
        Ok(None) => Some(Verdict::NotFound),
        Err(_) => Some(Verdict::Corrupt),
        Ok(Some(version)) => expected.is_some_and(|expected| expected != version).then_some(Verdict::Conflict),
    }
}

impl MongoBackend {
    pub(crate) fn new(connection: Connection, commands: Commands) -> Self {
        Self { connection, commands }
    }

    /// Reads what is under some keys, and the server's clock.
    async fn states<const N: usize>(
        &self,
        call: &Call,
        keys: [&SessionKey; N],
    ) -> Result<(Timestamp, [State; N]), Error> {
        let documents = self.connection.read(call, self.commands.inspect(&keys)).await?;
        let (read_at, found) = read_inspection(documents.all()?.first().ok_or(Error::UnexpectedAnswer)?)?;
        let state = |key: &SessionKey| {
            let found = found.iter().find(|found| found.key().as_ref() == Some(key));
            found.map_or(Ok(None), |found| Ok(found.record()?.map(|record| record.meta.version)))
        };
        Ok((read_at, keys.map(state)))
    }

    async fn why_set(&self, call: &Call, set: &Set) -> Result<Option<Verdict>, Error> {
        let (_, [state]) = self.states(call, [&set.key]).await?;
        Ok(match (set.mode, &state) {
            (SetMode::Replace, state) => refusal(state, None),
            (SetMode::Update(expected), state) => refusal(state, Some(&expected)),
            (_, Err(_)) => Some(Verdict::Corrupt),
            (SetMode::Create, Ok(Some(_))) => Some(Verdict::AlreadyExists),
            _ => None,
        })
    }

    async fn why_import(&self, call: &Call, import: &Import) -> Result<Option<Verdict>, Error> {
        let (read_at, [state]) = self.states(call, [&import.key]).await?;
        Ok(if import.meta.is_live(read_at) { state.err().map(|_| Verdict::Corrupt) } else { Some(Verdict::NotFound) })
    }

    /// In the order of R2. A leftover under the new key is removed, and the rotation sent again.
    async fn why_rotate(&self, call: &Call, rotate: &Rotate) -> Result<Option<Verdict>, Error> {
        let (_, [from, to]) = self.states(call, [&rotate.from, &rotate.to]).await?;
        let of_target = match to {
            Ok(None) => None,
            Ok(Some(_)) => Some(Verdict::AlreadyExists),
            Err(_) => Some(Verdict::TargetCorrupt),
        };
        let refused = refusal(&from, rotate.expected.as_ref()).or(of_target);
        if refused.is_none() {
            self.connection.remove(call, self.commands.remove_leftover(&rotate.to)).await?;
        }
        Ok(refused)
    }

    async fn destroy(&self, call: &Call, destroy: &Destroy) -> Result<Verdict, Error> {
        let removed = self.connection.remove(call, self.commands.destroy(destroy)).await?;
        Ok(match destroy.version {
            _ if removed > 0 => Verdict::Done,
            None => Verdict::NotFound,
            Some(_) => Verdict::Refused,
        })
    }
}

/// Reads the answer to [`Commands::inspect`].
pub(crate) fn read_inspection(answer: &RawDocument) -> Result<(Timestamp, Vec<Found<'_>>), Error> {
    let read_at = answer.get_datetime("read_at").map_err(|_| Error::UnexpectedAnswer)?;
    let found = answer.get_array("found").map_err(|_| Error::UnexpectedAnswer)?;
    let found = found.into_iter().map(|one| match one {
        Ok(RawBsonRef::Document(document)) => Found::new(document),
        _ => Err(Error::UnexpectedAnswer),
    });
    Ok((Timestamp::from_millis(read_at.timestamp_millis()), found.collect::<Result<_, _>>()?))
}

#[async_trait]
impl Backend for MongoBackend {
    const NAME: &'static str = "mongo";
    // The server repeats an update that meets another one of its document, and holds up the rest of its batch meanwhile.
    const ONE_CHANGE_PER_KEY: bool = true;

    type Error = Error;
    type Cursor = Cursor;

    fn classify(&self, error: &Error) -> Failure {
        classify(error)
    }

    fn read_group(&self, options: &StoreOptions) -> Group {
        Group::batched(options).with_overhead(OVERHEAD)
    }

    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        let batched = Group::batched(options).with_overhead(OVERHEAD);
        // The reply to a command of many removals does not say which of them found their session.
        vec![batched, batched, Group::single()]
    }

    /// MongoDB holds a document only while it changes it, and not while the write waits for the journal or for a majority.
    fn changes_per_turn(&self, options: &StoreOptions) -> usize {
        if options.batch_size > 1 { CHANGES_PER_TURN } else { SINGLE_CHANGES_PER_TURN }
    }

    fn group(&self, change: &Change) -> usize {
        match change {
            Change::Set(_) | Change::Import(_) => SETS,
            Change::Touch(_) => TOUCHES,
            Change::Destroy(_) | Change::Rotate(_) => REMOVALS,
        }
    }

    async fn read(&self, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, Error>>, Error> {
        let documents = self.connection.read(call, self.commands.read(lookups)).await?;
        let found = documents.all()?.into_iter().map(Found::new).collect::<Result<Vec<_>, _>>()?;
        let found: HashMap<_, _> = found.iter().filter_map(|found| Some((found.key()?, found))).collect();
        let read = |lookup: &Lookup| match found.get(&lookup.key) {
            None => Ok(IfChanged::Gone),
            Some(found) => found.if_changed(lookup.known),
        };
        Ok(lookups.iter().map(read).collect())
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, Error>>, Error> {
        if let [Change::Destroy(destroy)] = changes {
            return Ok(vec![Ok(self.destroy(call, destroy).await?)]);
        }
        let reply = self.connection.write(call, self.commands.change(changes)).await?;
        read_verdicts(&reply, changes)
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict, Error> {
        let (filter, stages) = Commands::rotate(rotate)?;
        let is_done = self.connection.update_one(call, filter, stages).await?;
        Ok(if is_done { Verdict::Done } else { Verdict::Refused })
    }

    async fn find_cause(&self, call: &Call, change: &Change) -> Result<Verdict, Error> {
        let cause = match change {
            Change::Set(set) => self.why_set(call, set).await?,
            Change::Import(import) => self.why_import(call, import).await?,
            Change::Rotate(rotate) => self.why_rotate(call, rotate).await?,
            Change::Destroy(Destroy { key, version }) => {
                let (_, [state]) = self.states(call, [key]).await?;
                refusal(&state, version.as_ref())
            }
            Change::Touch(_) => Some(Verdict::NotFound),
        };
        Ok(cause.unwrap_or(Verdict::Busy))
    }

    async fn list_page(
        &self,
        call: &Call,
        user: &UserId,
        after: Option<&SessionKey>,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Result<ListPage<Cursor>, Error> {
        let after = match cursor {
            Some(Cursor(Position::AfterKey(key))) => key,
            _ => after.map_or(&[][..], |key| key.as_bytes()),
        };
        let documents = self.connection.read(call, self.commands.list_by_user(user, after, limit)).await?;
        let documents = documents.all()?;
        let entries: Vec<_> = documents.iter().filter_map(|document| entry(document)).collect();
        let last = documents.last().filter(|_| documents.len() >= limit as usize);
        let next = last.map(|last| last.get_binary("key").map_err(|_| Error::UnexpectedAnswer)).transpose()?;
        Ok(ListPage {
            corrupt: (documents.len() - entries.len()) as u64,
            entries,
            next: next.map(|key| Cursor(Position::AfterKey(key.bytes.to_vec()))),
        })
    }

    async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        cursor: Option<&Cursor>,
    ) -> Result<BulkPage<Cursor>, Error> {
        let destroy = async |ids: &[ObjectId]| {
            self.connection.remove(call, self.commands.destroy_of_user(ids, user, except)).await
        };
        let Some(Cursor(Position::OfUser { readable, corrupt })) = cursor else {
            let documents = self.connection.read(call, self.commands.ids_of_user(user, except, PIECE)).await?;
            let documents = documents.all()?;
            let is_readable = |document: &&RawDocument| document.get_bool("readable").is_ok_and(|is| is);
            let (readable, corrupt): (Vec<_>, Vec<_>) = documents.into_iter().partition(is_readable);
            let found = Position::OfUser { readable: ids(&readable)?, corrupt: ids(&corrupt)? };
            let is_end = readable.is_empty() && corrupt.is_empty();
            return Ok(removed(0, 0, if is_end { Next::End } else { from(found) }));
        };
        // Corrupt records are removed and not counted (Z3).
        if readable.is_empty() {
            return Ok(removed(destroy(corrupt).await?, 0, Next::Again));
        }
        let ended = destroy(readable).await?;
        let rest = Position::OfUser { readable: Vec::new(), corrupt: corrupt.clone() };
        Ok(removed(ended, ended, if corrupt.is_empty() { Next::Again } else { from(rest) }))
    }

    async fn prune_page(&self, call: &Call, cursor: Option<&Cursor>, limit: u32) -> Result<BulkPage<Cursor>, Error> {
        if let Some(Cursor(Position::Due { ids, has_more })) = cursor {
            let gone = self.connection.remove(call, self.commands.prune(ids)).await?;
            return Ok(removed(gone, 0, if *has_more { Next::Again } else { Next::End }));
        }
        let piece = PIECE.min(limit);
        // One more, to see whether there are more.
        let documents = self.connection.read(call, self.commands.due(piece + 1)).await?;
        let mut ids = ids(&documents.all()?)?;
        let has_more = ids.len() > piece as usize;
        ids.truncate(piece as usize);
        Ok(removed(0, 0, if ids.is_empty() { Next::End } else { from(Position::Due { ids, has_more }) }))
    }

    async fn count_page(&self, call: &Call, cursor: Option<&Cursor>) -> Result<CountPage<Cursor>, Error> {
        let after = if let Some(Cursor(Position::AfterId(after))) = cursor { *after } else { FIRST };
        let command = self.commands.count(after, COUNTED_PIECE);
        let documents = self.connection.read(call, command).await?;
        let documents = documents.all()?;
        let Some(piece) = documents.first() else {
            return Ok(CountPage { counted: Counted::Sessions(0), next: None });
        };
        let live = piece.get_i32("live").ok().and_then(|live| u64::try_from(live).ok());
        let last = piece.get_object_id("last").map_err(|_| Error::UnexpectedAnswer)?;
        let counted = Counted::Sessions(live.ok_or(Error::UnexpectedAnswer)?);
        Ok(CountPage { counted, next: Some(Cursor(Position::AfterId(last))) })
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&Cursor>) -> Result<BulkPage<Cursor>, Error> {
        let after = match cursor {
            Some(Cursor(Position::Range { after, last, is_cleared: false })) => {
                let ended = self.connection.remove(call, self.commands.clear(*after, *last, live())).await?;
                let dead = Position::Range { after: *after, last: *last, is_cleared: true };
                return Ok(removed(ended, ended, from(dead)));
            }
            Some(Cursor(Position::Range { after, last, is_cleared: true })) => {
                let gone = self.connection.remove(call, self.commands.clear(*after, *last, dead())).await?;
                return Ok(removed(gone, 0, from(Position::AfterId(*last))));
            }
            Some(Cursor(Position::AfterId(after))) => *after,
            _ => FIRST,
        };
        let documents = self.connection.read(call, self.commands.ids(after, PIECE)).await?;
        let last = documents.all()?.last().map(|last| id(last)).transpose()?;
        let next = last.map(|last| from(Position::Range { after, last, is_cleared: false }));
        Ok(removed(0, 0, next.unwrap_or(Next::End)))
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        <[u8; 12]>::try_from(bytes).is_ok()
    }

    async fn scan_page(&self, call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage, Error> {
        let after = from.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        let documents = self.connection.read(call, self.commands.scan(ObjectId::from_bytes(after), limit)).await?;
        let documents = documents.all()?;
        let live: Vec<_> = documents.iter().filter(|document| document.get_bool("live").is_ok_and(|is| is)).collect();
        let entries: Vec<_> = live.iter().filter_map(|document| entry(document)).collect();
        let last = documents.last().filter(|_| documents.len() >= limit as usize);
        let next = last.map(|last| id(last)).transpose()?;
        Ok(ScannedPage {
            corrupt: (live.len() - entries.len()) as u64,
            entries,
            next: next.map(|id| id.bytes().to_vec()),
        })
    }

    async fn ping(&self, call: &Call) -> Result<(), Error> {
        self.connection.read(call, self.commands.ping()).await.map(drop)
    }

    async fn close(&self, _call: &Call) {
        self.connection.close().await;
    }
}
