//! `cargo run --release -p benches -- [memory|redis]`: the stores side by side with what one would use instead, in one
//! run on one machine. Ratios are what to look at.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables")]

mod corpus;
mod measure;
mod memory;
mod redis;

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
    match arguments.join(" ").as_str() {
        "" | "memory" => Ok(memory::run()?),
        "redis" => redis::run(),
        other => Err(format!("no benchmark of {other}; there are memory and redis").into()),
    }
}
