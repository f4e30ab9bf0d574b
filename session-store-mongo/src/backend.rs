//! The store.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, RawDocument};
use mongodb::options::WriteConcern;
use session_store_core::batch::Batcher;
use session_store_core::{
    Entry, Error, Page, Pauses, Pruned, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version, Write,
    async_trait, corrupt_record_skipped, timeout_millis,
};

use crate::batch::{Changes, Get, NOT_TAKEN, Set, Touch};
use crate::client::Server;
use crate::config::Builder;
use crate::document::{Fields, key};
use crate::error::{about, unexpected};
use crate::link::{Documents, Effect, Link};
use crate::reply::says_taken;
use crate::update;

/// How many documents one command of a sweep removes: some ten milliseconds.
const PIECE: u32 = 1_000;

/// How many documents one command counts.
const COUNTED_PIECE: u32 = 10_000;

/// A store in MongoDB. Clones are handles on the same connections.
///
/// See the [crate's page](crate) for what it promises.
#[derive(Clone)]
pub struct MongoStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) link: Arc<Link>,
    pub(crate) collection: mongodb::Collection<Document>,
    pub(crate) write_concern: WriteConcern,
    pub(crate) data_limit: usize,
    pub(crate) gets: Batcher<Get>,
    pub(crate) sets: Changes<Set>,
    pub(crate) touches: Changes<Touch>,
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("data_limit", &self.shared.data_limit)
            .field("operation_timeout", &self.shared.link.timeouts.operation)
            .finish_non_exhaustive()
    }
}

impl MongoStore {
    /// A store in a database: a URL such as `mongodb://user:password@host:27017/database`, or an existing
    /// [`Client`](mongodb::Client) or [`Database`](mongodb::Database).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use session_store_mongo::MongoStore;
    ///
    /// # async fn open() -> session_store_mongo::core::Result<()> {
    /// let store = MongoStore::builder("mongodb://localhost/shop").collection("sessions").ensure_indexes().build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(server: impl Into<Server>) -> Builder {
        Builder::new(server.into())
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Ends the store with all its handles: whoever waits for a batch is answered that the store is closed, and the
    /// connections are closed, unless the client was given.
    pub async fn close(&self) {
        let Shared { link, gets, sets, touches, .. } = &*self.shared;
        gets.close();
        sets.close();
        touches.close();
        link.close().await;
    }
}

impl Shared {
    /// Why an update of a session at a version was refused, by what is live a moment later.
    async fn refusal(&self, key: &SessionKey, deadline: Instant) -> Result<Error> {
        let versions = self.versions(&[key], deadline).await?;
        Ok(if versions.all()?.is_empty() { Error::not_found(key) } else { Error::conflict(key) })
    }

    async fn versions(&self, keys: &[&SessionKey], deadline: Instant) -> Result<Documents> {
        self.link.read(self.link.commands.versions(keys), deadline).await
    }

