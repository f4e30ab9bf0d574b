//! The store on a backend.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::state::Engine;
use super::time::BulkBudget;
use super::{
    Backend, Backoff, BulkPage, Call, Change, Counted, Deadline, Destroy, Import, Lookup, Next, Open, Rotate, Set,
    StoreOptions, Touch, Verdict,
};
use crate::{
    Entry, Error, ErrorKind, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore,
    SetMode, UserId, Version, Write, corrupt_record_skipped, timeout_millis,
};

/// A session store on a database.
///
/// It keeps the whole contract of [`SessionStore`]; the [`Backend`] only speaks the database's protocol. Clones are
/// handles on the same connections.
///
/// # Runtimes
///
/// A store may be used from several Tokio runtimes. A request waits for a runtime that does not run only if that runtime
/// has begun to send it: keep each runtime running, and do not block its threads. When a runtime ends, requests that
/// wait are sent by the others.
pub struct Store<B: Backend> {
    engine: Arc<Engine<B>>,
}

/// How often `clear` walks through everything if nothing was held: new sessions come all the time.
const CLEAR_WALKS: usize = 3;

impl<B: Backend> Store<B> {
    /// Creates a store. It does not check the options: a builder calls [`StoreOptions::check`] with the largest data that
    /// its database can hold.
    #[must_use]
    pub fn new(backend: B, options: StoreOptions) -> Self {
        Self { engine: Arc::new(Engine::new(backend, options)) }
    }

    /// Returns the backend.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.engine.backend
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.engine.options
    }

    /// Closes the store with all its handles; see [`SessionStore::close`].
    pub async fn close(&self) {
        self.engine.close().await;
    }

    async fn change(&self, change: Change) -> Result<Verdict> {
        self.engine.check_open()?;
        self.engine.change(change).await
    }

    async fn read(&self, lookup: Lookup) -> Result<IfChanged> {
        self.engine.check_open()?;
        self.engine.read(lookup).await
    }

    /// Begins a bulk operation.
    fn bulk(&self) -> Result<Bulk<'_, B>> {
        self.engine.check_open()?;
        let StoreOptions { operation_timeout, bulk_timeout, .. } = self.engine.options;
        Ok(Bulk { engine: &self.engine, budget: BulkBudget::new(operation_timeout, bulk_timeout), has_changed: false })
    }
}

impl<B: Open> Store<B> {
    /// Returns a builder for a store: an address, or existing connections.
    pub fn builder(endpoint: impl Into<B::Endpoint>) -> B::Builder {
        B::builder(endpoint.into())
    }
}

impl<B: Backend> Clone for Store<B> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine) }
    }
}

impl<B: Backend> fmt::Debug for Store<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Engine { backend, options, .. } = &*self.engine;
        f.debug_struct("Store").field("backend", backend).field("options", options).finish_non_exhaustive()
    }
}

/// A bulk operation under way.
struct Bulk<'a, B: Backend> {
    engine: &'a Engine<B>,
    budget: BulkBudget,
    /// Whether a statement of it has changed something: then the outcome of the whole is unknown if a later one fails.
    has_changed: bool,
}

impl<B: Backend> Bulk<'_, B> {
    /// Returns the time of its next statement.
    fn call(&self) -> Call {
        Call::new(self.budget.statement())
    }

    async fn read<'f, T>(&self, call: &Call, run: impl Fn() -> BoxFuture<'f, Result<T, B::Error>>) -> Result<T> {
        self.engine.attempt(call, false, run).await.map_err(|failed| failed.error)
    }

    async fn write<'f, C>(
        &mut self,
        call: &Call,
        run: impl Fn() -> BoxFuture<'f, Result<BulkPage<C>, B::Error>>,
    ) -> Result<BulkPage<C>> {
        match self.engine.attempt(call, true, run).await {
            Ok(page) => {
                self.has_changed |= page.removed > 0;
                Ok(page)
            }
            Err(failed) => Err(self.failed(failed.error)),
        }
    }

    fn failed(&self, error: Error) -> Error {
        if self.has_changed { error.with_outcome_unknown() } else { error }
    }

    /// Returns the pauses while others hold what is left.
    fn backoff(&self) -> Backoff {
        Backoff::until(self.budget.end())
    }

    /// Waits for those who hold what is left.
    async fn wait(&self, backoff: &mut Backoff) -> Result<()> {
        if backoff.wait().await {
            return Ok(());
        }
        let text = format!("{}: others hold some of the sessions; call again to end these as well", B::NAME);
        Err(self.failed(Error::new(ErrorKind::Timeout, text)))
    }
}

