//! `cargo run --release -p benches -- [memory | sessions | redis | postgres [url] | mongo [url]]`: the stores side by side with what one would
//! use instead, in one run on one machine. Ratios are what to look at.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod corpus;
mod measure;
mod memory;
mod mongo;
mod ours;
mod postgres;
mod redis;
mod sessions;
#[path = "../../examples/quickstart/session.rs"]
#[allow(dead_code, reason = "the struct of the quickstart, which does more with it")]
mod shop;
mod store;
mod table;
mod tower;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>) -> measure::Result {
    let arguments: Vec<_> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["memory"] => {
            memory::run()?;
            Ok(sessions::run()?)
        }
        ["sessions"] => Ok(sessions::run()?),
        ["redis"] => redis::run(),
        ["postgres"] => postgres::run(None),
        ["postgres", url] => postgres::run(Some(url)),
        ["mongo"] => mongo::run(None),
        ["mongo", url] => mongo::run(Some(url)),
        other => {
            Err(format!("no benchmark of {}; there are memory, sessions, redis, postgres and mongo", other.join(" "))
                .into())
        }
    }
}
