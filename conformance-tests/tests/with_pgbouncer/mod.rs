//! Tests that need a `PgBouncer`. Where none is to be had, they are not there, and scripts/test counts it as not run.

use std::process::ExitCode;

use conformance_tests::containers::not_run;
use libtest_mimic::{Arguments, Trial};
use session_store_core::BoxError;

pub(crate) fn run(trials: Vec<Trial>) -> ExitCode {
    let is_there = |_: &Trial| not_run("pgbouncer").is_none();
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().filter(is_there).collect()).exit_code()
}

pub(crate) fn trial<Running>(name: &'static str, case: impl FnOnce() -> Running + Send + 'static) -> Trial
where
    Running: Future<Output = Result<(), BoxError>>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(case())?)
    })
}
