//! The entry point: one report line per case.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

use crate::{Case, Harness, cases};

/// Cases wait more than they work, so many go on side by side.
const THREADS: usize = 64;

/// Runs every case on every harness: the whole `main` of a test target with `harness = false`.
///
/// It takes the arguments of every Rust test program, among them `--list` and names to choose by. Each
/// case is one line, of the kind that the harness is called. Cases that need what a harness
/// [lacks](Harness::lacks) are ignored, and their kind says what is lacking.
///
/// # Example
///
/// See the [crate's page](crate).
#[must_use = "it is the exit code of the program"]
pub fn run(harnesses: Vec<Arc<dyn Harness>>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => return report(&format!("no Tokio runtime can be started: {error}")),
    };
    let trials = harnesses.iter().flat_map(|harness| cases().map(|case| trial(case, harness, &runtime))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // What a harness owns, a container for one, is dropped while the runtime still runs.
    runtime.block_on(async { drop(harnesses) });
    conclusion.exit_code()
}

fn trial(case: &'static Case, harness: &Arc<dyn Harness>, runtime: &Arc<Runtime>) -> Trial {
    let lacking: Vec<_> = case.needs().iter().filter(|need| harness.lacks().contains(need)).collect();
    let kind =
        if lacking.is_empty() { harness.name().to_owned() } else { format!("{}, lacks {lacking:?}", harness.name()) };
    let (harness, runtime) = (Arc::clone(harness), Arc::clone(runtime));
    Trial::test(case.name(), move || runtime.block_on(case.run(harness)).map_err(Failed::from))
        .with_kind(kind)
        .with_ignored_flag(!lacking.is_empty())
}

#[allow(clippy::print_stderr, reason = "this is the program's only place to say it")]
fn report(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
