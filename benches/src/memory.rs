//! The embedded store beside the stores of tower-sessions that keep sessions in memory.

use std::sync::Arc;

use session_store_core::{SessionId, SessionKey, SessionStore as _, SetMode, Write};
use session_store_memory::MemoryStore;
use tower_sessions_core::SessionStore;
use tower_sessions_memory_store::MemoryStore as TowerMemoryStore;
use tower_sessions_moka_store::MokaStore;

use crate::corpus::{self, Session};
use crate::costs;
use crate::meter::{Meter, resident_bytes};
use crate::ours::Ours;
use crate::report::{Report, Table, Target, Want};
use crate::result::Result;
use crate::store::{Contender, HOUR, Workload, nth};
use crate::suite::{self, SESSIONS_T};
use crate::tower::{TowerSessions, record};
use crate::typed::Typed;
use crate::{scaling, sessions};

const OURS: &str = "session-store-memory";
const MOKA: &str = "tower-sessions-moka-store";
const TOWER: &str = "tower-sessions-memory-store";
const TASKS: usize = 64;
const SESSIONS: usize = 20_000;
/// Of how many the memory is measured.
const KEPT: usize = 100_000;

pub(crate) async fn run() -> Result<Report> {
    let meter = &Meter::default();
    let mut report = Report::new("memory", "Memory: session-store-memory beside others", "embedded".to_owned())?;
    let sessions = corpus::sessions()?;
    // First, and all of them kept until the last is measured: what was freed would be used again.
    let (our_bytes, our_store) = bytes_of_ours(&sessions).await?;
    let (moka_bytes, moka_store) = bytes_of_tower(MokaStore::new(None), &sessions).await?;
    let (tower_bytes, tower_store) = bytes_of_tower(TowerMemoryStore::default(), &sessions).await?;
    drop((our_store, moka_store, tower_store));
    let kept = [(OURS, our_bytes), (MOKA, moka_bytes), (TOWER, tower_bytes)];
    report.tables.push(costs::table("Bytes of memory per session", &kept));

    let ours = Ours::fill(MemoryStore::new(), &sessions, SESSIONS).await?;
    let typed = Typed::fill(Arc::new(MemoryStore::new()), SESSIONS).await?;
    let moka = TowerSessions::fill(MokaStore::new(None), &sessions, SESSIONS).await?;
    let tower = TowerSessions::fill(TowerMemoryStore::default(), &sessions, SESSIONS).await?;
    let all = [
        Contender::boxed(OURS, &ours),
        Contender::boxed(SESSIONS_T, &typed),
        Contender::boxed(MOKA, &moka),
        Contender::boxed(TOWER, &tower),
    ];
    let all = all.each_ref().map(|entrant| &**entrant);
    for workload in Workload::COMPARED {
        suite::compare(&mut report, meter, workload, TASKS, &all).await?;
    }
    suite::by_tasks(&mut report, meter, TASKS, &all).await?;
    for (data, _, bytes) in suite::DATA {
        let sized = corpus::sized(bytes)?;
        let ours = Ours::fill(MemoryStore::new(), &sized, suite::OF_DATA).await?;
        let moka = TowerSessions::fill(MokaStore::new(None), &sized, suite::OF_DATA).await?;
        let entrants = [Contender::boxed(OURS, &ours), Contender::boxed(MOKA, &moka)];
        suite::with_data(&mut report, meter, data, TASKS, &entrants.each_ref().map(|entrant| &**entrant)).await?;
    }
    crate::users::measure(&mut report, meter, TASKS, &ours, None).await?;
    let grown = suite::grown(&report, &sessions, |_| async { Ok(MemoryStore::new()) }).await?;
    suite::by_size(&mut report, meter, TASKS, &grown).await?;
    drop(grown);

    // On threads of their own, where nothing else runs meanwhile.
    let scaling = std::thread::spawn(scaling::measure).join().map_err(|_| "a thread has panicked")??;
    let [store, _] = &scaling;
    let [_, two] = store.rates;
    let rows = scaling.iter().map(|of| {
        let [one, two] = of.rates;
        vec![of.name.to_owned(), format!("{one:.2}"), format!("{two:.2}"), format!("{:.2}", two / one)]
    });
    report.tables.push(Table {
        title: "Gets from one thread and two, millions a second, 100,000 sessions of 1 KiB".to_owned(),
        heads: ["", "1 thread", "2 threads", "ratio"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    });
    let overhead = std::thread::spawn(sessions::measure).join().map_err(|_| "a thread has panicked")??;
    report.tables.push(overhead.table());
    costs::of_forms(&mut report)?;

    report.want_speed(Workload::Load, TASKS, [SESSIONS_T, MOKA], Want::AtLeast(2.0))?;
    report.targets.push(Target::of_value("gets from two threads, millions a second", two, Want::AtLeast(3.0)));
    costs::want_flat(&mut report, 1.2);
    Ok(report)
}

async fn bytes_of_ours(sessions: &[Session]) -> Result<(f64, MemoryStore)> {
    let (store, before) = (MemoryStore::new(), resident_bytes()?);
    for session in 0..KEPT {
        let write = Write::new(nth(sessions, session)?.payload.clone(), HOUR, HOUR)?;
        store.set(&SessionKey::from(&SessionId::generate()?), &write, SetMode::Create).await?;
    }
    Ok((each(before)?, store))
}

async fn bytes_of_tower<S: SessionStore>(store: S, sessions: &[Session]) -> Result<(f64, S)> {
    let before = resident_bytes()?;
    for session in 0..KEPT {
        store.create(&mut record(nth(sessions, session)?)?).await?;
    }
    Ok((each(before)?, store))
}

fn each(before: u64) -> Result<f64> {
    let more = resident_bytes()?.saturating_sub(before);
    Ok(f64::from(u32::try_from(more / 1_024)?) * 1_024.0 / f64::from(u32::try_from(KEPT)?))
}