    /// Whether the session was live and at the expected version, and was moved to a key that was free.
    async fn moved(
        &self,
        from: &SessionKey,
        expected: Option<&Version>,
        stages: &[Document],
        deadline: Instant,
    ) -> Result<bool> {
        let filter = update::rotated(from, expected)?;
        // By the driver's own method, which makes it a retryable write: a mongos wants that where a key moves to another
        // shard, and a repetition of one is recognized by the server.
        let moving = || {
            let update = self.collection.update_one(filter.clone(), stages.to_vec());
            let update = update.write_concern(self.write_concern.clone()).into_future();
            async move {
                match update.await {
                    Ok(done) => Ok(done.matched_count == 1),
                    Err(error) if says_taken(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        };
        self.link.repeat(Effect::Write, deadline, moving).await.map_err(|error| about(error, from))
    }
}

#[async_trait]
impl SessionStore for MongoStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.shared.gets.call(*key, self.shared.link.timeouts.deadline().into()).await
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        write.check_size(self.shared.data_limit)?;
        let (version, deadline) = (Version::generate()?, self.shared.link.timeouts.deadline());
        let set = Set { key: *key, write: write.clone(), mode, version };
        if self.shared.sets.call(set, deadline).await? {
            return Ok(version);
        }
        Err(match mode {
            SetMode::Create => Error::already_exists(key),
            SetMode::Replace => Error::not_found(key),
            SetMode::Update(_) => self.shared.refusal(key, deadline).await?,
            SetMode::Upsert => unexpected(),
        })
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        timeout_millis(idle)?;
        self.shared.touches.call(Touch { key: *key, idle }, self.shared.link.timeouts.deadline()).await
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        let link = &self.shared.link;
        Ok(link.remove(link.commands.destroy(key), link.timeouts.deadline()).await? == 1)
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        if from == to {
            return Err(Error::same_key(from));
        }
        write.check_size(self.shared.data_limit)?;
        let (link, version) = (&self.shared.link, Version::generate()?);
        let deadline = link.timeouts.deadline();
        let stages = update::rotate(to, write, &version)?;
        let mut pauses = Pauses::until(deadline);
        loop {
            if self.shared.moved(from, expected.as_ref(), &stages, deadline).await? {
                return Ok(version);
            }
            let versions = self.shared.versions(&[from, to], deadline).await?;
            if let Some(refusal) = rotate_refusal(from, to, expected.as_ref(), &versions.all()?) {
                return Err(refusal);
            }
            link.remove(link.commands.remove_leftover(to), deadline).await?;
            pauses.wait_or(NOT_TAKEN).await?;
        }
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        let (link, sweep) = (&self.shared.link, self.shared.link.timeouts.sweep());
        let mut wanted = page.limit();
        let (mut entries, mut after) = (Vec::new(), page.after().map_or_else(Vec::new, |key| key.as_bytes().to_vec()));
        loop {
            let found = link.read(link.commands.list_by_user(user, &after, wanted), sweep.deadline()).await?;
            let found = found.all()?;
            let may_be_more = found.len() == wanted as usize;
            // Corrupt records leave places free.
            for document in &found {
                match entry(document) {
                    Some(entry) => {
                        wanted -= 1;
                        entries.push(entry);
                    }
                    None => corrupt_record_skipped("mongo"),
                }
            }
            let Some(last) = found.last().filter(|_| may_be_more && wanted > 0) else { return Ok(entries) };
            after = last.get_binary("key").map_err(|_| unexpected())?.bytes.to_vec();
        }
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        let (link, sweep) = (&self.shared.link, self.shared.link.timeouts.sweep());
        let mut ended = 0;
        loop {
            let found = link.read(link.commands.ids_of_user(user, except, PIECE), sweep.deadline()).await?;
            let ids = ids(&found.all()?)?;
            if ids.is_empty() {
                return Ok(ended);
            }
            ended += link.remove(link.commands.destroy_of_user(&ids, user, except), sweep.deadline()).await?;
        }
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        if limit == 0 {
            return Err(Error::invalid_input("a prune removes at least one record; give a limit of 1 or more"));
        }
        let (link, sweep) = (&self.shared.link, self.shared.link.timeouts.sweep());
        let mut removed = 0;
        loop {
            let piece = PIECE.min(limit - removed);
            // One more, to tell whether there are more.
            let due = link.read(link.commands.due(piece + 1), sweep.deadline()).await?;
            let mut due = ids(&due.all()?)?;
            let more = due.len() > piece as usize;
            due.truncate(piece as usize);
            if !due.is_empty() {
                let gone = link.remove(link.commands.prune(&due), sweep.deadline()).await?;
                removed += u32::try_from(gone).map_err(|_| unexpected())?;
            }
            if !more || removed == limit {
                return Ok(Pruned { removed: removed.into(), more });
            }
        }
    }

    async fn count(&self) -> Result<u64> {
        let (link, sweep) = (&self.shared.link, self.shared.link.timeouts.sweep());
        let (mut count, mut after) = (0, FIRST);
        loop {
            let found = link.read(link.commands.count(after, COUNTED_PIECE), sweep.deadline()).await?;
            let found = found.all()?;
            let Some(piece) = found.first() else { return Ok(count) };
            let live = piece.get_i32("live").ok().and_then(|live| u64::try_from(live).ok());
            count += live.ok_or_else(unexpected)?;
            after = piece.get_object_id("last").map_err(|_| unexpected())?;
        }
    }

    async fn clear(&self) -> Result<u64> {
        let (link, sweep) = (&self.shared.link, self.shared.link.timeouts.sweep());
        let (mut ended, mut after) = (0, FIRST);
        loop {
            let found = link.read(link.commands.ids(after, PIECE), sweep.deadline()).await?;
            let ids = ids(&found.all()?)?;
            let Some(last) = ids.last().copied() else { return Ok(ended) };
            ended += link.remove(link.commands.clear_live(after, last), sweep.deadline()).await?;
            link.remove(link.commands.clear_dead(after, last), sweep.deadline()).await?;
            after = last;
        }
    }

    async fn ping(&self) -> Result<()> {
        // A question about the collection, which also tells whether it may be read.
        let link = &self.shared.link;
        link.read(link.commands.versions(&[]), link.timeouts.deadline()).await.map(drop)
    }
}

/// Before all others.
const FIRST: ObjectId = ObjectId::from_bytes([0; 12]);

pub(crate) fn ids(documents: &[&RawDocument]) -> Result<Vec<ObjectId>> {
    documents.iter().map(|document| document.get_object_id("_id").map_err(|_| unexpected())).collect()
}

/// A line of a list.
pub(crate) fn entry(document: &RawDocument) -> Option<Entry> {
    let fields = Fields::of(document).ok()?;
    let key = fields.key()?;
    Some(Entry { key, meta: fields.meta(&key).ok()? })
}

/// Why a rotation was refused (R2), by what was live a moment later; `None` where it would not be refused now.
pub(crate) fn rotate_refusal(
    from: &SessionKey,
    to: &SessionKey,
    expected: Option<&Version>,
    live: &[&RawDocument],
) -> Option<Error> {
    let find = |wanted: &SessionKey| live.iter().find(|document| key(document).as_ref() == Some(wanted));
    let Some(old) = find(from) else { return Some(Error::not_found(from)) };
    let is_at = |version: &Version| old.get_binary("version").is_ok_and(|found| found.bytes == version.as_bytes());
    if expected.is_some_and(|version| !is_at(version)) {
        return Some(Error::conflict(from));
    }
    find(to).map(|_| Error::already_exists(to))
}
