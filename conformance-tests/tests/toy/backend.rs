//! A store on an embedded key-value database: a sorted map from byte strings to byte strings.
//!
//! Records are under `s` + session key. Their index entries, under `u` + user + NUL + session key, are empty and change
//! in the same step. A corrupt record shows no owner, so destroying it leaves its entry behind, for `prune` to remove.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Counted, Destroy, Failure, Import, ListPage, Lookup, Next, Retry,
    Rotate, ScannedPage, Set, Verdict,
};
use session_store_core::{
    Entry, ErrorKind, IfChanged, Meta, Record, SessionKey, SetMode, Timestamp, UserId, Version, async_trait,
};
use tokio::task::yield_now;

pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The rows that one statement visits, each with its session, and where to continue.
type Piece = (Vec<(Vec<u8>, SessionKey)>, Option<Vec<u8>>);
type Bulk = BulkPage<Vec<u8>>;

/// The layout of records (M1).
const LAYOUT: u8 = 1;
/// How many rows one statement of a bulk operation visits.
const PIECE: usize = 50;

/// Counts the statements and the `apply`s of a database of which some fail. A failure executes nothing.
pub(crate) type Faults = (AtomicU64, AtomicU64);

fn is_due(counter: &AtomicU64, every: u64) -> bool {
    counter.fetch_add(1, Ordering::Relaxed) % every == every - 1
}

pub(crate) enum ToyError {
    CorruptRecord,
    Overloaded,
}

type Result<T, E = ToyError> = std::result::Result<T, E>;

/// A handle on a namespace, which is a map of its own.
pub(crate) struct Toy<const ONE_CHANGE_PER_KEY: bool> {
    pub(crate) rows: Arc<Mutex<Rows>>,
    pub(crate) faults: Option<Arc<Faults>>,
}

/// Shows no rows, because the `Debug` of a store shows its backend's (E2).
impl<const ONE: bool> fmt::Debug for Toy<ONE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toy").finish_non_exhaustive()
    }
}

impl<const ONE: bool> Toy<ONE> {
    /// Runs a statement. Other tasks get a turn before it is executed, and before its answer arrives.
    async fn execute<T>(&self, call: &Call, statement: impl FnOnce(&mut Rows, Timestamp) -> T) -> Result<T> {
        call.mark_sent();
        yield_now().await;
        if self.faults.as_ref().is_some_and(|faults| is_due(&faults.0, 7)) {
            return Err(ToyError::Overloaded);
        }
        let now = || Timestamp::from_millis(0).saturating_add(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default());
        // The clock is read under the lock, so that a touch that waited for it revives nothing (T2).
        let answer = statement(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner), now());
        yield_now().await;
        Ok(answer)
    }
}

pub(crate) fn row_key(key: &SessionKey) -> Vec<u8> {
    [b"s", key.as_bytes().as_slice()].concat()
}

/// Returns the key of an index entry, or its beginning without a session key. The NUL, which no user contains, keeps
/// users apart (L2).
fn index_key(user: &UserId, key: &[u8]) -> Vec<u8> {
    [b"u", user.as_str().as_bytes(), b"\0", key].concat()
}

/// Encodes a record: its layout, four times, the version, the user (empty for none), NUL and the data.
fn encode(meta: &Meta, data: &[u8]) -> Vec<u8> {
    let user = meta.user.as_ref().map_or("", UserId::as_str);
    let times = [meta.created_at, meta.last_seen_at, meta.expires_at, meta.deadline];
    let times = times.map(|time| time.as_millis().to_be_bytes());
    [&[LAYOUT], times.as_flattened(), meta.version.as_bytes(), user.as_bytes(), b"\0", data].concat()
}

