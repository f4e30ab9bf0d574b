//! What is measured of every database.

use std::time::Duration;

use crate::measure::{Result, Subject, Turns, take_turns};
use crate::meter::Meter;
use crate::report::{Comparison, Report};
use crate::store::{Entrant, Workload};

/// For what the targets are about.
const LONG: Turns = Turns { rounds: 9, length: Duration::from_millis(250) };
/// For the rest.
const SHORT: Turns = Turns { rounds: 5, length: Duration::from_millis(150) };

const TASKS: [usize; 5] = [1, 16, 64, 256, 1_024];

/// How a comparison ends in its name whose subjects are stores of different sizes.
pub(crate) const BY_SIZE: &str = "by sessions in the store";

/// Compares at one workload.
pub(crate) async fn compare(
    report: &mut Report,
    meter: &Meter,
    workload: Workload,
    tasks: usize,
    entrants: &[&dyn Entrant],
) -> Result {
    let subjects = entrants.iter().map(|entrant| entrant.subject(workload, tasks)).collect();
    compare_subjects(report, meter, &workload.to_string(), tasks, subjects).await
}

pub(crate) async fn compare_subjects(
    report: &mut Report,
    meter: &Meter,
    what: &str,
    tasks: usize,
    mut subjects: Vec<Subject>,
) -> Result {
    take_turns(&format!("{}: {what}, {tasks} tasks", report.database), &mut subjects, LONG, meter).await?;
    report.comparisons.push(Comparison::of(what, tasks, &subjects));
    Ok(())
}

/// Loads and saves of other numbers of tasks.
pub(crate) async fn by_tasks(report: &mut Report, meter: &Meter, measured: usize, entrants: &[&dyn Entrant]) -> Result {
    for tasks in TASKS.into_iter().filter(|tasks| *tasks != measured && *tasks != 1) {
        for workload in [Workload::Load, Workload::Save] {
            let mut subjects: Vec<_> = entrants.iter().map(|entrant| entrant.subject(workload, tasks)).collect();
            take_turns(&format!("{}: {workload}, {tasks} tasks", report.database), &mut subjects, SHORT, meter).await?;
            report.comparisons.push(Comparison::of(workload.to_string(), tasks, &subjects));
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
        let what = format!("{workload}, {data}");
        let mut subjects: Vec<_> = entrants.iter().map(|entrant| entrant.subject(workload, tasks)).collect();
        take_turns(&format!("{}: {what}", report.database), &mut subjects, SHORT, meter).await?;
        report.comparisons.push(Comparison::of(what, tasks, &subjects));
    }
    Ok(())
}

/// One store in different sizes, the smallest first.
pub(crate) async fn by_size(
    report: &mut Report,
    meter: &Meter,
    tasks: usize,
    sizes: &[(&str, &dyn Entrant)],
) -> Result {
    for workload in [Workload::Load, Workload::Save, Workload::Touch] {
        let what = format!("{workload}, {BY_SIZE}");
        let subject = |(name, entrant): &(&str, &dyn Entrant)| {
            let mut subject = entrant.subject(workload, tasks);
            (*name).clone_into(&mut subject.name);
            subject
        };
        let mut subjects: Vec<_> = sizes.iter().map(subject).collect();
        take_turns(&format!("{}: {what}", report.database), &mut subjects, LONG, meter).await?;
        report.comparisons.push(Comparison::of(what, tasks, &subjects));
    }
    Ok(())
}
