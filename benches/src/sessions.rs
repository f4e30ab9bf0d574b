//! What `Sessions::load` costs over the store's `get`: hashing the ID, decoding the data, judging its age.
//!
//! In CPU time of one thread, so that what else the machine does counts little, over the memory store, whose `get` is
//! the cheapest there is.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use session_store_core::codec::{Codec, Dictionary, EncryptionKey, KeyRing};
use session_store_core::observed::Observed;
use session_store_core::{Result, SessionId, SessionKey, SessionStore, Sessions};
use session_store_memory::MemoryStore;
use tokio::runtime::Builder;

use crate::measure::median;
use crate::shop::Session;

const ROUNDS: usize = 31;
const LOADS: usize = 20_000;

/// One way to load, and the sessions that it finds.
struct Subject {
    name: &'static str,
    sessions: Sessions<Session>,
    ids: Vec<SessionId>,
    micros: Vec<f64>,
}

impl Subject {
    async fn fill(name: &'static str, codec: Codec, corpus: &[Session], observed: bool) -> Result<Self> {
        let store = MemoryStore::new();
        let store: Arc<dyn SessionStore> =
            if observed { Arc::new(Observed::new(store, "memory")) } else { Arc::new(store) };
        let sessions = Sessions::builder(store).codec(codec).build()?;
        let mut ids = Vec::with_capacity(corpus.len());
        for session in corpus {
            ids.push(sessions.create(session.clone()).await?.id().clone());
        }
        Ok(Self { name, sessions, ids, micros: Vec::new() })
    }

    async fn load(&self) -> Result<f64> {
        let begin = cpu_time();
        for id in self.ids.iter().cycle().take(LOADS) {
            black_box(self.sessions.load(id).await?);
        }
        Ok(micros_each(begin))
    }

    /// The same sessions by the store alone, whose keys are known.
    async fn get(&self, keys: &[SessionKey]) -> Result<f64> {
        let store = self.sessions.store();
        let begin = cpu_time();
        for key in keys.iter().cycle().take(LOADS) {
            black_box(store.get(key).await?);
        }
        Ok(micros_each(begin))
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros_each(begin: Duration) -> f64 {
    cpu_time().saturating_sub(begin).div_duration_f64(Duration::from_micros(1))
        / f64::from(u32::try_from(LOADS).unwrap_or(1))
}

pub(crate) fn run() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| session_store_core::Error::config("no Tokio runtime can be started"))?;
    runtime.block_on(compare())
}

async fn compare() -> Result<()> {
    let corpus = crate::corpus::typed()?;
    let (training, measured) = corpus.split_at(corpus.len() / 2);
    let dictionary = Dictionary::train(training, 16 * 1024)?;
    let ring = KeyRing::new(EncryptionKey::generate()?);
    let mut subjects = [
        Subject::fill("the default codec", Codec::new(), measured, false).await?,
        Subject::fill("the default codec, observed", Codec::new(), measured, true).await?,
        Subject::fill("no compression", Codec::new().with_compression_over(usize::MAX), measured, false).await?,
        Subject::fill("zstd at level 3", Codec::new().with_compression_level(3), measured, false).await?,
        Subject::fill("a dictionary", Codec::new().with_dictionary(dictionary.clone()), measured, false).await?,
        Subject::fill(
            "a dictionary, encrypted",
            Codec::new().with_dictionary(dictionary).with_encryption(ring),
            measured,
            false,
        )
        .await?,
    ];
    let mut gets = Vec::new();
    for round in 0..=ROUNDS {
        let [first, ..] = &subjects;
        let keys: Vec<_> = first.ids.iter().map(SessionKey::from).collect();
        let get = first.get(&keys).await?;
        gets.extend((round > 0).then_some(get));
        for subject in &mut subjects {
            let micros = subject.load().await?;
            subject.micros.extend((round > 0).then_some(micros));
        }
    }
    print(median(&gets), &subjects, measured.len());
    Ok(())
}

fn print(get: f64, subjects: &[Subject], count: usize) {
    println!("\nSessions::load into a struct, {count} sessions, median of {ROUNDS} rounds, µs of CPU each");
    println!("{:<28}{:>8}{:>22}", "", "µs", "over the store's get");
    println!("{:<28}{get:>8.2}", "get of the memory store");
    for subject in subjects {
        let micros = median(&subject.micros);
        println!("{:<28}{micros:>8.2}{:>22.2}", subject.name, micros - get);
    }
}
