//! Reading.

use std::sync::PoisonError;

use session_store_core::{Error, Record, Result, SessionKey};

use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) fn do_get(&self, key: &SessionKey) -> Result<Option<Record>> {
        let caches = self.wrong(Fault::EachHandleCachesReads) || self.wrong(Fault::EachHandleCachesAbsence);
        let cached = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        match cached {
            Some(Some(record)) if self.wrong(Fault::EachHandleCachesReads) => return Ok(Some(record)),
            Some(None) if self.wrong(Fault::EachHandleCachesAbsence) => return Ok(None),
            _ => {}
        }
        let mut state = self.world.lock();
        let now = state.now;
        if self.wrong(Fault::CorruptIsNone) && state.rows.get(key).is_some_and(|row| row.corrupt) {
            return Ok(None);
        }
        let mut record = state.live(key)?.filter(|row| !row.hidden).map(|row| row.record(now));
        if self.wrong(Fault::EmptyIsAbsent) {
            record = record.filter(|record| !record.data.is_empty());
        }
        if self.wrong(Fault::AbsentIsAnError) && record.is_none() {
            return Err(Error::not_found(key));
        }
        if self.wrong(Fault::GetForgetsTheOwner)
            && let Some(record) = &mut record
        {
            record.meta.user = None;
        }
        state.reads += 1;
        if self.wrong(Fault::ReadsFromALaggingReplica) && state.reads.is_multiple_of(3) {
            let before = state.rows.get(key).and_then(|row| row.before.as_ref().map(|row| row.record(now)));
            record = before.filter(|record| state.is_live(&record.meta)).or(record);
        }
        if self.wrong(Fault::ReadsExtend)
            && let Some(row) = state.rows.get_mut(key).filter(|_| record.is_some())
        {
            let idle = row.meta.expires_at.saturating_since(row.meta.last_seen_at);
            row.meta.touch(idle, now);
        }
        if caches {
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, record.clone());
        }
        Ok(record)
    }
}
