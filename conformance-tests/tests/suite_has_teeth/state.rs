//! What the reference store keeps: two tables, and no cleverness.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_store_core::{
    Bytes, Error, ErrorKind, IfChanged, Meta, Record, Result, SessionKey, Timestamp, UserId, Version,
};

use crate::wrong::Fault;

/// One namespace.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) fault: Option<Fault>,
    /// Held by each request in turn, in a store that has one connection.
    pub(crate) line: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) meta: Meta,
    pub(crate) data: Bytes,
    pub(crate) corrupt: bool,
    /// When it leaves the index, in a store whose index has expiries of its own.
    pub(crate) listed_until: Timestamp,
    /// When it was last seen and expires, as the last write left it.
    pub(crate) written_times: (Timestamp, Timestamp),
    /// Destroyed as far as a get can see.
    pub(crate) hidden: bool,
    /// The row before the last write, for stores that read from a replica.
    pub(crate) before: Option<Box<Row>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) fault: Option<Fault>,
    pub(crate) now: Timestamp,
    pub(crate) rows: BTreeMap<SessionKey, Row>,
    pub(crate) index: BTreeSet<(UserId, SessionKey)>,
    /// When all of a user's index dies, in a store where it does.
    pub(crate) index_until: BTreeMap<UserId, Timestamp>,
    pub(crate) reads: u64,
    /// Held by a clear that is under way, in a store that takes such a lock.
    pub(crate) clearing: bool,
    /// How many requests for each session are under way, in stores that take them in turn.
    pub(crate) under_way: HashMap<SessionKey, usize>,
    /// How many requests there were, in such stores.
    pub(crate) requests: u64,
    /// What readers of a session share, in a store where they do.
    pub(crate) shared_answers: HashMap<SessionKey, IfChanged>,
    /// The data of every version that ever was.
    pub(crate) data_of_versions: HashMap<Version, Bytes>,
    /// The keys of each walk, in a store that collects them when it begins.
    pub(crate) snapshots: Vec<Vec<SessionKey>>,
    /// How many handles there were.
    pub(crate) handles: u16,
    /// The store was closed for all.
    pub(crate) is_closed: bool,
}

impl World {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        let now = Timestamp::from_millis(1_000_000_000_000);
        let state = State {
            fault,
            now,
            rows: BTreeMap::new(),
            index: BTreeSet::new(),
            index_until: BTreeMap::new(),
            reads: 0,
            clearing: false,
            under_way: HashMap::new(),
            requests: 0,
            shared_answers: HashMap::new(),
            data_of_versions: HashMap::new(),
            snapshots: Vec::new(),
            handles: 0,
            is_closed: false,
        };
        Self { fault, line: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    pub(crate) fn new(meta: Meta, data: Bytes) -> Self {
        let (listed_until, written_times) = (meta.expires_at, (meta.last_seen_at, meta.expires_at));
        Self { meta, data, corrupt: false, listed_until, written_times, hidden: false, before: None }
    }

    pub(crate) fn record(&self, read_at: Timestamp) -> Record {
        Record { meta: self.meta.clone(), data: self.data.clone(), read_at }
    }
}

impl State {
    fn wrong(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The clock by which this store judges.
    pub(crate) fn judged_at(&self) -> Timestamp {
        let off = Duration::from_millis(100);
        if self.wrong(Fault::ExpiresEarly) {
            self.now.saturating_add(off)
        } else if self.wrong(Fault::ExpiresLate) {
            Timestamp::from_millis(self.now.as_millis() - 100)
        } else {
            self.now
        }
    }

    pub(crate) fn is_live(&self, meta: &Meta) -> bool {
        let now = self.judged_at();
        if self.wrong(Fault::NeverExpires) {
            true
        } else if self.wrong(Fault::IgnoresTheDeadline) {
            now < meta.expires_at
        } else {
            meta.is_live(now)
        }
    }

    pub(crate) fn live(&self, key: &SessionKey) -> Result<Option<Row>> {
        match self.rows.get(key) {
            Some(row) if row.corrupt => Err(self.corrupt(key)),
            Some(row) if row.hidden && self.hides() => Ok(None),
            Some(row) if self.is_live(&row.meta) => Ok(Some(row.clone())),
            _ => Ok(None),
        }
    }

    /// Whether what was destroyed is only hidden, from all but lists.
    pub(crate) fn hides(&self) -> bool {
        self.wrong(Fault::DestroyedStayListed) || self.wrong(Fault::DestroyedAtAVersionStayListed)
    }

    pub(crate) fn corrupt(&self, key: &SessionKey) -> Error {
        assert!(!self.wrong(Fault::CorruptPanics), "cannot decode");
        if self.wrong(Fault::CorruptErrorsShowTheKey) {
            return Error::corrupt(key, format!("cannot read {}", key.to_text()));
        }
        if self.wrong(Fault::CorruptErrorsNameNoRecord) {
            return Error::new(ErrorKind::Corrupt, "cannot read the record");
        }
        Error::corrupt(key, "planted by the suite")
    }

    pub(crate) fn put(&mut self, key: SessionKey, meta: Meta, data: Bytes) {
        let before = self.rows.remove(&key).map(|mut row| {
            row.before = None;
            Box::new(row)
        });
        let owner_left = before.as_ref().and_then(|row| row.meta.user.clone());
        let moves = owner_left != meta.user || !self.wrong(Fault::TheIndexDiesWithAFirstDeadline);
        if let Some(user) = owner_left.filter(|_| moves && !self.wrong(Fault::FormerOwnersStayInTheIndex)) {
            self.index.remove(&(user, key));
        }
        if let Some(user) = &meta.user {
            let listed = self.index.insert((user.clone(), key));
            if listed || !self.wrong(Fault::TheIndexDiesWithAFirstDeadline) {
                self.index_until.insert(user.clone(), meta.deadline);
            }
        } else if self.wrong(Fault::TheAnonymousBelongToNull) {
            self.index.extend(UserId::new("null").map(|null| (null, key)));
        }
        self.data_of_versions.insert(meta.version, data.clone());
        self.rows.insert(key, Row { before, ..Row::new(meta, data) });
    }

    pub(crate) fn remove(&mut self, key: &SessionKey) -> Option<Row> {
        let row = self.rows.remove(key)?;
        if let Some(user) = &row.meta.user {
            self.index.remove(&(user.clone(), *key));
        }
        Some(row)
    }

    /// The keys that the index has for a user.
    pub(crate) fn keys_of(&self, user: &UserId) -> Vec<SessionKey> {
        let dies =
            self.wrong(Fault::TheIndexDiesWithItsLastWriter) || self.wrong(Fault::TheIndexDiesWithAFirstDeadline);
        if dies && self.index_until.get(user).is_some_and(|until| *until <= self.now) {
            return Vec::new();
        }
        self.index.iter().filter(|(known, _)| self.is_same_user(known, user)).map(|(_, key)| *key).collect()
    }

    pub(crate) fn is_same_user(&self, one: &UserId, other: &UserId) -> bool {
        let (one, other) = (one.as_str(), other.as_str());
        match self.fault {
            Some(Fault::UsersMatchByPrefix) => one.starts_with(other),
            Some(Fault::UsersIgnoreCase) => one.to_lowercase() == other.to_lowercase(),
            Some(Fault::UsersAreTrimmed) => one.trim() == other.trim(),
            Some(Fault::UsersAreCutAt64Bytes) => one.as_bytes().iter().take(64).eq(other.as_bytes().iter().take(64)),
            Some(Fault::UsersAreGlobs) => other == "*" || one == other,
            _ => one == other,
        }
    }
}
