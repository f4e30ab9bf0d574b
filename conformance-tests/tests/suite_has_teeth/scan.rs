//! Walking through all sessions.

use std::sync::PoisonError;
use std::time::Duration;

use session_store_core::{Entry, Error, Page, Result, ScanCursor, ScanPage, SessionKey};

use crate::state::{Row, State};
use crate::store::Reference;
use crate::wrong::Fault;

const KIND: &str = "reference";

/// Where a walk continues.
#[derive(Clone, Copy)]
enum Position {
    After(SessionKey),
    /// How many rows were looked at.
    Offset(usize),
    /// The same, of the keys that there were when a walk began.
    Snapshot(usize, usize),
}

impl Position {
    fn to_text(self) -> String {
        match self {
            Self::After(key) => key.to_text(),
            Self::Offset(rows) => format!("o.{rows}"),
            Self::Snapshot(number, rows) => format!("s.{number}.{rows}"),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        match (parts.next()?, parts.next(), parts.next()) {
            ("o", Some(rows), None) => Some(Self::Offset(rows.parse().ok()?)),
            ("s", Some(number), Some(rows)) => Some(Self::Snapshot(number.parse().ok()?, rows.parse().ok()?)),
            (key, None, None) => Some(Self::After(key.parse().ok()?)),
            _ => None,
        }
    }
}

fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Reference {
    fn cursor(&self, position: Position, last: Option<&Row>) -> ScanCursor {
        let text = position.to_text();
        let user = last.and_then(|row| row.meta.user.as_ref()).filter(|_| self.wrong(Fault::ScanCursorsShowTheUser));
        let user = user.map(|user| format!("~{}", user.as_str())).unwrap_or_default();
        ScanCursor::new(format!("{KIND}-{text}-{:08x}{user}", checksum(&text)))
    }

    fn position(&self, cursor: &ScanCursor) -> Result<Position> {
        let text = cursor.as_str();
        let text = if self.wrong(Fault::ScanCursorsShowTheUser) {
            text.split_once('~').map_or(text, |(text, _)| text)
        } else {
            text
        };
        let own = text.strip_prefix(KIND).and_then(|text| text.strip_prefix('-'));
        let own = if self.wrong(Fault::ScanTakesCursorsOfAnyKind) {
            own.or(text.split_once('-').map(|(_, text)| text))
        } else {
            own
        };
        own.and_then(|text| text.split_once('-'))
            .filter(|(text, sum)| {
                self.wrong(Fault::ScanTakesChangedCursors) || *sum == format!("{:08x}", checksum(text))
            })
            .and_then(|(text, _)| Position::from_text(text))
            .ok_or_else(ScanCursor::refused)
    }

    pub(crate) async fn do_scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        if !self.wrong(Fault::ScanTakesAnyLimit) {
            Page::check_limit(limit)?;
        }
        let position = match cursor.map(|cursor| self.position(cursor)).transpose() {
            Err(_) if self.wrong(Fault::ScanBeginsAgainAtAnyText) => None,
            position => position?,
        };
        if self.wrong(Fault::EachHandleKeepsItsCursors) {
            let mut known = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
            if cursor.is_some_and(|cursor| !known.contains(cursor)) {
                return Err(ScanCursor::refused());
            }
            known.clear();
        }
        if self.wrong(Fault::ScanLooksAtEveryNamespace) && self.rows_elsewhere() >= 2_000 {
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        let limit = if self.wrong(Fault::ScanIgnoresItsLimit) { usize::MAX } else { limit as usize };
        let mut state = self.world.lock();
        if self.wrong(Fault::ScanOfNothingFails) && state.rows.is_empty() {
            return Err(Error::invalid_input("there is nothing to scan"));
        }
        let (keys, position) = self.keys_from(&mut state, position, limit);
        let mut entries = Vec::new();
        for key in &keys {
            entries.extend(self.entry(&mut state, key)?);
        }
        let is_last = keys.len() < limit || (entries.is_empty() && self.wrong(Fault::ScanEndsAtAnEmptyPage));
        let next = position.filter(|_| !is_last).map(|position| {
            let last = keys.last().and_then(|key| state.rows.get(key));
            self.cursor(position, last)
        });
        drop(state);
        if self.wrong(Fault::ScanLeavesItsNamespace) {
            entries.extend(self.entries_elsewhere());
        }
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).extend(next.clone());
        Ok(ScanPage { entries, next })
    }