/// Returns `None` for bytes that `encode` has not written (Z1).
fn decode<'a>(key: &SessionKey, bytes: &'a [u8]) -> Option<(Meta, &'a [u8])> {
    let (times, rest) = bytes.strip_prefix(&[LAYOUT])?.split_first_chunk::<32>()?;
    let (version, rest) = rest.split_first_chunk::<{ Version::LEN }>()?;
    let (user, data) = rest.split_at_checked(rest.iter().position(|byte| *byte == 0)?)?;
    let user = if user.is_empty() { None } else { Some(UserId::new(str::from_utf8(user).ok()?).ok()?) };
    let times: &[[u8; 8]; 4] = times.as_chunks().0.try_into().ok()?;
    let [created_at, last_seen_at, expires_at, deadline] =
        times.map(|millis| Timestamp::from_millis(i64::from_be_bytes(millis)));
    let meta = Meta { user, created_at, last_seen_at, expires_at, deadline, version: Version::from_bytes(*version) };
    meta.check(key).is_ok().then_some((meta, data.strip_prefix(b"\0")?))
}

/// What the database holds of a session. What cannot be read counts as live, because its expiry cannot be read either.
enum Found<'a> {
    Live(Meta, &'a [u8]),
    Corrupt,
    Gone,
}

/// Returns what a row refers to. An index entry is stale, and refers to nothing, unless the session is its user's.
fn find<'a>(rows: &'a Rows, row: &[u8], now: Timestamp) -> Found<'a> {
    let Some(key) = row.last_chunk().copied().map(SessionKey::from_bytes) else { return Found::Gone };
    let is_entry_of = |user: &UserId| index_key(user, key.as_bytes()) == row;
    let is_stale = |meta: &Meta| row.starts_with(b"u") && !meta.user.as_ref().is_some_and(is_entry_of);
    match rows.get(&row_key(&key)).map(|bytes| decode(&key, bytes)) {
        Some(None) => Found::Corrupt,
        Some(Some((meta, data))) if meta.is_live(now) && !is_stale(&meta) => Found::Live(meta, data),
        _ => Found::Gone,
    }
}

/// Removes a record with its index entry.
fn remove(rows: &mut Rows, key: &SessionKey) {
    let Some(bytes) = rows.remove(&row_key(key)) else { return };
    if let Some((Meta { user: Some(user), .. }, _)) = decode(key, &bytes) {
        rows.remove(&index_key(&user, key.as_bytes()));
    }
}

/// Writes a record with its index entry, in place of what is there.
fn put(rows: &mut Rows, key: &SessionKey, meta: &Meta, data: &[u8]) {
    remove(rows, key);
    rows.extend(meta.user.as_ref().map(|user| (index_key(user, key.as_bytes()), Vec::new())));
    rows.insert(row_key(key), encode(meta, data));
}

/// Decides and changes in one step.
fn change(rows: &mut Rows, now: Timestamp, change: &Change) -> Verdict {
    let before = match (find(rows, &row_key(change.key()), now), change) {
        // An import that is dead changes nothing, whatever it falls on (W1).
        (_, Change::Import(import)) if !import.meta.is_live(now) => return Verdict::NotFound,
        (Found::Corrupt, Change::Destroy(Destroy { key, version: None })) => {
            remove(rows, key);
            return Verdict::Done;
        }
        (Found::Corrupt, _) => return Verdict::Corrupt,
        (Found::Live(meta, data), _) => Some((meta, data)),
        (Found::Gone, _) => None,
    };
    match (change, before) {
        (Change::Set(Set { mode: SetMode::Create, .. }), Some(_)) => return Verdict::AlreadyExists,
        (Change::Set(Set { mode: SetMode::Replace | SetMode::Update(_), .. }), None) => return Verdict::NotFound,
        (
            Change::Set(Set { mode: SetMode::Update(expected), .. })
            | Change::Destroy(Destroy { version: Some(expected), .. })
            | Change::Rotate(Rotate { expected: Some(expected), .. }),
            Some((meta, _)),
        ) if meta.version != *expected => return Verdict::Conflict,
        (Change::Set(Set { key, write, version, .. }), before) => {
            let before = before.map(|(meta, _)| meta);
            put(rows, key, &Meta::written(write, before.as_ref(), now, *version), write.data());
        }
        (Change::Import(Import { key, meta, data }), _) => put(rows, key, meta, data),
        (_, None) => return Verdict::NotFound,
        (Change::Touch(touch), Some((mut meta, data))) => {
            meta.touch(touch.idle, now);
            let data = data.to_vec();
            put(rows, &touch.key, &meta, &data);
        }
        (Change::Destroy(destroy), Some(_)) => remove(rows, &destroy.key),
        (Change::Rotate(Rotate { from, to, write, version, .. }), Some((before, _))) => {
            match find(rows, &row_key(to), now) {
                Found::Live(..) => return Verdict::AlreadyExists,
                Found::Corrupt => return Verdict::TargetCorrupt,
                Found::Gone => remove(rows, from),
            }
            put(rows, to, &Meta::written(write, Some(&before), now, *version), write.data());
        }
    }
    Verdict::Done
}

