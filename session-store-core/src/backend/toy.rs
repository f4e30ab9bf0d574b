use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

use session_store_core::backend::*;
use session_store_core::{Entry, IfChanged, Meta, Record, SessionKey, SetMode, Timestamp, UserId, async_trait};

/// A "database" that is a map behind a lock. A real backend holds connections.
#[derive(Debug, Default)]
pub struct Toy(Mutex<BTreeMap<SessionKey, Record>>);

impl Toy {
    fn rows(&self) -> (MutexGuard<'_, BTreeMap<SessionKey, Record>>, Timestamp) {
        let rows = self.0.lock().unwrap();
        (rows, Timestamp::from_millis(0).saturating_add(SystemTime::UNIX_EPOCH.elapsed().unwrap()))
    }

    /// Decides and changes in one step.
    fn change(&self, change: &Change) -> Verdict {
        let (mut rows, now) = self.rows();
        let live = |key: &SessionKey| rows.get(key).map(|row| row.meta.clone()).filter(|meta| meta.is_live(now));
        let (key, meta, data) = match (change, live(change.key())) {
            (Change::Set(set), before) => match (set.mode, &before) {
                (SetMode::Create, Some(_)) => return Verdict::AlreadyExists,
                (SetMode::Replace | SetMode::Update(_), None) => return Verdict::NotFound,
                (SetMode::Update(expected), Some(meta)) if meta.version != expected => return Verdict::Conflict,
                _ => (set.key, Meta::written(&set.write, before.as_ref(), now, set.version), set.write.data()),
            },
            (Change::Import(import), _) if import.meta.is_live(now) => (import.key, import.meta.clone(), &import.data),
            (Change::Destroy(Destroy { version: Some(version), .. }), Some(meta)) if meta.version != *version => {
                return Verdict::Conflict;
            }
            (Change::Rotate(Rotate { expected: Some(version), .. }), Some(meta)) if meta.version != *version => {
                return Verdict::Conflict;
            }
            (Change::Rotate(rotate), Some(_)) if live(&rotate.to).is_some() => return Verdict::AlreadyExists,
            (Change::Rotate(rotate), Some(meta)) => {
                rows.remove(&rotate.from);
                (rotate.to, Meta::written(&rotate.write, Some(&meta), now, rotate.version), rotate.write.data())
            }
            (Change::Destroy(destroy), Some(_)) => {
                rows.remove(&destroy.key);
                return Verdict::Done;
            }
            (Change::Touch(touch), Some(_)) => {
                rows.entry(touch.key).and_modify(|row| row.meta.touch(touch.idle, now));
                return Verdict::Done;
            }
            _ => return Verdict::NotFound,
        };
        rows.insert(key, Record { meta, data: data.clone(), read_at: now });
        Verdict::Done
    }

    /// Removes up to `limit` rows, and counts the live ones among them.
    fn remove(&self, limit: u32, condition: impl Fn(&SessionKey, &Meta, bool) -> bool) -> BulkPage<()> {
        let (mut rows, now) = self.rows();
        let meets = |(key, row): &(&SessionKey, &Record)| condition(key, &row.meta, row.meta.is_live(now));
        let keys: Vec<_> = rows.iter().filter(meets).map(|(key, _)| *key).take(limit as usize).collect();
        let gone: Vec<_> = keys.iter().filter_map(|key| rows.remove(key)).collect();
        let live = gone.iter().filter(|row| row.meta.is_live(now)).count() as u64;
        let next = if gone.len() == limit as usize { Next::Again } else { Next::End };
        BulkPage { live, removed: gone.len() as u64, held: false, next }
    }

    /// Live rows after a key.
    fn list(&self, after: Option<SessionKey>, limit: u32, condition: impl Fn(&Meta) -> bool) -> Vec<Entry> {
        let (rows, now) = self.rows();
        let rows = rows.range((after.map_or(Unbounded, Excluded), Unbounded));
        let live = rows.filter(|(_, row)| row.meta.is_live(now) && condition(&row.meta));
        live.map(|(key, row)| Entry { key: *key, meta: row.meta.clone() }).take(limit as usize).collect()
    }
}

type Result<T> = std::result::Result<T, Infallible>;

#[async_trait]
impl Backend for Toy {
    const NAME: &'static str = "toy";
    const ONE_CHANGE_PER_KEY: bool = false;
    type Error = Infallible;
    type Cursor = ();

    fn classify(&self, error: &Infallible) -> Failure {
        match *error {}
    }

    async fn read(&self, _: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged>>> {
        let (rows, now) = self.rows();
        let read = |lookup: &Lookup| match (rows.get(&lookup.key).filter(|row| row.meta.is_live(now)), lookup.known) {
            (None, _) => IfChanged::Gone,
            (Some(row), Some(version)) => IfChanged::compare(Some(Record { read_at: now, ..row.clone() }), version),
            (Some(row), None) => IfChanged::Changed(Record { read_at: now, ..row.clone() }),
        };
        Ok(lookups.iter().map(|lookup| Ok(read(lookup))).collect())
    }

    async fn apply(&self, _: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict>>> {
        Ok(changes.iter().map(|change| Ok(self.change(change))).collect())
    }

    async fn rotate(&self, _: &Call, rotate: &Rotate) -> Result<Verdict> {
        Ok(self.change(&Change::Rotate(rotate.clone())))
    }

    #[rustfmt::skip]
    async fn list_page(
        &self, _: &Call, user: &UserId, after: Option<&SessionKey>, _: Option<&()>, limit: u32,
    ) -> Result<ListPage<()>> {
        let entries = self.list(after.copied(), limit, |meta| meta.user.as_ref() == Some(user));
        Ok(ListPage { entries, corrupt: 0, next: None })
    }

    #[rustfmt::skip]
    async fn destroy_page(
        &self, _: &Call, user: &UserId, except: Option<&SessionKey>, _: Option<&()>,
    ) -> Result<BulkPage<()>> {
        Ok(self.remove(1_000, |key, meta, _| meta.user.as_ref() == Some(user) && Some(key) != except))
    }

    async fn prune_page(&self, _: &Call, _: Option<&()>, limit: u32) -> Result<BulkPage<()>> {
        Ok(self.remove(limit, |_, _, is_live| !is_live))
    }

    async fn count_page(&self, _: &Call, _: Option<&()>) -> Result<CountPage<()>> {
        Ok(CountPage { counted: Counted::Sessions(self.list(None, u32::MAX, |_| true).len() as u64), next: None })
    }

    async fn clear_page(&self, _: &Call, _: Option<&()>) -> Result<BulkPage<()>> {
        Ok(self.remove(u32::MAX, |_, _, _| true))
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        bytes.len() == SessionKey::LEN
    }

    async fn scan_page(&self, _: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage> {
        let after = from.and_then(|bytes| bytes.try_into().ok()).map(SessionKey::from_bytes);
        let entries = self.list(after, limit, |_| true);
        let next = entries.last().map(|last| last.key.as_bytes().to_vec());
        Ok(ScannedPage { entries, corrupt: 0, next })
    }

    async fn ping(&self, _: &Call) -> Result<()> {
        Ok(())
    }
}
