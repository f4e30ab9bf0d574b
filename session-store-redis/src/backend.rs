//! The backend: which commands each operation sends.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use redis::{Cmd, Value};
use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Counted, Deadline, Destroy, Failure, Group, ListPage, Lookup, Next,
    Rotate, ScannedPage, StoreOptions, Verdict,
};
use session_store_core::{Entry, IfChanged, SessionKey, UserId, async_trait};

use crate::clock::{REFRESH, ServerClock};
#[cfg(feature = "cluster")]
use crate::cluster::{Cluster, user::Pass};
use crate::connection::Connections;
use crate::error::{Error, classify};
use crate::identifiers::{Keys, Kind};
use crate::protocol::scan::{STEP, ScanPosition, Walk};
use crate::protocol::{change, read, scan, script, server_time, user, verdict};
use crate::record::{Stored, decode};

type Result<T> = std::result::Result<T, Error>;

/// The backend of a [`RedisStore`](crate::RedisStore): one server, one behind Sentinel, or a Cluster.
pub struct RedisBackend {
    connections: Arc<Connections>,
    keys: Arc<Keys>,
    clock: Arc<ServerClock>,
    operation_timeout: Duration,
    #[cfg(feature = "cluster")]
    cluster: Option<Cluster>,
}

/// Where a bulk operation goes on.
#[derive(Debug)]
pub struct Cursor(Place);

#[derive(Debug)]
enum Place {
    /// After this entry of a user's index.
    After(Vec<u8>),
    Walk(Walk),
    #[cfg(feature = "cluster")]
    Pass(Pass),
}

impl Cursor {
    fn after(cursor: Option<&Self>) -> &[u8] {
        match cursor {
            Some(Self(Place::After(after))) => after,
            _ => &[],
        }
    }

    fn walk(cursor: Option<&Self>) -> Option<&Walk> {
        match cursor {
            Some(Self(Place::Walk(walk))) => Some(walk),
            _ => None,
        }
    }
}

/// Runs the operation of a Cluster if this is one.
macro_rules! on_cluster {
    ($self:ident, $operation:ident($($argument:expr),*)) => {
        #[cfg(feature = "cluster")]
        if let Some(cluster) = &$self.cluster {
            return Box::pin(cluster.$operation($($argument),*)).await;
        }
    };
}

