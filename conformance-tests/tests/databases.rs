//! The databases that the stores are tested against are there, and answer.

use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::containers::{Database, Release, TestDatabase};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

const DATABASES: [(Database, &str); 3] = [(Database::Redis, "PONG"), (Database::Postgres, "1"), (Database::Mongo, "1")];

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(_) => return ExitCode::FAILURE,
    };
    let releases = DATABASES.iter().flat_map(|database| [(database, Release::Current), (database, Release::Old)]);
    let trials = releases
        .map(|((database, expected), release)| (TestDatabase::new(*database, release), *expected))
        // What is not to be had is counted as not run by scripts/test.
        .filter(|(database, _)| database.not_run().is_none())
        .map(|(database, expected)| trial(database, expected, &runtime))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(database: TestDatabase, expected: &'static str, runtime: &Arc<Runtime>) -> Trial {
    let runtime = Arc::clone(runtime);
    Trial::test(format!("{database} answers"), move || {
        runtime.block_on(async {
            let answer = database.answer().await.map_err(|error| with_cause(&error))?;
            // Removed while the runtime still runs.
            drop(database);
            if answer == expected { Ok(()) } else { Err(format!("it answered {answer}").into()) }
        })
    })
}

fn with_cause(error: &session_store_core::Error) -> Failed {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default()).into()
}
