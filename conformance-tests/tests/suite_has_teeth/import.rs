//! Importing.

use session_store_core::{Error, Meta, Record, Result, SessionKey, Timestamp, UserId, Version};

use crate::state::{Row, State};
use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) async fn do_import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        if !self.wrong(Fault::ImportTakesAnySize)
            && let Err(error) = record.check_size(self.data_limit())
        {
            return Err(self.dressed(&self.world.lock(), error, key));
        }
        let version = if self.wrong(Fault::ImportKeepsTheVersion) { record.meta.version } else { Version::generate()? };
        let meta = match self.world.fault {
            Some(Fault::ImportTakesAnyTimes | Fault::ImportTakesAnyExpiry) => {
                if self.wrong(Fault::ImportTakesAnyExpiry) {
                    record.meta.imported(version)?;
                }
                Meta { version, ..record.meta.clone() }
            }
            _ => record.meta.imported(version)?,
        };
        let (row, there) = {
            let mut state = self.world.lock();
            let there = if self.wrong(Fault::ImportWritesOverCorrupt) { None } else { state.live(key)? };
            let is_dead = !state.is_live(&meta);
            if is_dead && self.wrong(Fault::ImportOfTheDeadDestroys) {
                state.remove(key);
            }
            if is_dead && !self.wrong(Fault::ImportWritesTheDead) {
                return Ok(None);
            }
            let is_taken = match self.world.fault {
                Some(Fault::ImportOnlyCreates) => there.is_some(),
                Some(Fault::LeftoversBlockImports) => there.is_none() && state.rows.contains_key(key),
                _ => false,
            };
            if is_taken {
                return Err(self.dressed(&state, Error::already_exists(key), key));
            }
            let mut row = Row::new(meta, self.kept(&record.data));
            let seconds = |time: Timestamp| Timestamp::from_millis(time.as_millis() / 1_000 * 1_000);
            match self.world.fault {
                Some(Fault::ImportRestartsTheClock) => {
                    (row.meta.created_at, row.meta.last_seen_at) = (state.now, state.now);
                }
                Some(Fault::ImportRoundsToSeconds) => {
                    row.meta.created_at = seconds(row.meta.created_at);
                    row.meta.last_seen_at = seconds(row.meta.last_seen_at);
                }
                Some(Fault::ImportForgetsTheDeadline) => row.meta.deadline = Timestamp::from_millis(i64::MAX),
                Some(Fault::ImportKeepsTheOwner) if there.is_some() => {
                    row.meta.user = there.as_ref().and_then(|row| row.meta.user.clone());
                }
                _ => {}
            }
            if self.wrong(Fault::ImportWritesRowThenIndex) {
                state.rows.insert(*key, row.clone());
            }
            (row, there)
        };
        self.pause_if(Fault::ImportWritesRowThenIndex).await;
        let mut state = self.world.lock();
        let user = row.meta.user.clone();
        state.put(*key, row.meta, row.data);
        if self.wrong(Fault::ImportForgetsTheIndex) {
            index_as_before(&mut state, key, user, there);
        }
        Ok(Some(version))
    }
}

fn index_as_before(state: &mut State, key: &SessionKey, user: Option<UserId>, there: Option<Row>) {
    if let Some(user) = user {
        state.index.remove(&(user, *key));
    }
    if let Some(user) = there.and_then(|row| row.meta.user) {
        state.index.insert((user, *key));
    }
}