impl RedisBackend {
    pub(crate) fn new(connections: Connections, keys: Keys, operation_timeout: Duration) -> Self {
        let (connections, keys) = (Arc::new(connections), Arc::new(keys));
        Self {
            #[cfg(feature = "cluster")]
            cluster: connections.is_cluster().then(|| Cluster::new(&connections, &keys, operation_timeout)),
            connections,
            keys,
            clock: Arc::new(ServerClock::new()),
            operation_timeout,
        }
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Reads the server's clock.
    pub(crate) async fn set_clock(&self) -> Result<()> {
        refresh(&self.clock, &self.connections).await
    }

    /// Keeps the clock right for as long as there is a handle of the store.
    pub(crate) fn keep_clock(&self) {
        let (clock, connections) = (Arc::clone(&self.clock), Arc::downgrade(&self.connections));
        let operation_timeout = self.operation_timeout;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(REFRESH).await;
                let Some(connections) = connections.upgrade() else { return };
                match Deadline::after(operation_timeout).limit(refresh(&clock, &connections)).await {
                    Some(Ok(())) => {}
                    Some(Err(Error::Closed)) => return,
                    _ => tracing::debug!("the Redis server's clock could not be read"),
                }
            }
        });
    }

    async fn get(&self, lookup: &Lookup) -> Result<Result<IfChanged>> {
        match self.connections.read(&read::get(&self.keys, &lookup.key)).await {
            Ok(answer) => Ok(read::read(lookup, answer, self.clock.now())),
            Err(Error::Command(error)) => match Error::of_record(error) {
                corrupt @ Error::Corrupt(_) => Ok(Err(corrupt)),
                error => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn get_many(&self, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        let answers = match self.connections.read(&read::mget(&self.keys, lookups)).await {
            Ok(answer) => read::each(answer, lookups.len())?,
            // Without the right to read many at once, they are read one by one.
            Err(error) if error.lacks_rights() => vec![Value::Nil; lookups.len()],
            Err(error) => return Err(error),
        };
        // MGET gives nothing for an absent session (G2) and for a key of another type (Z1) alike; GET tells them apart.
        let is_absent = |(lookup, answer): (&Lookup, &Value)| (*answer == Value::Nil).then_some(lookup.key);
        let absent: Vec<_> = lookups.iter().zip(&answers).filter_map(is_absent).collect();
        let mut again = if absent.is_empty() { Vec::new() } else { self.get_each(&absent).await? }.into_iter();
        let read_at = self.clock.now();
        let read = |(lookup, answer)| match answer {
            Value::Nil => read::read(lookup, again.next().ok_or(Error::Unexpected)??, read_at),
            answer => read::read(lookup, answer, read_at),
        };
        Ok(lookups.iter().zip(answers).map(read).collect())
    }

    /// Reads many sessions by a command each.
    async fn get_each(&self, keys: &[SessionKey]) -> Result<Vec<Result<Value>>> {
        let gets: Vec<_> = keys.iter().map(|key| read::get(&self.keys, key)).collect();
        let answers = Box::pin(self.connections.read_all(&gets)).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(Error::of_record)).collect())
    }

    /// Reads sessions unless they are at the known versions.
    async fn get_if_changed(&self, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        let call = read::read_if_changed(&self.keys, lookups);
        let answers = read::each(self.connections.read_script(&script::READ, &call).await?, lookups.len())?;
        let read_at = self.clock.now();
        Ok(lookups.iter().zip(answers).map(|(lookup, answer)| read::read(lookup, answer, read_at)).collect())
    }

    /// Reads sessions of which none is known.
    async fn get_plain(&self, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        match lookups {
            [lookup] => Ok(vec![self.get(lookup).await?]),
            _ => self.get_many(lookups).await,
        }
    }

    /// Reads sessions of which some are known.
    async fn get_mixed(&self, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        let (known, plain): (Vec<_>, Vec<_>) = lookups.iter().partition(|lookup| lookup.known.is_some());
        let (known, plain) = try_join(self.get_if_changed(&known), self.get_plain(&plain)).await?;
        let (mut known, mut plain) = (known.into_iter(), plain.into_iter());
        let next = |lookup: &Lookup| if lookup.known.is_some() { known.next() } else { plain.next() };
        Ok(lookups.iter().map(next).map(|answer| answer.unwrap_or(Err(Error::Unexpected))).collect())
    }

    async fn destroy(&self, call: &Call, destroy: &Destroy) -> Result<Verdict> {
        let command = change::destroy_one(&self.keys, destroy);
        change::destroy_verdict(self.connections.write(&script::DESTROY, &command, Some(call)).await?)
    }

    /// Takes the next step of a walk over all keys of a kind: the first one at all servers, each further one at one.
    async fn step(&self, kind: Kind, walk: Option<&Walk>) -> Result<Walk> {
        let scan = |cursor| scan::scan(&self.keys, kind, cursor, STEP);
        let mut walk = walk.cloned();
        let answers = match walk.as_mut().map(|walk| walk.left.pop_front()) {
            None => self.connections.ask_all(&scan(0)).await?,
            Some(None) => Vec::new(),
            Some(Some((node, cursor))) => {
                let answer = self.connections.ask(&node, &scan(cursor)).await?;
                vec![(node, answer)]
            }
        };
        let (mut walk, mut found) = (walk.unwrap_or_default(), Vec::new());
        for (node, answer) in answers {
            walk.add(node, answer, &mut found)?;
        }
        Ok(walk.with_found(found))
    }

    /// Returns the heads of sessions, in order.
    async fn heads(&self, sessions: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        on_cluster!(self, heads(sessions));
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let gets: Vec<Cmd> = sessions.iter().map(|session| read::get_head(session)).collect();
        self.connections.read_all(&gets).await?.into_iter().map(read::head_bytes).collect()
    }

    /// Ends some of the sessions that a walk has found. Returns how many it looked at, ended and removed.
    async fn clear_some(&self, call: &Call, found: &[Vec<u8>]) -> Result<(usize, u64, u64)> {
        on_cluster!(self, clear_some(call, found));
        let some = found.chunks(user::PIECE).next().unwrap_or_default();
        let command = change::destroy(&self.keys, some, None);
        let answer = self.connections.write(&script::DESTROY, &command, Some(call)).await?;
        let (ended, removed) = change::destroyed(answer)?;
        Ok((some.len(), ended, removed))
    }

    /// Removes some entries of an index. Returns how many, and where to go on in it; nothing at its end.
    async fn prune_some(&self, call: &Call, index: &[u8], after: &[u8], limit: u32) -> Result<(u64, Vec<u8>)> {
        on_cluster!(self, prune_some(index, after, limit));
        let command = user::prune(&self.keys, index, after, limit);
        user::pruned(self.connections.write(&script::PRUNE, &command, Some(call)).await?)
    }
}

