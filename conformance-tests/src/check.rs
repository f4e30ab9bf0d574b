//! What cases assert.

use std::collections::HashSet;
use std::fmt::Debug;

use session_store_core::{
    Entry, ErrorKind, Page, Record, Result, SessionKey, SessionStore, SetMode, Timestamp, UserId,
};

use crate::Capability;
use crate::case::{Context, Outcome, fail, key, write};

pub(crate) fn ensure(condition: bool, what: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(fail(what())) }
}

pub(crate) fn same<T: PartialEq + Debug>(actual: &T, expected: &T, what: &str) -> Outcome {
    ensure(actual == expected, || format!("{what}: expected {expected:?}, found {actual:?}"))
}

/// The operation failed with this kind.
pub(crate) fn refused<T>(result: Result<T>, kind: ErrorKind, what: &str) -> Outcome {
    match result {
        Ok(_) => Err(fail(format!("{what}: expected the refusal {kind}, and it succeeded"))),
        Err(error) => same(&error.kind(), &kind, what),
    }
}

/// The operation failed because the record of this key cannot be read.
pub(crate) fn corrupt<T>(result: Result<T>, key: &SessionKey, what: &str) -> Outcome {
    let named = result.as_ref().err().and_then(|error| error.key().map(SessionKey::to_text));
    refused(result, ErrorKind::Corrupt, what)?;
    same(&named, &Some(key.to_text()), &format!("{what}: the key that Corrupt is about"))
}

/// The record of a session that must be live.
pub(crate) async fn live(store: &dyn SessionStore, key: &SessionKey, what: &str) -> Outcome<Record> {
    store.get(key).await?.ok_or_else(|| fail(format!("{what}: the session must be live, and get gives None")))
}

pub(crate) async fn gone(store: &dyn SessionStore, key: &SessionKey, what: &str) -> Outcome {
    match store.get(key).await? {
        None => Ok(()),
        Some(_) => Err(fail(format!("{what}: the session must not be live, and get gives it"))),
    }
}

/// Owner, times, version and data are what they were.
pub(crate) async fn unchanged(store: &dyn SessionStore, key: &SessionKey, before: &Record, what: &str) -> Outcome {
    let after = live(store, key, what).await?;
    same(&after.meta, &before.meta, what)?;
    same(&after.data, &before.data, what)
}

/// All entries of a user, and that the pages are in order and of the size that was asked for.
pub(crate) async fn entries(store: &dyn SessionStore, user: &UserId, limit: u32) -> Outcome<Vec<Entry>> {
    let mut all: Vec<Entry> = Vec::new();
    let mut next = Some(Page::first(limit)?);
    while let Some(mut page) = next {
        let entries = store.list_by_user(user, &page).await?;
        next = page.next(&entries);
        ensure(entries.len() <= limit as usize, || format!("a page of {limit} has {} entries", entries.len()))?;
        for entry in &entries {
            let owner = entry.meta.user.as_ref().map(UserId::as_str);
            let name = user.as_str();
            ensure(owner == Some(name), || format!("the list of {name:?} has a session of {owner:?}"))?;
            ensure(page.after().is_none_or(|after| entry.key > *after), || "a page goes back".to_owned())?;
            page = page.following(entry.key);
        }
        all.extend(entries);
    }
    Ok(all)
}

/// A user's list holds these sessions and no others, in ascending order.
pub(crate) async fn lists(store: &dyn SessionStore, user: &UserId, expected: &[SessionKey], what: &str) -> Outcome {
    let listed: Vec<_> = entries(store, user, 100).await?.iter().map(|entry| entry.key).collect();
    let missing = expected.iter().filter(|key| !listed.contains(key)).count();
    let unexpected = listed.iter().filter(|key| !expected.contains(key)).count();
    let counts = || format!("{what}: {} are listed; {missing} are missing, {unexpected} unexpected", listed.len());
    ensure(missing == 0 && listed.len() == expected.len(), counts)?;
    ensure(listed.is_sorted(), || format!("{what}: the list is not in the order of its keys"))
}

/// All entries that a walk through the namespace returns, possibly several of one session.
pub(crate) async fn walk(store: &dyn SessionStore, limit: u32) -> Outcome<Vec<Entry>> {
    let (mut entries, mut cursor) = (Vec::new(), None);
    for _ in 0..1_000_000 {
        let page = store.scan(cursor.as_ref(), limit).await?;
        entries.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(entries);
        }
    }
    Err(fail("a walk through the namespace does not end"))
}

/// A walk returns these sessions and no others.
pub(crate) async fn scans(store: &dyn SessionStore, expected: &[SessionKey], what: &str) -> Outcome {
    let found: HashSet<_> = walk(store, Page::MAX_LIMIT).await?.iter().map(|entry| entry.key).collect();
    let missing = expected.iter().filter(|key| !found.contains(key)).count();
    let unexpected = found.iter().filter(|key| !expected.contains(key)).count();
    ensure(missing == 0 && unexpected == 0, || {
        format!("{what}: a scan returns {}; {missing} are missing, {unexpected} unexpected", found.len())
    })
}

impl Context {
    /// [`lists`](lists) in cases that are about something else, and that a store without an
    /// index of users has to pass as well.
    pub(crate) async fn lists(
        &self,
        store: &dyn SessionStore,
        user: &UserId,
        expected: &[SessionKey],
        what: &str,
    ) -> Outcome {
        if self.harness().lacks().contains(&Capability::UserIndex) {
            return Ok(());
        }
        lists(store, user, expected, what).await
    }
}

/// Returns the time by the store's clock.
pub(crate) async fn now(store: &dyn SessionStore) -> Outcome<Timestamp> {
    let key = key()?;
    store.set(&key, &write("clock")?, SetMode::Create).await?;
    let read_at = live(store, &key, "the clock").await?.read_at;
    store.destroy(&key).await?;
    Ok(read_at)
}
