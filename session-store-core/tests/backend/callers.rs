//! Tasks that call a store, and what tests of many callers share.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use session_store_core::backend::{Change, StoreOptions};
use session_store_core::{
    Bytes, Error, ErrorKind, Meta, Record, Result, SessionKey, SessionStore, SetMode, Timestamp, UserId, Version, Write,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::scripted_backend::{Gate, Script, TestStore, gate};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) const OLD: Version = Version::from_bytes([1; 16]);

/// One statement in flight beside that of a lone caller, batches of 10, and an operation timeout of 5 seconds.
pub(crate) fn one_in_flight() -> StoreOptions {
    options(10, 1)
}

pub(crate) fn options(batch_size: usize, batches_in_flight: usize) -> StoreOptions {
    let mut options = StoreOptions::default();
    options.batch_size = batch_size;
    options.batches_in_flight = batches_in_flight;
    options
}

pub(crate) fn key(byte: u8) -> SessionKey {
    SessionKey::from_bytes([byte; 32])
}

pub(crate) fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

pub(crate) fn write_of(data: impl Into<Bytes>) -> Write {
    Write::new(data, MINUTE, MINUTE).unwrap()
}

/// A record that is live until 1 minute.
pub(crate) fn record() -> Record {
    let at = Timestamp::from_millis;
    let meta = Meta {
        user: None,
        created_at: at(0),
        last_seen_at: at(1),
        expires_at: at(60_000),
        deadline: at(60_000),
        version: OLD,
    };
    Record { meta, data: Bytes::from_static(b"data"), read_at: at(2) }
}

/// A handle that spawns one task for each call, about the session with the key of this byte.
#[derive(Clone, Debug)]
pub(crate) struct Callers<const ONE: bool>(pub(crate) TestStore<ONE>);

/// Returns callers of a store whose statements about sessions all wait behind a gate.
pub(crate) fn behind_a_gate<const ONE: bool>(
    script: Script,
    options: StoreOptions,
) -> (Callers<ONE>, Arc<Script>, Gate) {
    let (store, script) = script.store::<ONE>(options);
    let gate = gate();
    script.hold(&gate);
    (Callers(store), script, gate)
}

impl<const ONE: bool> Callers<ONE> {
    fn spawn<A: Send + 'static, F: Future<Output = A> + Send + 'static>(
        &self,
        call: impl FnOnce(TestStore<ONE>) -> F,
    ) -> JoinHandle<A> {
        tokio::spawn(call(self.0.clone()))
    }

    pub(crate) fn get(&self, byte: u8) -> JoinHandle<Result<Option<Record>>> {
        self.spawn(|store| async move { store.get(&key(byte)).await })
    }

    pub(crate) fn set(&self, byte: u8, mode: SetMode) -> JoinHandle<Result<Version>> {
        self.set_data(byte, mode, "data")
    }

    pub(crate) fn set_data(&self, byte: u8, mode: SetMode, data: impl Into<Bytes>) -> JoinHandle<Result<Version>> {
        let write = write_of(data);
        self.spawn(|store| async move { store.set(&key(byte), &write, mode).await })
    }

    pub(crate) fn create(&self, byte: u8) -> JoinHandle<Result<Version>> {
        self.set(byte, SetMode::Create)
    }

    pub(crate) fn replace(&self, byte: u8) -> JoinHandle<Result<Version>> {
        self.set(byte, SetMode::Replace)
    }

    pub(crate) fn touch(&self, byte: u8, idle: Duration) -> JoinHandle<Result<bool>> {
        self.spawn(|store| async move { store.touch(&key(byte), idle).await })
    }

    pub(crate) fn destroy(&self, byte: u8) -> JoinHandle<Result<bool>> {
        self.spawn(|store| async move { store.destroy(&key(byte)).await })
    }

    pub(crate) fn import(&self, byte: u8) -> JoinHandle<Result<Option<Version>>> {
        self.spawn(|store| async move { store.import(&key(byte), &record()).await })
    }

    pub(crate) fn rotate(&self, from: u8, to: u8) -> JoinHandle<Result<Version>> {
        let write = write_of("rotated");
        self.spawn(|store| async move { store.rotate(&key(from), &key(to), &write, None).await })
    }

    /// Begins changes of two sessions that wait behind a gate: one that its caller runs, and one of the only worker.
    /// What is changed from now on waits for the next batch.
    pub(crate) async fn keep_busy(&self, first: u8, second: u8) -> [JoinHandle<Result<bool>>; 2] {
        let first = self.touch(first, SECOND);
        settle().await;
        let second = self.touch(second, SECOND);
        settle().await;
        [first, second]
    }
}

/// Lets all other tasks run until they wait. Time does not pass.
pub(crate) async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

/// The same for many thousand tasks.
pub(crate) async fn settle_many() {
    for _ in 0..50 {
        settle().await;
    }
}

/// Polls a future once, and no task for it.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Checks the kind of an error, and whether it says that the outcome is unknown.
#[track_caller]
pub(crate) fn assert_error<T: std::fmt::Debug>(answer: Result<T>, kind: ErrorKind, outcome_unknown: bool) -> Error {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (kind, outcome_unknown), "{error}");
    error
}

/// Checks that a moment is this long after another. Timers may be a millisecond late.
#[track_caller]
pub(crate) fn assert_elapsed(since: Instant, expected: Duration) {
    let elapsed = since.elapsed();
    assert!((expected..expected + 5 * MS).contains(&elapsed), "{elapsed:?} instead of {expected:?}");
}

/// The kind of each change, with what distinguishes it from others of its kind.
pub(crate) fn describe(changes: &[Change]) -> Vec<String> {
    let describe = |change: &Change| match change {
        Change::Set(set) => match set.mode {
            SetMode::Create => "create".to_owned(),
            SetMode::Replace => "replace".to_owned(),
            SetMode::Update(_) => "update".to_owned(),
            SetMode::Upsert => "upsert".to_owned(),
        },
        Change::Touch(touch) => format!("touch {}", touch.idle.as_secs()),
        Change::Destroy(_) => "destroy".to_owned(),
        Change::Import(_) => "import".to_owned(),
        Change::Rotate(_) => "rotate".to_owned(),
    };
    changes.iter().map(describe).collect()
}
