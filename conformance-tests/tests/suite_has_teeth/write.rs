//! Writing and touching.

use std::time::Duration;

use session_store_core::{
    Bytes, Error, MAX_TIMEOUT, Meta, Owner, Result, SessionKey, SetMode, Timestamp, Version, Write, timeout_millis,
};

use crate::state::{Row, State};
use crate::store::Reference;
use crate::wrong::Fault;

impl Reference {
    pub(crate) fn version(&self, state: &State, write: &Write, before: Option<&Row>) -> Result<Version> {
        let mut bytes = [0; Version::LEN];
        match self.world.fault {
            Some(Fault::VersionsCountPerRecord) => {
                let [last, ..] = before.map_or(bytes, |row| *row.meta.version.as_bytes());
                bytes[0] = last.wrapping_add(1);
            }
            Some(Fault::VersionsAreTheDataLength) => bytes[..8].copy_from_slice(&write.data().len().to_be_bytes()),
            Some(Fault::VersionsAreTheTime) => bytes[..8].copy_from_slice(&state.now.as_millis().to_be_bytes()),
            _ => return Version::generate(),
        }
        Ok(Version::from_bytes(bytes))
    }

    /// What a write leaves behind; `before` is what it falls on, where that was live.
    pub(crate) fn written(&self, state: &State, write: &Write, before: Option<&Row>, mode: SetMode) -> Result<Meta> {
        let version = self.version(state, write, before)?;
        let before = before.map(|row| &row.meta);
        let mut meta = Meta::written(write, before, state.now, version);
        let (idle, absolute) = (write.idle(), write.absolute());
        match (self.world.fault, before) {
            (Some(Fault::RoundsTimesToSeconds), _) => {
                let up = |time: Timestamp| Timestamp::from_millis((time.as_millis() + 999) / 1000 * 1000);
                (meta.expires_at, meta.deadline) = (up(meta.expires_at), up(meta.deadline));
            }
            (Some(Fault::ShortTimeoutsNeverEnd), _) if idle < Duration::from_millis(10) => {
                (meta.expires_at, meta.deadline) =
                    (state.now.saturating_add(MAX_TIMEOUT), state.now.saturating_add(MAX_TIMEOUT));
            }
            (Some(Fault::CutsTimeoutsAtAYear), _) => {
                meta.deadline = meta.deadline.min(meta.created_at.saturating_add(Duration::from_hours(365 * 24)));
                meta.expires_at = meta.expires_at.min(meta.deadline);
            }
            (Some(Fault::IgnoresTheDeadline), _) => meta.expires_at = state.now.saturating_add(idle),
            (Some(Fault::RoundsTimeoutsUp), _) => {
                let up = |timeout: Duration| {
                    Duration::from_millis(1) * u32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
                };
                meta.deadline = meta.created_at.saturating_add(up(absolute));
                meta.expires_at = state.now.saturating_add(up(idle)).min(meta.deadline);
            }
            (Some(Fault::SavesMoveTheCreation), Some(_)) => meta.created_at = state.now,
            (Some(Fault::SavesKeepTheFirstDeadline), Some(before)) => {
                meta.deadline = before.deadline;
                meta.expires_at = state.now.saturating_add(idle).min(before.deadline);
            }
            (Some(Fault::SavesBuyTime), Some(_)) => {
                meta.deadline = state.now.saturating_add(absolute);
                meta.expires_at = state.now.saturating_add(idle).min(meta.deadline);
            }
            (Some(Fault::UpsertBuysTime), Some(_)) if mode == SetMode::Upsert => {
                meta.deadline = state.now.saturating_add(absolute);
                meta.expires_at = state.now.saturating_add(idle).min(meta.deadline);
            }
            (Some(Fault::SavesAreNotSeen), Some(before)) => meta.last_seen_at = before.last_seen_at,
            (Some(Fault::SavesNeverShorten), Some(before)) => {
                meta.expires_at = meta.expires_at.max(before.expires_at).min(meta.deadline);
            }
            (Some(Fault::KeepForgetsTheOwner), _) if *write.owner() == Owner::Keep => meta.user = None,
            _ => {}
        }
        Ok(meta)
    }

