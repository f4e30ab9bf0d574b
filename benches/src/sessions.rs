//! What `Sessions::load` costs over the store's `get`: hashing the ID, decoding the data, judging its age.
//!
//! In CPU time of one thread, so that what else the machine does counts little, over the memory store, whose `get` is
//! the cheapest there is.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use session_store_core::codec::{Codec, Dictionary, EncryptionKey, KeyRing};
use session_store_core::observed::Observed;
use session_store_core::{SessionId, SessionKey, SessionStore, Sessions};
use session_store_memory::MemoryStore;
use tokio::runtime::Builder;

use crate::measure::median;
use crate::report::Table;
use crate::result::Result;
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

/// In microseconds each, for all ways.
pub(crate) struct Overhead {
    get: f64,
    ways: Vec<(&'static str, f64)>,
}

pub(crate) fn measure() -> Result<Overhead> {
    Builder::new_current_thread().enable_all().build()?.block_on(compare())
}

async fn compare() -> Result<Overhead> {
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
    let ways = subjects.iter().map(|subject| (subject.name, median(&subject.micros))).collect();
    Ok(Overhead { get: median(&gets), ways })
}

impl Overhead {
    const TITLE: &str = "CPU time of Sessions::load into a struct";
    const HEADS: [&str; 3] = ["", "µs", "over the store's get"];

    fn rows(&self) -> impl Iterator<Item = [String; 3]> {
        let get = ("get of the memory store", self.get);
        let row = |(name, micros): (&str, f64)| {
            [name.to_owned(), format!("{micros:.2}"), format!("{:.2}", micros - self.get)]
        };
        std::iter::once(get).chain(self.ways.iter().copied()).map(row)
    }

    pub(crate) fn table(&self) -> Table {
        Table {
            title: Self::TITLE.to_owned(),
            heads: Self::HEADS.map(str::to_owned).to_vec(),
            rows: self.rows().map(Vec::from).collect(),
        }
    }
}

impl fmt::Display for Overhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = Self::HEADS;
        write!(f, "{}, median of {ROUNDS} rounds\n{first:<28}{second:>8}{third:>22}", Self::TITLE)?;
        self.rows().try_for_each(|[name, micros, over]| write!(f, "\n{name:<28}{micros:>8}{over:>22}"))
    }
}
