//! What is measured of every database.

use std::time::Duration;

use session_store_core::SessionStore;

use crate::corpus::Session;
use crate::measure::{Subject, Turns, take_turns};
use crate::meter::Meter;
use crate::ours::Ours;
use crate::report::{BY_SIZE, Comparison, Report};
use crate::result::Result;
use crate::store::{Contender, Entrant, Workload};

/// For what the targets are about.
const LONG: Turns = Turns { rounds: 9, length: Duration::from_millis(250) };
/// For the rest.
const SHORT: Turns = Turns { rounds: 5, length: Duration::from_millis(150) };

const TASKS: [usize; 5] = [1, 16, 64, 256, 1_024];

/// How the typed sessions over each store are called.
pub(crate) const SESSIONS_T: &str = "Sessions<T> over it";

/// Other lengths of data: what they are called, and in a database, and the bytes of JSON.
pub(crate) const DATA: [(&str, &str, usize); 2] =
    [("data of 200 bytes", "small", 200), ("data of 32 KiB", "large", 32 * 1_024)];

/// How many sessions there are of such data.
pub(crate) const OF_DATA: usize = 2_000;

/// How many sessions the stores have that grow, and how they are called.
const SIZES: [(usize, &str); 3] = [(10_000, "10 thousand"), (100_000, "100 thousand"), (1_000_000, "1 million")];

/// Compares at one workload.
pub(crate) async fn compare(
    report: &mut Report,
    meter: &Meter,
    workload: Workload,
    tasks: usize,
    entrants: &[&dyn Entrant],
) -> Result {
    measure(report, meter, &workload.to_string(), tasks, LONG, subjects(entrants, workload, tasks)).await
}

/// Compares the entrants at one workload, and with other subjects.
pub(crate) async fn compare_with(
    report: &mut Report,
    meter: &Meter,
    workload: Workload,
    tasks: usize,
    entrants: &[&dyn Entrant],
    others: Option<Subject>,
) -> Result {
    let mut all = subjects(entrants, workload, tasks);
    all.extend(others);
    measure(report, meter, &workload.to_string(), tasks, LONG, all).await
}

/// Compares any subjects.
pub(crate) async fn compare_subjects(
    report: &mut Report,
    meter: &Meter,
    what: &str,
    tasks: usize,
    subjects: Vec<Subject>,
) -> Result {
    measure(report, meter, what, tasks, LONG, subjects).await
}

/// Loads and saves of other numbers of tasks.
pub(crate) async fn by_tasks(report: &mut Report, meter: &Meter, measured: usize, entrants: &[&dyn Entrant]) -> Result {
    for tasks in TASKS.into_iter().filter(|tasks| *tasks != measured && *tasks != 1) {
        for workload in [Workload::Load, Workload::Save] {
            let subjects = subjects(entrants, workload, tasks);
            measure(report, meter, &workload.to_string(), tasks, SHORT, subjects).await?;
        }
    }
    Ok(())
}

/// The same with data of another length.
pub(crate) async fn with_data(
    report: &mut Report,
    meter: &Meter,
    data: &str,
    tasks: usize,
    entrants: &[&dyn Entrant],
) -> Result {
    for workload in [Workload::Load, Workload::Save] {
        let subjects = subjects(entrants, workload, tasks);
        measure(report, meter, &format!("{workload}, {data}"), tasks, SHORT, subjects).await?;
    }
    Ok(())
}

/// Stores of this project in all sizes, the smallest first, each opened under a name.
pub(crate) async fn grown<S, F>(
    report: &Report,
    sessions: &[Session],
    open: impl Fn(&str) -> F,
) -> Result<Vec<Box<dyn Entrant>>>
where
    S: SessionStore + 'static,
    F: Future<Output = session_store_core::Result<S>>,
{
    let mut grown = Vec::new();
    for (count, name) in SIZES {
        eprintln!("{}: filling a store with {count} sessions", report.database);
        let ours = Ours::fill(open(&format!("of_{count}")).await?, sessions, count).await?;
        grown.push(Contender::boxed(name, &ours));
    }
    Ok(grown)
}

/// Stores that differ in their sizes.
pub(crate) async fn by_size(report: &mut Report, meter: &Meter, tasks: usize, grown: &[Box<dyn Entrant>]) -> Result {
    for workload in [Workload::Load, Workload::Save, Workload::Touch] {
        let subjects = grown.iter().map(|entrant| entrant.subject(workload, tasks)).collect();
        measure(report, meter, &format!("{workload}, {BY_SIZE}"), tasks, LONG, subjects).await?;
    }
    Ok(())
}

fn subjects(entrants: &[&dyn Entrant], workload: Workload, tasks: usize) -> Vec<Subject> {
    entrants.iter().map(|entrant| entrant.subject(workload, tasks)).collect()
}

async fn measure(
    report: &mut Report,
    meter: &Meter,
    what: &str,
    tasks: usize,
    turns: Turns,
    mut subjects: Vec<Subject>,
) -> Result {
    take_turns(&format!("{}: {what}, {tasks} tasks", report.database), &mut subjects, turns, meter).await?;
    report.comparisons.push(Comparison::of(what, tasks, &subjects));
    Ok(())
}
