//! The databases that the stores are tested against are there, and answer.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
#[cfg(unix)]
use testkit::containers::not_run;
use testkit::containers::{Database, Release, TestDatabase};
#[cfg(unix)]
use testkit::servers::RedisServer;
use tokio::runtime::Runtime;

const DATABASES: [(Database, Release, &str); 7] = [
    (Database::Redis, Release::Current, "PONG"),
    (Database::Redis, Release::Old, "PONG"),
    (Database::Valkey, Release::Current, "PONG"),
    (Database::Postgres, Release::Current, "1"),
    (Database::Postgres, Release::Old, "1"),
    (Database::Mongo, Release::Current, "1"),
    (Database::Mongo, Release::Old, "1"),
];

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(_) => return ExitCode::FAILURE,
    };
    let mut trials: Vec<_> = DATABASES
        .iter()
        .map(|(database, release, expected)| (TestDatabase::new(*database, *release), *expected))
        // What is not to be had is counted as not run by scripts/test.
        .filter(|(database, _)| database.not_run().is_none())
        .map(|(database, expected)| trial(database, expected, &runtime))
        .collect();
    #[cfg(unix)]
    trials.extend(old_server(&runtime));
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

/// The program for servers that tests start themselves; tests/servers.rs tries the current one.
#[cfg(unix)]
fn old_server(runtime: &Arc<Runtime>) -> Option<Trial> {
    let runtime = Arc::clone(runtime);
    let trial = Trial::test("redis old server answers", move || {
        runtime.block_on(async {
            let server = RedisServer::start_release(Release::Old, &[]).await.map_err(|error| with_cause(&error))?;
            let version = server.info("redis_version").await.map_err(|error| with_cause(&error))?;
            if version.as_ref().is_some_and(|version| version.starts_with("6.")) {
                Ok(())
            } else {
                Err(format!("it is {version:?}").into())
            }
        })
    });
    not_run("redis old server").is_none().then_some(trial)
}

fn with_cause(error: &session_store_core::Error) -> Failed {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default()).into()
}
