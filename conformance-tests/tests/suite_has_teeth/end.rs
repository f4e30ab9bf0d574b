//! Destroying and rotating.

use session_store_core::{Bytes, Error, ErrorKind, Owner, Result, SessionKey, SetMode, Version, Write};

use crate::state::{Row, State};
use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) async fn do_destroy(&self, key: &SessionKey) -> Result<bool> {
        self.forget_corrupt(Fault::DestroyOfCorruptIsFalse, key);
        let was_live = {
            let state = self.world.lock();
            match state.rows.get(key) {
                Some(row) if row.corrupt && self.wrong(Fault::DestroyRefusesCorrupt) => return Err(state.corrupt(key)),
                Some(row) => self.wrong(Fault::DestroyCountsTheExpired) || state.is_live(&row.meta),
                None => self.wrong(Fault::DestroyIsAlwaysTrue),
            }
        };
        if self.wrong(Fault::DestroyForgetsTheIndexFirst) {
            self.world.lock().index.retain(|(_, known)| known != key);
        }
        self.pause_if(Fault::DestroyForgetsTheIndexFirst).await;
        self.pause_if(Fault::DestroyAsksFirst).await;
        let mut state = self.world.lock();
        if self.wrong(Fault::DestroyEndsAllOfTheUser) {
            let user = state.rows.get(key).and_then(|row| row.meta.user.clone());
            let keys = user.map(|user| state.keys_of(&user)).unwrap_or_default();
            for key in keys {
                state.remove(&key);
            }
        }
        if self.wrong(Fault::DestroyedStayListed) {
            let was_live = state.live(key)?.is_some();
            state.rows.get_mut(key).into_iter().for_each(|row| row.hidden = true);
            return Ok(was_live);
        }
        if self.wrong(Fault::DestroyDoesNothing) {
            return Ok(was_live);
        }
        if self.wrong(Fault::DestroyHidesFromGetOnly) {
            if let Some(row) = state.rows.get_mut(key) {
                row.hidden = true;
            }
            return Ok(was_live);
        }
        let found = state.remove(key).is_some_and(|row| state.is_live(&row.meta));
        let early = [Fault::DestroyAsksFirst, Fault::DestroyIsAlwaysTrue, Fault::DestroyCountsTheExpired];
        Ok(if early.iter().any(|fault| self.wrong(*fault)) { was_live } else { found })
    }

    pub(crate) async fn do_destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        self.forget_corrupt(Fault::DestroyAtAVersionEndsCorrupt, key);
        let judge = |state: &State| -> Result<bool> {
            let live = state.live(key)?;
            let is_touched = |row: &Row| row.written_times.1 != row.meta.expires_at;
            match live {
                None => Ok(false),
                Some(row) if row.meta.version != version && !self.wrong(Fault::DestroyIgnoresVersions) => {
                    Err(self.dressed(state, Error::conflict(key), key))
                }
                Some(row) if is_touched(&row) && self.wrong(Fault::DestroyConflictsWithTouch) => {
                    Err(Error::conflict(key))
                }
                Some(_) => Ok(true),
            }
        };
        let was_live = judge(&self.world.lock())?;
        if was_live && self.wrong(Fault::DestroyAtAVersionForgetsTheIndexFirst) {
            self.world.lock().index.retain(|(_, known)| known != key);
        }
        self.pause_if(Fault::DestroyAtAVersionAsksFirst).await;
        self.pause_if(Fault::DestroyAtAVersionForgetsTheIndexFirst).await;
        let mut state = self.world.lock();
        let asks_first = self.wrong(Fault::DestroyAtAVersionAsksFirst);
        let is_live = if asks_first { was_live } else { judge(&state)? };
        if !is_live || self.wrong(Fault::DestroyAtAVersionDoesNothing) {
            return Ok(is_live || self.wrong(Fault::DestroyAtAVersionIsAlwaysTrue));
        }
        if self.wrong(Fault::DestroyedAtAVersionStayListed) {
            state.rows.get_mut(key).into_iter().for_each(|row| row.hidden = true);
            return Ok(true);
        }
        state.remove(key);
        Ok(true)
    }

    pub(crate) async fn do_rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        if from == to && !self.wrong(Fault::RotateTakesTheSameKey) {
            return Err(self.dressed(&self.world.lock(), Error::same_key(from), from));
        }
        if !self.wrong(Fault::RotateTakesAnySize) {
            self.check_size(write)?;
        }
        if self.wrong(Fault::NothingRotates) {
            return Err(Error::new(ErrorKind::Unsupported, "no rotations"));
        }
        if self.placement_of(from) != self.placement_of(to) && !self.wrong(Fault::PlacementsAreIgnored) {
            return Err(Error::new(ErrorKind::Unsupported, "the keys are in different places"));
        }
        self.forget_corrupt(Fault::RotationsReplaceCorrupt, to);
        let judge = |state: &State| -> Result<Row> {
            if self.wrong(Fault::CorruptIsNotFoundByRotations) && state.rows.get(from).is_some_and(|row| row.corrupt) {
                return Err(Error::not_found(from));
            }
            let taken = state.live(to)?.is_some() && from != to && !self.wrong(Fault::RotateOverwrites);
            if taken && self.wrong(Fault::RotateJudgesTheTargetFirst) {
                return Err(Error::already_exists(to));
            }
            let before = match state.live(from)? {
                Some(row) => row,
                None if self.wrong(Fault::RotateCreates) => {
                    Row::new(self.written(state, write, None, SetMode::Create)?, Bytes::new())
                }
                None => return Err(self.dressed(state, Error::not_found(from), from)),
            };
            if expected.is_some_and(|expected| expected != before.meta.version)
                && !self.wrong(Fault::RotateIgnoresVersions)
            {
                return Err(self.dressed(state, Error::conflict(from), from));
            }
            let leftover = self.wrong(Fault::LeftoversBlockRotation) && state.rows.contains_key(to);
            if taken || leftover {
                return Err(self.dressed(state, Error::already_exists(to), to));
            }
            Ok(before)
        };
        let mut before = judge(&self.world.lock())?;
        if self.wrong(Fault::RotateRemovesFirst) {
            self.world.lock().remove(from);
        }
        self.pause_if(Fault::RotateAsksFirst).await;
        // Twice, so that a reader has a turn in between.
        self.pause_if(Fault::RotateRemovesFirst).await;
        self.pause_if(Fault::RotateRemovesFirst).await;
        self.pause_if(Fault::RotateMeetsADuplicate).await;
        let mut state = self.world.lock();
        if self.wrong(Fault::RotateMeetsADuplicate) && state.live(to)?.is_some() {
            return Err(Error::new(ErrorKind::Internal, "a duplicate key"));
        }
        if !self.wrong(Fault::RotateAsksFirst) && !self.wrong(Fault::RotateRemovesFirst) {
            before = judge(&state)?;
        }
        let mut meta = self.written(
            &state,
            write,
            Some(&before).filter(|_| !self.wrong(Fault::RotateStartsTheClockAnew)),
            SetMode::Replace,
        )?;
        if self.wrong(Fault::RotateStartsTheClockAnew) && *write.owner() == Owner::Keep {
            meta.user.clone_from(&before.meta.user);
        }
        if self.wrong(Fault::RotateKeepsTheOwner) {
            meta.user.clone_from(&before.meta.user);
        }
        if self.wrong(Fault::RotateKeepsTheVersion) {
            meta.version = before.meta.version;
        }
        if self.wrong(Fault::RotateRefusesWhatIsDeadAtOnce) && !meta.is_live(state.now) {
            return Err(Error::not_found(from));
        }
        let version = meta.version;
        let user = meta.user.clone();
        state.put(*to, meta, self.kept(write.data()));
        if let Some(user) = user.filter(|_| self.wrong(Fault::RotateForgetsTheIndex)) {
            state.index.remove(&(user, *to));
        }
        if !self.wrong(Fault::RotateCopies) && from != to {
            state.remove(from);
        }
        Ok(version)
    }
}