    /// Returns the keys to look at, and where to continue.
    fn keys_from(
        &self,
        state: &mut State,
        position: Option<Position>,
        limit: usize,
    ) -> (Vec<SessionKey>, Option<Position>) {
        if self.wrong(Fault::ScanReadsASnapshot) {
            let (number, rows) = if let Some(Position::Snapshot(number, rows)) = position {
                (number, rows)
            } else {
                let keys = state.rows.keys().copied().collect();
                state.snapshots.push(keys);
                (state.snapshots.len() - 1, 0)
            };
            let keys: Vec<_> =
                state.snapshots.get(number).into_iter().flatten().skip(rows).take(limit).copied().collect();
            let next = Position::Snapshot(number, rows + keys.len());
            return (keys, Some(next));
        }
        if self.wrong(Fault::ScanCountsRows) {
            let rows = if let Some(Position::Offset(rows)) = position { rows } else { 0 };
            let keys: Vec<_> = state.rows.keys().skip(rows).take(limit).copied().collect();
            let next = Position::Offset(rows + keys.len());
            return (keys, Some(next));
        }
        let after = match position {
            Some(Position::After(key)) => Some(key),
            _ => None,
        };
        let mut rest = state.rows.keys().filter(|key| after.is_none_or(|after| **key > after));
        if self.wrong(Fault::ScanSkipsAKeyBetweenPages) && after.is_some() {
            rest.next();
        }
        let keys: Vec<_> = rest.take(limit).copied().collect();
        let next = keys.last().copied().map(Position::After);
        (keys, next)
    }

    fn entry(&self, state: &mut State, key: &SessionKey) -> Result<Option<Entry>> {
        let now = state.now;
        let Some(row) = state.rows.get(key).cloned() else { return Ok(None) };
        if row.corrupt {
            return if self.wrong(Fault::ScanStopsAtCorrupt) { Err(state.corrupt(key)) } else { Ok(None) };
        }
        if row.hidden || !(state.is_live(&row.meta) || self.wrong(Fault::ScanReturnsTheExpired)) {
            return Ok(None);
        }
        if self.wrong(Fault::ScanSkipsTheAnonymous) && row.meta.user.is_none() {
            return Ok(None);
        }
        if self.wrong(Fault::ScanExtends)
            && let Some(row) = state.rows.get_mut(key)
        {
            row.meta.touch(Duration::from_millis(300), now);
        }
        let mut meta = row.meta;
        if self.wrong(Fault::ScanShowsTheTimesOfTheWrite) {
            (meta.last_seen_at, meta.expires_at) = row.written_times;
        }
        Ok(Some(Entry { key: *key, meta }))
    }

    fn rows_elsewhere(&self) -> usize {
        let worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        worlds.iter().filter(|(name, _)| **name != self.name).map(|(_, world)| world.lock().rows.len()).sum()
    }

    /// Returns what a scan finds if its pattern is the namespace's name followed by anything.
    fn entries_elsewhere(&self) -> Vec<Entry> {
        let worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        let begins_alike = worlds.iter().filter(|(name, _)| name.starts_with(&self.name) && **name != self.name);
        begins_alike
            .flat_map(|(_, world)| {
                let state = world.lock();
                state.rows.iter().map(|(key, row)| Entry { key: *key, meta: row.meta.clone() }).collect::<Vec<_>>()
            })
            .collect()
    }
}