async fn refresh(clock: &ServerClock, connections: &Connections) -> Result<()> {
    let asked = Instant::now();
    let answer = connections.read(&redis::cmd("TIME")).await?;
    clock.set(server_time(answer)?, asked);
    Ok(())
}

/// A page that goes on with a walk.
fn page_of_walk(walk: Walk, live: u64, removed: u64) -> BulkPage<Cursor> {
    let next = walk.unless_over().map_or(Next::End, |walk| Next::From(Cursor(Place::Walk(walk))));
    BulkPage { live, removed, held: false, next }
}

/// The same page with the cursor of all bulk operations.
fn with_cursor<C>(page: BulkPage<C>, place: impl FnOnce(C) -> Place) -> BulkPage<Cursor> {
    let BulkPage { live, removed, held, next } = page;
    let next = match next {
        Next::End => Next::End,
        Next::From(position) => Next::From(Cursor(place(position))),
        Next::Again => Next::Again,
    };
    BulkPage { live, removed, held, next }
}

#[async_trait]
impl Backend for RedisBackend {
    const NAME: &'static str = "redis";
    /// The script makes several changes of a session one after the other.
    const ONE_CHANGE_PER_KEY: bool = false;

    type Error = Error;
    type Cursor = Cursor;

    fn classify(&self, error: &Error) -> Failure {
        classify(error, self.connections.is_cluster())
    }

