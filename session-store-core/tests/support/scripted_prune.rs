//! A store whose prune does what the test says.
#![allow(dead_code, reason = "each test looks at a part of it")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_store_core::{
    Entry, Error, ErrorKind, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore,
    SetMode, UserId, Version, Write, async_trait,
};
use tokio::time::{Instant, sleep};

/// What one call of `prune` does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Removes(u64, More),
    Fails,
    Panics,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum More {
    Remains,
    IsNone,
}

/// One call, from its begin to its end, if it came to one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) limit: u32,
    pub(crate) begun: Instant,
    pub(crate) ended: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(crate) struct ScriptedPrune {
    steps: Arc<Mutex<VecDeque<Step>>>,
    /// What comes after the last step.
    then: Step,
    takes: Duration,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl ScriptedPrune {
    /// It takes so long for each call.
    pub(crate) fn new(takes: Duration, steps: &[Step], then: Step) -> Self {
        let steps = Arc::new(Mutex::new(steps.iter().copied().collect()));
        Self { steps, then, takes, calls: Arc::default() }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many handles of it there are.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.calls)
    }
}

#[async_trait]
impl SessionStore for ScriptedPrune {
    async fn prune(&self, limit: u32) -> Result<Pruned> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { limit, begun: Instant::now(), ended: None });
            calls.len() - 1
        };
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(self.then);
        sleep(self.takes).await;
        self.calls.lock().unwrap()[number].ended = Some(Instant::now());
        match step {
            Step::Removes(removed, more) => Ok(Pruned { removed, more: more == More::Remains }),
            Step::Fails => Err(Error::new(ErrorKind::Unavailable, "the connection broke").with_key(KEY)),
            Step::Panics => panic!("as asked"),
        }
    }

    async fn get(&self, _: &SessionKey) -> Result<Option<Record>> {
        unreachable!()
    }

    async fn get_if_changed(&self, _: &SessionKey, _: Version) -> Result<IfChanged> {
        unreachable!()
    }

    async fn set(&self, _: &SessionKey, _: &Write, _: SetMode) -> Result<Version> {
        unreachable!()
    }

    async fn touch(&self, _: &SessionKey, _: Duration) -> Result<bool> {
        unreachable!()
    }

    async fn destroy(&self, _: &SessionKey) -> Result<bool> {
        unreachable!()
    }

    async fn destroy_if(&self, _: &SessionKey, _: Version) -> Result<bool> {
        unreachable!()
    }

    async fn import(&self, _: &SessionKey, _: &Record) -> Result<Option<Version>> {
        unreachable!()
    }

    async fn rotate(&self, _: &SessionKey, _: &SessionKey, _: &Write, _: Option<Version>) -> Result<Version> {
        unreachable!()
    }

    fn placement(&self, _: &SessionKey) -> u16 {
        unreachable!()
    }

    async fn list_by_user(&self, _: &UserId, _: &Page) -> Result<Vec<Entry>> {
        unreachable!()
    }

    async fn destroy_by_user(&self, _: &UserId, _: Option<&SessionKey>) -> Result<u64> {
        unreachable!()
    }

    async fn count(&self) -> Result<u64> {
        unreachable!()
    }

    async fn clear(&self) -> Result<u64> {
        unreachable!()
    }

    async fn scan(&self, _: Option<&ScanCursor>, _: u32) -> Result<ScanPage> {
        unreachable!()
    }

    async fn ping(&self) -> Result<()> {
        unreachable!()
    }

    async fn close(&self) {
        unreachable!()
    }
}

/// The key that its errors are about, which nothing may show.
const KEY: SessionKey = SessionKey::from_bytes([0xab; 32]);
