//! `cargo run --release -p benches -- [memory | sqlite | redis | postgres | mongo | all]`: the stores side by side with what one
//! would use instead, in one run on one machine. Ratios are what to look at. `sessions` is what `Sessions<T>` costs alone.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod actix;
mod axum;
mod chart;
mod compare;
mod corpus;
mod costs;
mod fairness;
mod measure;
mod memory;
mod meter;
mod mongo;
mod ours;
mod output;
mod postgres;
mod programs;
mod redis;
mod report;
mod result;
mod scaling;
mod sessions;
#[path = "../../examples/quickstart/session.rs"]
#[allow(dead_code, reason = "the struct of the quickstart, which does more with it")]
mod shop;
mod sqlite;
mod store;
mod suite;
mod tower;
mod typed;
mod users;

use std::process::ExitCode;

use tokio::runtime::Builder;

use self::programs::Database;
use self::result::Result;

const THREADS: usize = 2;

fn main() -> ExitCode {
    match run(&std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some((first, rest)) = arguments.split_first()
        && ["compare", "fairness", fairness::WRITER].contains(&first.as_str())
    {
        if let Some(code) = programs::provide(&Database::WITH_SERVERS, arguments)? {
            return Ok(code);
        }
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        return runtime.block_on(async {
            match first.as_str() {
                "compare" => compare::run(rest).await,
                "fairness" => fairness::run(rest).await,
                _ => fairness::write_for_ever(rest).await,
            }
        });
    }
    let databases: &[Database] = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["all"] => &[Database::Memory, Database::Sqlite, Database::Redis, Database::Postgres, Database::Mongo],
        ["memory"] => &[Database::Memory],
        ["sqlite"] => &[Database::Sqlite],
        ["redis"] => &[Database::Redis],
        ["postgres"] => &[Database::Postgres],
        ["mongo"] => &[Database::Mongo],
        ["sessions"] => {
            println!("{}", sessions::measure()?);
            return Ok(ExitCode::SUCCESS);
        }
        other => {
            let other = other.join(" ");
            return Err(
                format!("no benchmark of {other}; there are memory, sqlite, redis, postgres, mongo and all").into()
            );
        }
    };
    if let Some(code) = programs::provide(databases, arguments)? {
        return Ok(code);
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    for database in databases {
        let report = runtime.block_on(async {
            match database {
                Database::Memory => memory::run().await,
                Database::Sqlite => sqlite::run().await,
                Database::Redis => redis::run().await,
                Database::Postgres => postgres::run().await,
                Database::Mongo => mongo::run().await,
            }
        })?;
        output::write(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}
