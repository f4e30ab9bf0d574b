//! Reading what has changed.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use session_store_core::{IfChanged, Meta, Result, SessionKey, Timestamp, Version};

use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) async fn do_get_if_changed(&self, key: &SessionKey, known: Version) -> Result<IfChanged> {
        if self.wrong(Fault::AllReadersGetOneAnswer) {
            let shared = self.world.lock().shared_answers.get(key).cloned();
            if let Some(answer) = shared {
                return Ok(answer);
            }
        }
        if self.wrong(Fault::EachHandleRemembersVersions)
            && let Some((meta, version)) = self.remembered().get(key)
            && *version == known
        {
            return Ok(IfChanged::Unchanged { meta: meta.clone(), read_at: self.world.lock().now });
        }
        let answer = self.compare(key, known)?;
        if self.wrong(Fault::AllReadersGetOneAnswer) {
            self.world.lock().shared_answers.insert(*key, answer.clone());
            tokio::task::yield_now().await;
            self.world.lock().shared_answers.remove(key);
        }
        Ok(answer)
    }

    fn compare(&self, key: &SessionKey, known: Version) -> Result<IfChanged> {
        let mut answer = IfChanged::compare(self.do_get(key)?, known);
        let mut state = self.world.lock();
        let now = state.now;
        answer = match (self.world.fault, answer) {
            (Some(Fault::IfChangedFindsTheExpired), IfChanged::Gone) => match state.rows.get(key) {
                Some(row) if !row.corrupt => IfChanged::compare(Some(row.record(now)), known),
                _ => IfChanged::Gone,
            },
            (Some(Fault::IfChangedIsAlwaysChanged), IfChanged::Unchanged { .. }) => {
                state.rows.get(key).map_or(IfChanged::Gone, |row| IfChanged::Changed(row.record(now)))
            }
            (Some(Fault::IfChangedShowsTheTimesOfTheWrite), IfChanged::Unchanged { mut meta, read_at }) => {
                (meta.last_seen_at, meta.expires_at) = state.rows.get(key).map_or((now, now), |row| row.written_times);
                IfChanged::Unchanged { meta, read_at }
            }
            (Some(Fault::IfChangedForgetsWhenItRead), IfChanged::Unchanged { meta, .. }) => {
                IfChanged::Unchanged { meta, read_at: Timestamp::from_millis(0) }
            }
            (Some(Fault::IfChangedComparesData), IfChanged::Changed(record)) => {
                let is_same = state.data_of_versions.get(&known) == Some(&record.data);
                if is_same {
                    IfChanged::Unchanged { meta: record.meta, read_at: now }
                } else {
                    IfChanged::Changed(record)
                }
            }
            (_, answer) => answer,
        };
        if self.wrong(Fault::IfChangedExtends)
            && answer != IfChanged::Gone
            && let Some(row) = state.rows.get_mut(key)
        {
            row.meta.touch(Duration::from_millis(300), now.saturating_add(Duration::from_millis(1)));
        }
        if let IfChanged::Unchanged { meta, .. } = &answer {
            self.remembered().insert(*key, (meta.clone(), known));
        }
        Ok(answer)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<SessionKey, (Meta, Version)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
