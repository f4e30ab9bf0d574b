//! A table that the tests of the batcher write to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_store_core::batch::{Batch, BatchLimits};
use session_store_core::{Error, ErrorKind, Result, async_trait};
use tokio::sync::Semaphore;
use tokio::task::Id;
use tokio::time::Instant;

/// What one caller wants of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Add {
    pub(crate) key: u8,
    pub(crate) amount: u64,
    pub(crate) bytes: usize,
}

/// The statement that adds to it.
pub(crate) struct Adding(pub(crate) Arc<Table>);

impl std::ops::Deref for Adding {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
    }
}

/// A table of sums. A batch with a poisoned request changes nothing and fails as a whole, as a statement does.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) sums: Mutex<HashMap<u8, u64>>,
    /// The requests of each batch that was run, and the most that were under way at once.
    pub(crate) batches: Mutex<Vec<Vec<Add>>>,
    /// The task that ran each of them.
    pub(crate) tasks: Mutex<Vec<Option<Id>>>,
    pub(crate) running: AtomicUsize,
    pub(crate) most_running: AtomicUsize,
    /// Where it is given, each batch waits for a permit.
    pub(crate) gate: Option<Semaphore>,
}

pub(crate) const POISON: u64 = 666;
pub(crate) const PANIC: u64 = 667;
pub(crate) const FLAKY: u64 = 668;

#[async_trait]
impl Batch for Adding {
    const CHANGES: bool = true;

    type Request = Add;
    type Answer = u64;
    type Key = u8;

    fn key(&self, request: &Add) -> Option<u8> {
        Some(request.key)
    }

    fn bytes(&self, request: &Add) -> usize {
        request.bytes
    }

    async fn run(&self, requests: &[&Add]) -> Result<Vec<Result<u64>>> {
        self.batches.lock().unwrap().push(requests.iter().map(|request| **request).collect());
        self.tasks.lock().unwrap().push(tokio::task::try_id());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        match &self.gate {
            Some(gate) => gate.acquire().await.unwrap().forget(),
            None => tokio::task::yield_now().await,
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        assert!(requests.iter().all(|request| request.amount != PANIC), "as asked");
        if requests.iter().any(|request| request.amount == POISON) {
            return Err(Error::invalid_input("the database refuses this row"));
        }
        if requests.iter().any(|request| request.amount == FLAKY) {
            return Err(Error::new(ErrorKind::Unavailable, "the connection broke").with_outcome_unknown());
        }
        let mut sums = self.sums.lock().unwrap();
        let add = |request: &&Add| {
            let sum = sums.entry(request.key).or_default();
            *sum += request.amount;
            Ok(*sum)
        };
        Ok(requests.iter().map(add).collect())
    }
}

pub(crate) fn add(key: u8, amount: u64) -> Add {
    Add { key, amount, bytes: 1 }
}

pub(crate) fn limits(requests: usize, in_flight: usize) -> BatchLimits {
    BatchLimits { requests, in_flight, ..BatchLimits::default() }
}

pub(crate) fn gated() -> Arc<Table> {
    Arc::new(Table { gate: Some(Semaphore::new(0)), ..Table::default() })
}

pub(crate) fn open(table: &Table) {
    table.gate.as_ref().unwrap().add_permits(1_000);
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