    fn read_group(&self, options: &StoreOptions) -> Group {
        // On Cluster, the sessions of a batch would be on many servers.
        if self.connections.is_cluster() { Group::single() } else { Group::batched(options) }
    }

    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        vec![self.read_group(options), Group::single()]
    }

    fn group(&self, change: &Change) -> usize {
        usize::from(matches!(change, Change::Destroy(_)))
    }

    async fn read(&self, _call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        match lookups.iter().filter(|lookup| lookup.known.is_some()).count() {
            0 => self.get_plain(lookups).await,
            known if known == lookups.len() => Box::pin(self.get_if_changed(lookups)).await,
            _ => Box::pin(self.get_mixed(lookups)).await,
        }
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict>>> {
        on_cluster!(self, apply(call, changes));
        if let [Change::Destroy(destroy)] = changes {
            return Ok(vec![Ok(self.destroy(call, destroy).await?)]);
        }
        let command = change::change(&self.keys, changes)?;
        let answers = self.connections.write_each(&script::CHANGE, &command, call, changes.len()).await?;
        Ok(answers.map(|answer| verdict(&answer?)).collect())
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict> {
        on_cluster!(self, rotate(call, rotate));
        let command = change::rotate(&self.keys, rotate);
        verdict(&self.connections.write(&script::ROTATE, &command, Some(call)).await?)
    }

    async fn list_page(
        &self,
        _call: &Call,
        user: &UserId,
        after: Option<&SessionKey>,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Result<ListPage<Cursor>> {
        on_cluster!(self, list_page(user, after, limit));
        let after = if cursor.is_some() { Cursor::after(cursor) } else { crate::protocol::key_bytes_or_empty(after) };
        let command = user::list(&self.keys, user, after, limit);
        let answer = self.connections.read_script(&script::LIST_BY_USER, &command).await?;
        let ListPage { entries, corrupt, next } = user::listed_page(answer, user, limit)?;
        Ok(ListPage { entries, corrupt, next: next.map(|after| Cursor(Place::After(after))) })
    }

    async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        cursor: Option<&Cursor>,
    ) -> Result<BulkPage<Cursor>> {
        #[cfg(feature = "cluster")]
        if let Some(cluster) = &self.cluster {
            let pass = match cursor {
                Some(Cursor(Place::Pass(pass))) => Some(pass),
                _ => None,
            };
            return Ok(with_cursor(cluster.destroy_page(call, user, except, pass).await?, Place::Pass));
        }
        let after = Cursor::after(cursor);
        let command = user::destroy_by_user(&self.keys, user, except, after);
        let answer = self.connections.write(&script::DESTROY_BY_USER, &command, Some(call)).await?;
        Ok(with_cursor(user::destroyed_by_user(answer, after)?, Place::After))
    }

    async fn prune_page(&self, call: &Call, cursor: Option<&Cursor>, limit: u32) -> Result<BulkPage<Cursor>> {
        let walk = Cursor::walk(cursor);
        let Some((walk, index)) = walk.and_then(|walk| Some((walk, walk.found().first()?))) else {
            return Ok(page_of_walk(self.step(Kind::Index, walk).await?, 0, 0));
        };
        let (removed, after) = self.prune_some(call, index, &walk.after, limit).await?;
        let mut walk = walk.clone();
        if removed >= u64::from(limit) {
            // It may have stopped anywhere: the next piece begins where this one did.
        } else if after.is_empty() {
            walk.advance(1);
        } else {
            walk.after = after;
        }
        Ok(page_of_walk(walk, 0, removed))
    }

    async fn count_page(&self, _call: &Call, cursor: Option<&Cursor>) -> Result<CountPage<Cursor>> {
        let walk = self.step(Kind::Session, Cursor::walk(cursor)).await?;
        #[cfg_attr(not(feature = "cluster"), allow(unused_mut, reason = "it is changed on Cluster only"))]
        let mut keys: Vec<_> = walk.found().iter().filter_map(|name| self.keys.session_of(name)).collect();
        #[cfg(feature = "cluster")]
        if let Some(cluster) = &self.cluster {
            keys = cluster.sessions_among(keys).await?;
        }
        let walk = walk.with_found(Vec::new()).unless_over();
        Ok(CountPage { counted: Counted::Keys(keys), next: walk.map(|walk| Cursor(Place::Walk(walk))) })
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&Cursor>) -> Result<BulkPage<Cursor>> {
        let walk = Cursor::walk(cursor);
        let Some(walk) = walk.filter(|walk| !walk.found().is_empty()) else {
            return Ok(page_of_walk(self.step(Kind::Session, walk).await?, 0, 0));
        };
        let (done, live, removed) = self.clear_some(call, walk.found()).await?;
        let mut walk = walk.clone();
        walk.advance(done);
        Ok(page_of_walk(walk, live, removed))
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        ScanPosition::decode(bytes, self.connections.is_cluster()).is_some()
    }

    async fn scan_page(&self, _call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage> {
        let position = from.and_then(|bytes| ScanPosition::decode(bytes, self.connections.is_cluster()));
        #[cfg(feature = "cluster")]
        let (next, mut found) = match &self.cluster {
            Some(cluster) => Box::pin(cluster.scan(position, limit)).await?,
            None => self.scan(position, limit).await?,
        };
        #[cfg(not(feature = "cluster"))]
        let (next, mut found) = self.scan(position, limit).await?;
        // SCAN may give a key twice.
        found.sort_unstable();
        found.dedup();
        let mut page = ScannedPage { entries: Vec::with_capacity(found.len()), corrupt: 0, next: None };
        for (name, head) in found.iter().zip(self.heads(&found).await?) {
            let Some(key) = self.keys.session_of(name).filter(|_| !head.is_empty()) else { continue };
            match decode(&key, &head) {
                Ok(Stored::Session(head)) => page.entries.push(Entry { key, meta: head.meta }),
                Ok(Stored::Moved) => {}
                Err(_) => page.corrupt += 1,
            }
        }
        page.next = next.map(|position| position.encode());
        Ok(page)
    }

    async fn ping(&self, _call: &Call) -> Result<()> {
        // A question about a key, which also a server that is still loading refuses.
        let mut exists = redis::cmd("EXISTS");
        exists.arg(self.keys.prefix(Kind::Session));
        self.connections.read(&exists).await.map(drop)
    }

    async fn close(&self, _call: &Call) {
        self.connections.close();
    }

    fn on_timeout(&self, call: &Call) {
        // A connection that was made since has had less than half of the operation timeout, which proves nothing.
        if let Some(since) = call.deadline().instant().checked_sub(self.operation_timeout / 2) {
            self.connections.mark_stale(since);
        }
    }
}

impl RedisBackend {
    /// Looks at some keys of one server.
    async fn scan(&self, position: Option<ScanPosition>, limit: u32) -> Result<(Option<ScanPosition>, Vec<Vec<u8>>)> {
        let cursor = position.map_or(0, |position| position.cursor);
        let answer = self.connections.read(&scan::scan(&self.keys, Kind::Session, cursor, limit)).await?;
        let (cursor, found) = scan::scanned(answer)?;
        Ok(((cursor != 0).then_some(ScanPosition { cursor, master: None }), found))
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("cluster", &self.connections.is_cluster()).finish_non_exhaustive()
    }
}