    /// The bytes as they come back.
    pub(crate) fn kept(&self, data: &Bytes) -> Bytes {
        match self.world.fault {
            Some(Fault::KeepsTextOnly) => String::from_utf8_lossy(data).into_owned().into(),
            Some(Fault::KeepsDataToTheFirstNul) => {
                data.split(|byte| *byte == 0).next().map(Bytes::copy_from_slice).unwrap_or_default()
            }
            _ => data.clone(),
        }
    }

    /// A live session, by what this store takes for one when it creates.
    pub(crate) fn live_for_create(&self, state: &State, key: &SessionKey) -> Result<Option<Row>> {
        let live = state.live(key)?;
        Ok(if self.wrong(Fault::LeftoversBlockCreation) { state.rows.get(key).cloned() } else { live })
    }

    pub(crate) fn refuse(&self, state: &State, key: &SessionKey, mode: SetMode, live: Option<&Row>) -> Result<()> {
        let refusal = match (mode, live) {
            (SetMode::Create, Some(_)) if !self.wrong(Fault::CreateOverwrites) => Error::already_exists(key),
            (SetMode::Upsert, Some(_)) if self.wrong(Fault::UpsertIsCreate) => Error::already_exists(key),
            (SetMode::Upsert, None) if self.wrong(Fault::UpsertIsReplace) => Error::not_found(key),
            (SetMode::Replace, None) if !self.wrong(Fault::ReplaceCreates) => Error::not_found(key),
            (SetMode::Update(_), None) if !self.wrong(Fault::UpdateCreates) => Error::not_found(key),
            (SetMode::Update(expected), Some(row))
                if row.meta.version != expected && !self.wrong(Fault::UpdateIgnoresVersions) =>
            {
                Error::conflict(key)
            }
            _ => return Ok(()),
        };
        Err(self.dressed(state, refusal, key))
    }

