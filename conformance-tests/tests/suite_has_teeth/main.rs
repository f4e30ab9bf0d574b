//! The suite tested: stores that are wrong on purpose must fail, and fail exactly what they break.
//!
//! Each wrong store is a trial of its own. It is the reference store with one fault, and lists the cases
//! that it must fail. Two more trials show that the reference store without a fault fails nothing, and
//! that every case is failed by some store.

mod end;
mod harness;
mod if_changed;
mod import;
mod read;
mod scan;
mod state;
mod store;
mod sweep;
mod user;
mod write;
mod wrong;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::{Capability, Case, cases};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Builder;

use crate::harness::{Marked, quiet};
use crate::wrong::{Fault, WRONG};

fn main() -> ExitCode {
    quiet();
    let mut trials = vec![
        trial("the_reference_store_fails_nothing", "0 cases", || fails_exactly(None, &[])),
        trial("every_case_is_failed_by_some_store", "all stores", every_case_is_failed),
    ];
    let without_users = || what_is_left_passes(Fault::ListsAreNotSupported, Capability::UserIndex);
    trials.push(trial("a_store_that_says_what_it_lacks_passes_the_rest", "0 cases", without_users));
    trials.extend(WRONG.iter().map(|(fault, fails)| {
        let kind = format!("{} of {} cases", fails.len(), cases().count());
        trial(&format!("{fault:?}"), &kind, || fails_exactly(Some(*fault), fails))
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, kind: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name, test).with_kind(kind)
}

/// Runs the whole suite on one store.
fn fails_exactly(fault: Option<Fault>, expected: &[&str]) -> Result<(), Failed> {
    // One thread for all of a case's tasks: every run takes the same turns, so a race that a store loses
    // it always loses.
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let mut failures = Vec::new();
    for case in cases() {
        if let Err(why) = runtime.block_on(case.run(Arc::new(Marked::new(fault)))) {
            failures.push((case.name(), why));
        }
    }
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    let failed: BTreeSet<_> = failures.iter().map(|(name, _)| *name).collect();
    let mut report = String::new();
    for (name, why) in failures.iter().filter(|(name, _)| !expected.contains(name)) {
        let _ = writeln!(report, "fails {name}, which is not listed: {why}");
    }
    for name in expected.difference(&failed) {
        let _ = writeln!(report, "passes {name}, which is listed");
    }
    if report.is_empty() { Ok(()) } else { Err(report.into()) }
}

/// A store that cannot do something, and says so, fails none of the cases that do not need it.
fn what_is_left_passes(fault: Fault, lacking: Capability) -> Result<(), Failed> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    for case in cases().filter(|case| !case.needs().contains(&lacking)) {
        let harness = Arc::new(Marked::new(Some(fault)).lacking(lacking));
        runtime.block_on(case.run(harness)).map_err(|why| format!("fails {}: {why}", case.name()))?;
    }
    Ok(())
}

fn every_case_is_failed() -> Result<(), Failed> {
    let failed: BTreeSet<_> = WRONG.iter().flat_map(|(_, fails)| fails.iter().copied()).collect();
    let known: BTreeSet<_> = cases().map(Case::name).collect();
    let unfailed: Vec<_> = known.difference(&failed).collect();
    let unknown: Vec<_> = failed.difference(&known).collect();
    if unfailed.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(format!("failed by no store: {unfailed:?}; listed, and not a case: {unknown:?}").into())
}