/// Returns the error that a verdict on a write is.
fn refusal<B: Backend>(verdict: Verdict, from: &SessionKey, to: &SessionKey) -> Result<()> {
    let corrupt = |key| Error::corrupt(key, "the live record under the session's key cannot be read");
    Err(match verdict {
        Verdict::Done => return Ok(()),
        Verdict::NotFound => Error::not_found(from),
        Verdict::AlreadyExists => Error::already_exists(to),
        Verdict::Conflict => Error::conflict(from),
        Verdict::Corrupt => corrupt(from),
        Verdict::TargetCorrupt => corrupt(to),
        Verdict::Misplaced => Error::new(
            ErrorKind::Unsupported,
            "this store rotates between keys of equal placement only; generate a session ID that fits",
        )
        .with_key(*from),
        // The engine brings these to an end.
        Verdict::Busy | Verdict::Refused => unexpected::<B>(),
    })
}

fn unexpected<B: Backend>() -> Error {
    Error::new(ErrorKind::Internal, format!("{}: an answer of an unexpected form", B::NAME)).with_outcome_unknown()
}

fn report_corrupt<B: Backend>(records: u64) {
    for _ in 0..records {
        corrupt_record_skipped(B::NAME);
    }
}

#[async_trait]
impl<B: Backend> SessionStore for Store<B> {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        match self.read(Lookup::new(*key, None)).await? {
            IfChanged::Changed(record) => Ok(Some(record)),
            IfChanged::Gone => Ok(None),
            IfChanged::Unchanged { .. } => Err(unexpected::<B>()),
        }
    }

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        match self.read(Lookup::new(*key, Some(version))).await? {
            // The lookup was shared with callers that hold another version, or none.
            IfChanged::Changed(record) => Ok(IfChanged::compare(Some(record), version)),
            answer => Ok(answer),
        }
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.engine.check_open()?;
        write.check_size(self.engine.options.data_limit)?;
        let version = Version::generate()?;
        let set = Change::Set(Set { key: *key, write: write.clone(), mode, version });
        refusal::<B>(self.change(set).await?, key, key)?;
        Ok(version)
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        self.engine.check_open()?;
        timeout_millis(idle)?;
        let verdict = self.change(Change::Touch(Touch { key: *key, idle })).await?;
        found(refusal::<B>(verdict, key, key))
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        let verdict = self.change(Change::Destroy(Destroy { key: *key, version: None })).await?;
        found(refusal::<B>(verdict, key, key))
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        let verdict = self.change(Change::Destroy(Destroy { key: *key, version: Some(version) })).await?;
        found(refusal::<B>(verdict, key, key))
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        self.engine.check_open()?;
        record.check_size(self.engine.options.data_limit)?;
        let version = Version::generate()?;
        let meta = record.meta.imported(version)?;
        let import = Change::Import(Import { key: *key, meta, data: record.data.clone() });
        let written = found(refusal::<B>(self.change(import).await?, key, key))?;
        Ok(written.then_some(version))
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.engine.check_open()?;
        if from == to {
            return Err(Error::same_key(from));
        }
        write.check_size(self.engine.options.data_limit)?;
        let verdict_of_placement =
            if self.placement(from) == self.placement(to) { Verdict::Done } else { Verdict::Misplaced };
        refusal::<B>(verdict_of_placement, from, to)?;
        let version = Version::generate()?;
        let rotate = Rotate { from: *from, to: *to, write: write.clone(), expected, version };
        refusal::<B>(self.change(Change::Rotate(rotate)).await?, from, to)?;
        Ok(version)
    }

    fn placement(&self, key: &SessionKey) -> u16 {
        self.engine.backend.placement(key)
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        let bulk = self.bulk()?;
        let (mut entries, mut cursor): (Vec<Entry>, Option<B::Cursor>) = (Vec::new(), None);
        let limit = page.limit() as usize;
        loop {
            // Sessions that are gone, and corrupt records, leave places free.
            let wanted = u32::try_from(limit.saturating_sub(entries.len())).unwrap_or(u32::MAX);
            let call = bulk.call();
            let list = || self.engine.backend.list_page(&call, user, page.after(), cursor.as_ref(), wanted);
            let found = bulk.read(&call, list).await?;
            report_corrupt::<B>(found.corrupt);
            entries.extend(found.entries);
            entries.truncate(limit);
            match found.next {
                Some(next) if entries.len() < limit => cursor = Some(next),
                _ => return Ok(entries),
            }
        }
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        let mut bulk = self.bulk()?;
        let (mut ended, mut cursor, mut backoff) = (0, None, bulk.backoff());
        loop {
            let call = bulk.call();
            let destroy = || self.engine.backend.destroy_page(&call, user, except, cursor.as_ref());
            let page = bulk.write(&call, destroy).await?;
            ended += page.live;
            cursor = match page.next {
                Next::End => return Ok(ended),
                Next::From(next) => Some(next),
                Next::Again => {
                    if page.removed == 0 {
                        bulk.wait(&mut backoff).await?;
                    }
                    None
                }
            };
        }
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        self.engine.check_open()?;
        if limit == 0 {
            return Err(Error::invalid_input("a prune removes at least one record; give a limit of 1 or more"));
        }
        let mut bulk = self.bulk()?;
        let (limit, mut removed, mut cursor) = (u64::from(limit), 0, None);
        loop {
            let left = u32::try_from(limit.saturating_sub(removed)).unwrap_or(u32::MAX);
            let call = bulk.call();
            let prune = || self.engine.backend.prune_page(&call, cursor.as_ref(), left);
            let page = bulk.write(&call, prune).await?;
            removed += page.removed;
            cursor = match page.next {
                Next::End => return Ok(Pruned { removed, more: false }),
                // Others hold what is left.
                Next::Again if page.removed == 0 => return Ok(Pruned { removed, more: true }),
                _ if removed >= limit => return Ok(Pruned { removed, more: true }),
                Next::Again => None,
                Next::From(next) => Some(next),
            };
        }
    }

    async fn count(&self) -> Result<u64> {
        let bulk = self.bulk()?;
        let (mut count, mut met, mut cursor) = (0, HashSet::new(), None);
        loop {
            let call = bulk.call();
            let page = bulk.read(&call, || self.engine.backend.count_page(&call, cursor.as_ref())).await?;
            match page.counted {
                Counted::Sessions(sessions) => count += sessions,
                Counted::Keys(keys) => count += keys.into_iter().filter(|key| met.insert(*key)).count() as u64,
            }
            cursor = match page.next {
                Some(next) => Some(next),
                None => return Ok(count),
            };
        }
    }

    async fn clear(&self) -> Result<u64> {
        let mut bulk = self.bulk()?;
        let (mut ended, mut walks, mut backoff) = (0, 0, bulk.backoff());
        loop {
            let (mut cursor, mut has_met, mut has_held) = (None, false, false);
            loop {
                let call = bulk.call();
                let page = bulk.write(&call, || self.engine.backend.clear_page(&call, cursor.as_ref())).await?;
                ended += page.live;
                has_met |= page.removed > 0;
                has_held |= page.held;
                cursor = match page.next {
                    Next::From(next) => Some(next),
                    Next::End | Next::Again => break,
                };
            }
            walks += 1;
            // A rotation may have carried a session past the walk: the next one meets it.
            if !has_held && (!has_met || walks >= CLEAR_WALKS) {
                return Ok(ended);
            }
            if has_held {
                bulk.wait(&mut backoff).await?;
            }
        }
    }

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        self.engine.check_open()?;
        Page::check_limit(limit)?;
        let backend = &self.engine.backend;
        let from = cursor.map(|cursor| cursor.decode(B::NAME)).transpose()?;
        if from.as_deref().is_some_and(|position| !backend.is_scan_cursor(position)) {
            return Err(ScanCursor::refused());
        }
        let bulk = self.bulk()?;
        let call = bulk.call();
        let page = bulk.read(&call, || backend.scan_page(&call, from.as_deref(), limit)).await?;
        report_corrupt::<B>(page.corrupt);
        Ok(ScanPage { entries: page.entries, next: page.next.map(|next| ScanCursor::encode(B::NAME, &next)) })
    }

    async fn ping(&self) -> Result<()> {
        self.engine.check_open()?;
        let call = Call::new(Deadline::after(self.engine.options.operation_timeout));
        let ping = self.engine.attempt(&call, false, || self.engine.backend.ping(&call));
        ping.await.map_err(|failed| failed.error)
    }

    async fn close(&self) {
        self.engine.close().await;
    }
}

/// Turns the refusal of what is not live into `false`.
fn found(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