/// Returns up to `limit` rows whose keys have a prefix, in order, and the last of them if more follow.
fn walk(rows: &Rows, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Piece {
    let range = rows.range::<[u8], _>((after.map_or(Included(prefix), Excluded), Unbounded));
    let mut range = range.map(|(row, _)| row).take_while(|row| row.starts_with(prefix)).peekable();
    let with_session = |row: &Vec<u8>| Some((row.clone(), SessionKey::from_bytes(*row.last_chunk()?)));
    let visited: Vec<_> = range.by_ref().take(limit).filter_map(with_session).collect();
    let next = range.peek().and(visited.last()).map(|(row, _)| row.clone());
    (visited, next)
}

/// Returns the live sessions of a piece.
fn list(rows: &Rows, now: Timestamp, (visited, next): Piece) -> ListPage<Vec<u8>> {
    let mut page = ListPage { entries: Vec::new(), corrupt: 0, next };
    for (row, key) in visited {
        match find(rows, &row, now) {
            Found::Live(meta, _) => page.entries.push(Entry { key, meta }),
            Found::Corrupt => page.corrupt += 1,
            Found::Gone => {}
        }
    }
    page
}

/// Removes up to `limit` rows of a piece: what is dead or stale, and those sessions that `ends` chooses.
fn sweep(rows: &mut Rows, now: Timestamp, piece: Piece, limit: u32, ends: impl Fn(&SessionKey) -> bool) -> Bulk {
    let mut page = BulkPage { live: 0, removed: 0, held: false, next: piece.1.map_or(Next::End, Next::From) };
    for (row, key) in piece.0 {
        let found = find(rows, &row, now);
        let (is_live, is_gone) = (matches!(found, Found::Live(..)), matches!(found, Found::Gone));
        // A row may have gone with one before it.
        if rows.contains_key(&row) && (is_gone || ends(&key)) {
            // The session of a stale entry stays, because it may be another user's.
            if row.starts_with(b"s") || !is_gone {
                remove(rows, &key);
            }
            rows.remove(&row);
            page.removed += 1;
            page.live += u64::from(is_live);
        }
        if page.removed == u64::from(limit) {
            page.next = Next::From(row);
            break;
        }
    }
    page
}

#[async_trait]
impl<const ONE: bool> Backend for Toy<ONE> {
    const NAME: &'static str = "toy";
    const ONE_CHANGE_PER_KEY: bool = ONE;
    type Error = ToyError;
    /// The last database key that was visited.
    type Cursor = Vec<u8>;

    fn classify(&self, error: &ToyError) -> Failure {
        match error {
            ToyError::CorruptRecord => Failure::new(ErrorKind::Corrupt, "the record is not one of this store's"),
            ToyError::Overloaded => Failure::new(ErrorKind::Unavailable, "the database is overloaded; try again later")
                .with_retry(Retry::UntilDeadline),
        }
    }

    async fn read(&self, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        let read = |rows: &Rows, read_at, Lookup { key, known, .. }: &Lookup| match find(rows, &row_key(key), read_at) {
            Found::Live(meta, _) if *known == Some(meta.version) => Ok(IfChanged::Unchanged { meta, read_at }),
            Found::Live(meta, data) => Ok(IfChanged::Changed(Record { meta, data: data.to_vec().into(), read_at })),
            Found::Corrupt => Err(ToyError::CorruptRecord),
            Found::Gone => Ok(IfChanged::Gone),
        };
        self.execute(call, |rows, now| lookups.iter().map(|lookup| read(rows, now, lookup)).collect()).await
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict>>> {
        let is_busy = self.faults.as_ref().is_some_and(|faults| is_due(&faults.1, 11));
        let apply = |rows: &mut Rows, now| {
            let verdict = |(n, one)| Ok(if is_busy && n == 0 { Verdict::Busy } else { change(rows, now, one) });
            changes.iter().enumerate().map(verdict).collect()
        };
        self.execute(call, apply).await
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict> {
        let rotate = Change::Rotate(rotate.clone());
        self.execute(call, |rows, now| change(rows, now, &rotate)).await
    }

    #[rustfmt::skip]
    async fn list_page(
        &self, call: &Call, user: &UserId, after: Option<&SessionKey>, cursor: Option<&Vec<u8>>, limit: u32,
    ) -> Result<ListPage<Vec<u8>>> {
        let prefix = index_key(user, b"");
        let after = cursor.cloned().or_else(|| after.map(|key| index_key(user, key.as_bytes())));
        let sessions = |rows: &Rows| walk(rows, &prefix, after.as_deref(), PIECE.min(limit as usize));
        self.execute(call, |rows, now| list(rows, now, sessions(rows))).await
    }

    #[rustfmt::skip]
    async fn destroy_page(
        &self, call: &Call, user: &UserId, except: Option<&SessionKey>, cursor: Option<&Vec<u8>>,
    ) -> Result<Bulk> {
        let destroy = |rows: &mut Rows, now| {
            let piece = walk(rows, &index_key(user, b""), cursor.map(Vec::as_slice), PIECE);
            sweep(rows, now, piece, u32::MAX, |key| Some(key) != except)
        };
        let page = self.execute(call, destroy).await?;
        // A rotation may have carried a session behind the cursor.
        let next = if cursor.is_some() && page.next == Next::End { Next::Again } else { page.next };
        Ok(BulkPage { next, ..page })
    }

    async fn prune_page(&self, call: &Call, cursor: Option<&Vec<u8>>, limit: u32) -> Result<Bulk> {
        let all = |rows: &Rows| walk(rows, b"", cursor.map(Vec::as_slice), PIECE);
        self.execute(call, |rows, now| sweep(rows, now, all(rows), limit, |_| false)).await
    }

    async fn count_page(&self, call: &Call, cursor: Option<&Vec<u8>>) -> Result<CountPage<Vec<u8>>> {
        let records = |rows: &Rows| walk(rows, b"s", cursor.map(Vec::as_slice), PIECE);
        let page = self.execute(call, |rows, now| list(rows, now, records(rows))).await?;
        Ok(CountPage { counted: Counted::Sessions(page.entries.len() as u64), next: page.next })
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&Vec<u8>>) -> Result<Bulk> {
        let all = |rows: &Rows| walk(rows, b"", cursor.map(Vec::as_slice), PIECE);
        self.execute(call, |rows, now| sweep(rows, now, all(rows), u32::MAX, |_| true)).await
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        bytes.len() == 1 + SessionKey::LEN && bytes.starts_with(b"s")
    }

    async fn scan_page(&self, call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage> {
        let records = |rows: &Rows| walk(rows, b"s", from, limit as usize);
        let page = self.execute(call, |rows, now| list(rows, now, records(rows))).await?;
        Ok(ScannedPage { entries: page.entries, corrupt: page.corrupt, next: page.next })
    }

    async fn ping(&self, call: &Call) -> Result<()> {
        self.execute(call, |_, _| ()).await
    }
}
