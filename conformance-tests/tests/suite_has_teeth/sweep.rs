//! Pruning, counting, clearing, and a sign of life.

use std::sync::PoisonError;
use std::time::Duration;

use session_store_core::{Bytes, Error, ErrorKind, Pruned, Result, SessionKey, SetMode, Write};

use crate::state::{Row, State};
use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) async fn do_prune(&self, limit: u32) -> Result<Pruned> {
        if limit == 0 && !self.wrong(Fault::PruneTakesZero) {
            return Err(Error::invalid_input("a prune removes at least one record"));
        }
        if self.wrong(Fault::PruneDoesNothing) {
            return Ok(Pruned { removed: 0, more: false });
        }
        let limit = if self.wrong(Fault::PruneIgnoresItsLimit) { usize::MAX } else { limit as usize };
        let (dead, stale) = {
            let state = self.world.lock();
            if self.wrong(Fault::PruneStopsAtCorrupt)
                && let Some((key, _)) = state.rows.iter().find(|(_, row)| row.corrupt)
            {
                return Err(state.corrupt(key));
            }
            let dead: Vec<_> = state
                .rows
                .iter()
                .filter(|(_, row)| !state.is_live(&row.meta))
                .map(|(key, _)| *key)
                .take(limit)
                .collect();
            let stale: Vec<_> = state.index.iter().filter(|(_, key)| !state.rows.contains_key(key)).cloned().collect();
            (dead, stale)
        };
        self.pause_if(Fault::PruneAsksFirst).await;
        self.pause_if(Fault::PruneCountsFirst).await;
        self.pause_if(Fault::PruneRepairsLate).await;
        let mut state = self.world.lock();
        let mut removed = 0;
        for key in &dead {
            let still =
                state.rows.get(key).is_some_and(|row| !state.is_live(&row.meta)) || self.wrong(Fault::PruneAsksFirst);
            if still {
                state.rows.remove(key);
                removed += 1;
            }
        }
        if self.wrong(Fault::PruneRemovesALiveSession) && dead.len() < limit {
            let oldest =
                state.rows.iter().find(|(_, row)| !row.corrupt && state.is_live(&row.meta)).map(|(key, _)| *key);
            removed += u64::from(oldest.and_then(|key| state.remove(&key)).is_some());
        }
        if self.wrong(Fault::PruneRepairsLate) {
            state.index.retain(|entry| !stale.contains(entry) && !dead.contains(&entry.1));
        } else if !self.wrong(Fault::PruneForgetsTheIndex) {
            let State { index, rows, .. } = &mut *state;
            index.retain(|(_, key)| rows.contains_key(key));
        }
        let removed = match self.world.fault {
            Some(Fault::PruneCountsFirst) => dead.len() as u64,
            Some(Fault::PruneTellsOfNothing) => 0,
            _ => removed,
        };
        Ok(Pruned { removed, more: dead.len() == limit || self.wrong(Fault::PruneAlwaysSaysMore) })
    }

    pub(crate) fn do_count(&self) -> u64 {
        let state = self.world.lock();
        if self.wrong(Fault::CountsTheExpired) {
            return state.rows.len() as u64;
        }
        if self.wrong(Fault::CountsUsersOnly) {
            return state.rows.values().filter(|row| row.meta.user.is_some() && state.is_live(&row.meta)).count()
                as u64;
        }
        if self.wrong(Fault::CountsOneBatch) {
            return state.rows.values().filter(|row| state.is_live(&row.meta)).take(100).count() as u64;
        }
        let hides = state.hides() || self.wrong(Fault::ClearHidesFromGetOnly);
        state.rows.values().filter(|row| state.is_live(&row.meta) && !(hides && row.hidden)).count() as u64
    }

    pub(crate) async fn do_clear(&self) -> Result<u64> {
        if self.wrong(Fault::ClearIsLockedOut) {
            if std::mem::replace(&mut self.world.lock().clearing, true) {
                return Ok(0);
            }
            tokio::task::yield_now().await;
            self.world.lock().clearing = false;
        }
        let mut keys: Vec<_> = {
            let state = self.world.lock();
            let spared = |row: &Row| row.corrupt && self.wrong(Fault::ClearSparesCorrupt);
            state.rows.iter().filter(|(_, row)| !spared(row)).map(|(key, _)| *key).collect()
        };
        if self.wrong(Fault::ClearEndsWhatBeginsWithTheName) {
            let worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, world) in worlds.iter().filter(|(name, _)| name.starts_with(&self.name) && **name != self.name) {
                world.lock().rows.clear();
            }
        }
        if self.wrong(Fault::ClearEndsOneBatch) {
            keys.truncate(100);
        }
        let mut ended = 0;
        let mut state = self.world.lock();
        for key in keys {
            if self.wrong(Fault::ClearSparesTheAnonymous)
                && state.rows.get(&key).is_some_and(|row| row.meta.user.is_none())
            {
                continue;
            }
            if self.wrong(Fault::ClearHidesFromGetOnly) {
                state.index.retain(|(_, known)| *known != key);
                let was_hidden = state.rows.get_mut(&key).is_some_and(|row| std::mem::replace(&mut row.hidden, true));
                let live = state.rows.get(&key).is_some_and(|row| state.is_live(&row.meta));
                ended += u64::from(live && !was_hidden);
            } else if let Some(row) = state.remove(&key) {
                ended += u64::from(state.is_live(&row.meta) || self.wrong(Fault::ClearCountsTheExpired));
            }
        }
        Ok(ended)
    }

    pub(crate) fn do_ping(&self) -> Result<()> {
        if self.wrong(Fault::PingFails) {
            return Err(Error::new(ErrorKind::Unavailable, "no sign of life"));
        }
        if self.wrong(Fault::PingWrites) {
            let mut state = self.world.lock();
            let meta = self.written(
                &state,
                &Write::new("ping", Duration::from_secs(9), Duration::from_secs(9))?,
                None,
                SetMode::Create,
            )?;
            state.put(SessionKey::from_bytes([0; 32]), meta, Bytes::new());
        }
        Ok(())
    }
}
