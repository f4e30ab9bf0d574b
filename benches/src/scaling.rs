//! How reads of the memory store scale from one core to two, beside the plainest thing that could be used instead,
//! one map behind one lock.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use session_store_core::{Error, ErrorKind, Record, Result, SessionId, SessionKey, SessionStore, SetMode, Write};
use session_store_memory::MemoryStore;
use tokio::runtime::{Builder, Runtime};

use crate::measure::median;

const SESSIONS: usize = 100_000;
const DATA: usize = 1_024;
const RUN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

/// What is measured: reads of a session, from as many threads as there are.
enum Subject {
    Map(Mutex<HashMap<SessionKey, Record>>),
    Store(MemoryStore),
}

impl Subject {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        match self {
            Self::Map(map) => Ok(map.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()),
            Self::Store(store) => store.get(key).await,
        }
    }
}

/// Millions of reads a second of each, from one thread and from two.
pub(crate) struct Scaling {
    pub(crate) name: &'static str,
    pub(crate) rates: [f64; 2],
}

pub(crate) fn measure() -> Result<[Scaling; 2]> {
    let keys: Vec<_> =
        (0..SESSIONS).map(|_| SessionId::generate().map(|id| SessionKey::from(&id))).collect::<Result<_>>()?;
    let store = MemoryStore::new();
    let map = runtime()?.block_on(fill(&store, &keys))?;
    let subjects = [("session-store-memory", Subject::Store(store)), ("Mutex<HashMap>", Subject::Map(Mutex::new(map)))];
    let mut rates = [[const { Vec::<f64>::new() }; 2], [const { Vec::new() }; 2]];
    for round in 1..=ROUNDS {
        eprint!("\r\x1b[Kmemory: get, from 1 thread and 2: round {round} of {ROUNDS}");
        // Interleaved, so that a machine whose speed drifts hits all alike.
        for (rates, (_, subject)) in rates.iter_mut().zip(&subjects) {
            for (rates, threads) in rates.iter_mut().zip([1, 2]) {
                rates.push(rate(subject, &keys, threads)?);
            }
        }
    }
    eprintln!();
    let [of_store, of_map] = rates.map(|rates| rates.map(|rates| median(&rates)));
    let [(store, _), (map, _)] = subjects;
    Ok([Scaling { name: store, rates: of_store }, Scaling { name: map, rates: of_map }])
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .build()
        .map_err(|error| Error::new(ErrorKind::Internal, "no Tokio runtime can be started").with_source(error))
}

async fn fill(store: &MemoryStore, keys: &[SessionKey]) -> Result<HashMap<SessionKey, Record>> {
    let hour = Duration::from_hours(1);
    let write = Write::new(vec![7; DATA], hour, hour)?;
    let mut map = HashMap::new();
    for key in keys {
        store.set(key, &write, SetMode::Create).await?;
        map.extend(store.get(key).await?.map(|record| (*key, record)));
    }
    Ok(map)
}

/// Millions of reads a second, from so many threads together.
fn rate(subject: &Subject, keys: &[SessionKey], threads: usize) -> Result<f64> {
    let start = Barrier::new(threads);
    let reads = |seed: usize| -> Result<u32> {
        let runtime = runtime()?;
        start.wait();
        let begin = Instant::now();
        let (mut reads, mut at) = (0, seed);
        while begin.elapsed() < RUN {
            runtime.block_on(async {
                // The clock is read once in a thousand reads.
                for _ in 0..1_000 {
                    at = (at + 7_919) % keys.len();
                    if let Some(key) = keys.get(at) {
                        black_box(subject.get(key).await?);
                    }
                }
                Ok::<_, Error>(())
            })?;
            reads += 1_000;
        }
        Ok(reads)
    };
    let total: Result<u32> = thread::scope(|scope| {
        let reads = &reads;
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || reads(n * 50_021))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    });
    Ok(f64::from(total?) / RUN.as_secs_f64() / 1e6)
}