    pub(crate) async fn do_set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        let version = self.judge_and_write(key, write, mode).await?;
        self.pause_if(Fault::CloseForgetsWhatWasWritten).await;
        if self.wrong(Fault::CloseForgetsWhatWasWritten) {
            self.check_open()?;
        }
        Ok(version)
    }

    async fn judge_and_write(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        self.check_size(write)?;
        self.forget_corrupt(Fault::WritesReplaceCorrupt, key);
        {
            let state = self.world.lock();
            self.refuse(&state, key, mode, self.live_for_create(&state, key)?.as_ref())?;
        }
        let asks_first = match mode {
            SetMode::Create => Fault::CreateAsksFirst,
            SetMode::Replace => Fault::ReplaceAsksFirst,
            SetMode::Update(_) => Fault::UpdateAsksFirst,
            SetMode::Upsert => Fault::UpsertAsksFirst,
        };
        let was_live = self.world.lock().live(key)?.is_some();
        self.pause_if(asks_first).await;
        if self.wrong(asks_first) && mode == SetMode::Upsert && was_live != self.world.lock().live(key)?.is_some() {
            return Err(Error::already_exists(key));
        }
        // Copied only where it is written back: on every write it would cost as much as all else together.
        let index_before = self.wrong(Fault::TheIndexIsReadThenWritten).then(|| self.world.lock().index.clone());
        self.pause_if(Fault::TheIndexIsReadThenWritten).await;
        let (version, row, kept_owner) = {
            let mut state = self.world.lock();
            let mut before = self.live_for_create(&state, key)?;
            if !self.wrong(asks_first) {
                self.refuse(&state, key, mode, before.as_ref())?;
            }
            if self.wrong(Fault::LeftoversAreContinued) {
                before = before.or_else(|| state.rows.get(key).cloned());
            }
            let meta = self.written(&state, write, before.as_ref(), mode)?;
            if self.wrong(Fault::RefusesWhatIsDeadAtOnce) && !meta.is_live(state.now) {
                return Err(Error::not_found(key));
            }
            let version = meta.version;
            let row = Row::new(meta, self.kept(write.data()));
            let former = before.as_ref().and_then(|row| row.meta.user.clone());
            if self.wrong(Fault::WritesDataThenOwner)
                && let Some(mut before) = before
            {
                before.data = row.data.clone();
                before.meta.version = version;
                state.rows.insert(*key, before);
            }
            if self.wrong(Fault::WritesRowThenIndex) {
                state.rows.insert(*key, row.clone());
            }
            (version, row, former)
        };
        self.pause_if(Fault::WritesDataThenOwner).await;
        self.pause_if(Fault::WritesRowThenIndex).await;
        let mut state = self.world.lock();
        if let Some(index) = index_before {
            state.index = index;
        }
        let user = row.meta.user.clone();
        state.put(*key, row.meta, row.data);
        if let Some(user) = kept_owner.clone().filter(|_| self.wrong(Fault::FormerOwnersStayInTheIndex)) {
            state.index.insert((user, *key));
        }
        if self.wrong(Fault::OnlyCreationIsIndexed)
            && kept_owner != user
            && mode != SetMode::Create
            && let Some(user) = user
        {
            state.index.remove(&(user, *key));
        }
        Ok(version)
    }

    pub(crate) async fn do_touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        if !self.wrong(Fault::TouchTakesAnyTimeout) {
            timeout_millis(idle)?;
        }
        if self.wrong(Fault::TouchRefusesTheLongest) && idle == MAX_TIMEOUT {
            return Err(Error::invalid_input("too long"));
        }
        let before = {
            let state = self.world.lock();
            let revived = state.rows.get(key).filter(|_| self.wrong(Fault::TouchRevives));
            match state.live(key)?.or_else(|| revived.cloned()) {
                Some(row) => row,
                None if self.wrong(Fault::TouchCreates) => {
                    let write = Write::new("", idle, idle)?;
                    let meta = self.written(&state, &write, None, SetMode::Create)?;
                    Row::new(meta, Bytes::new())
                }
                None => return Ok(false),
            }
        };
        if self.wrong(Fault::TouchTakesTheRowOut) {
            self.world.lock().remove(key);
        }
        self.pause_if(Fault::TouchAsksFirst).await;
        self.pause_if(Fault::TouchWritesTheRowBack).await;
        self.pause_if(Fault::TouchTakesTheRowOut).await;
        let mut state = self.world.lock();
        let (now, version) = (state.now, Version::generate()?);
        let whole =
            [Fault::TouchWritesTheRowBack, Fault::TouchTakesTheRowOut, Fault::TouchRevives, Fault::TouchCreates];
        if whole.iter().any(|fault| self.wrong(*fault)) {
            let mut row = before;
            row.meta.touch(idle, now);
            if self.wrong(Fault::TouchRevives) {
                row.meta.deadline = row.meta.deadline.max(now.saturating_add(idle));
                row.meta.expires_at = row.meta.expires_at.max(now.saturating_add(idle));
            }
            state.put(*key, row.meta, row.data);
            return Ok(true);
        }
        if state.live(key)?.is_none() && !self.wrong(Fault::TouchAsksFirst) {
            return Ok(false);
        }
        let State { rows, index, .. } = &mut *state;
        let Some(Row { meta, listed_until, .. }) = rows.get_mut(key) else { return Ok(false) };
        match self.world.fault {
            Some(Fault::TouchDoesNothing) => {}
            Some(Fault::TouchIsNotSeen) => {
                let seen = meta.last_seen_at;
                meta.touch(idle, now);
                meta.last_seen_at = seen;
            }
            Some(Fault::TouchBuysTime | Fault::IgnoresTheDeadline) => {
                meta.last_seen_at = now;
                meta.expires_at = meta.expires_at.max(now.saturating_add(idle));
                if self.wrong(Fault::TouchBuysTime) {
                    meta.deadline = meta.deadline.max(meta.expires_at);
                }
            }
            Some(Fault::TheLastTouchWins) => {
                meta.last_seen_at = now;
                meta.expires_at = now.saturating_add(idle).min(meta.deadline);
            }
            Some(Fault::TouchChangesTheVersion) => {
                meta.touch(idle, now);
                meta.version = version;
            }
            Some(Fault::TouchForgetsTheOwner) => {
                meta.touch(idle, now);
                let user = meta.user.take();
                if let Some(user) = user {
                    index.remove(&(user, *key));
                }
            }
            _ => meta.touch(idle, now),
        }
        if !self.wrong(Fault::TouchForgetsTheIndex) {
            *listed_until = meta.expires_at;
        }
        Ok(true)
    }
}
