//! The entry point: one report line per case.

use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

use crate::{Case, Harness, cases};

/// Runs every case on every harness: the whole `main` of a test target with `harness = false`.
///
/// It takes the arguments of every Rust test program, among them `--list` and names to choose by. Each
/// case is one line, of the kind that the harness is called. Cases that need what a harness
/// [lacks](Harness::lacks) are ignored, and their kind says what is lacking. At the end, each harness that names its
/// [server](Harness::server) has a line.
///
/// # Example
///
/// See the [crate's page](crate).
#[must_use = "it is the exit code of the program"]
pub fn run(harnesses: Vec<Arc<dyn Harness>>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases wait more than they work, so many go on side by side.
    arguments.test_threads = arguments.test_threads.or(harnesses.iter().map(|harness| harness.cases_at_once()).min());
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => return report(&format!("no Tokio runtime can be started: {error}")),
    };
    let trials = harnesses.iter().flat_map(|harness| cases().map(|case| trial(case, harness, &runtime))).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.num_passed + conclusion.num_failed > 0 {
        runtime.block_on(tell_servers(&harnesses));
    }
    // What a harness owns, a container for one, is dropped while the runtime still runs.
    runtime.block_on(async { drop(harnesses) });
    if let Some(runtime) = Arc::into_inner(runtime) {
        // A store that blocks its thread must not hold up the end as well.
        runtime.shutdown_background();
    }
    conclusion.exit_code()
}

#[allow(clippy::print_stdout, reason = "a part of the report")]
async fn tell_servers(harnesses: &[Arc<dyn Harness>]) {
    for harness in harnesses {
        match harness.server().await {
            Ok(Some(server)) => println!("server [{}]: {server}", harness.name()),
            Ok(None) => {}
            Err(error) => println!("server [{}]: not known, {error}", harness.name()),
        }
    }
}

fn trial(case: &'static Case, harness: &Arc<dyn Harness>, runtime: &Arc<Runtime>) -> Trial {
    let lacking: Vec<_> = case.needs().iter().filter(|need| harness.lacks().contains(need)).collect();
    let kind =
        if lacking.is_empty() { harness.name().to_owned() } else { format!("{}, lacks {lacking:?}", harness.name()) };
    let (harness, runtime) = (Arc::clone(harness), Arc::clone(runtime));
    // A case ends by itself, and so does the removal of its namespace, within this time each.
    let limit = 2 * Case::limit(&*harness) + Duration::from_secs(5);
    Trial::test(case.name(), move || watched(case, harness, &runtime, limit))
        .with_kind(kind)
        .with_ignored_flag(!lacking.is_empty())
}

/// Runs a case on the runtime, and watches it from outside: where a store blocks its thread, the case's own
/// time-out has none to fire on.
fn watched(case: &'static Case, harness: Arc<dyn Harness>, runtime: &Runtime, limit: Duration) -> Result<(), Failed> {
    let (sender, receiver) = mpsc::channel();
    runtime.spawn(async move { sender.send(case.run(harness).await) });
    match receiver.recv_timeout(limit) {
        Ok(outcome) => outcome.map_err(Failed::from),
        Err(_) => Err(format!("still running after {limit:?}: does a method block its thread?").into()),
    }
}

#[allow(clippy::print_stderr, reason = "this is the program's only place to say it")]
fn report(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use session_store_core::{Error, Result, SessionStore, async_trait};

    use super::*;
    use crate::Capability;

    /// Has no server, and takes its time to find that out.
    struct LacksLeftovers {
        blocks: Duration,
    }

    const NO_SERVER: LacksLeftovers = LacksLeftovers { blocks: Duration::ZERO };

    #[async_trait]
    impl Harness for LacksLeftovers {
        fn name(&self) -> &'static str {
            "yours"
        }

        async fn open(&self, _namespace: &str) -> Result<Arc<dyn SessionStore>> {
            std::thread::sleep(self.blocks);
            Err(Error::config("no server"))
        }

        async fn remove(&self, _namespace: &str) -> Result<()> {
            Ok(())
        }

        fn lacks(&self) -> &[Capability] {
            &[Capability::Leftovers]
        }
    }

    #[test]
    fn what_a_harness_lacks_is_ignored_and_the_line_says_why() {
        let harness: Arc<dyn Harness> = Arc::new(NO_SERVER);
        let runtime = Arc::new(Runtime::new().unwrap());
        for case in cases() {
            let trial = trial(case, &harness, &runtime);
            let lacking = case.clause() == "P3";
            assert_eq!(trial.has_ignored_flag(), lacking, "{}", case.name());
            assert_eq!(trial.kind(), if lacking { "yours, lacks [Leftovers]" } else { "yours" });
        }
    }

    #[test]
    fn a_store_that_blocks_its_thread_is_a_failure() {
        let runtime = Runtime::new().unwrap();
        let harness = Arc::new(LacksLeftovers { blocks: Duration::from_secs(2) });
        let outcome = watched(cases().next().unwrap(), harness, &runtime, Duration::from_millis(50));
        let message = outcome.unwrap_err().message().unwrap_or_default().to_owned();
        assert_eq!(message, "still running after 50ms: does a method block its thread?");
        runtime.shutdown_background();
    }

    #[test]
    fn a_server_that_is_not_there_is_a_failure() {
        let runtime = Runtime::new().unwrap();
        for case in cases().filter(|case| case.name() != "N1/a_name_out_of_bounds_is_refused") {
            let outcome = runtime.block_on(case.run(Arc::new(NO_SERVER)));
            assert!(outcome.unwrap_err().to_string().contains("config: no server"), "{}", case.name());
        }
    }
}
