//! Two hundred sessions live through their whole life, and then show how small they can be kept.
//!
//! `cargo run --example quickstart`
//!
//! The program checks every claim that it prints, and fails when one does not hold.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod check;
mod corpus;
mod life;
mod session;
mod shop;
mod sizes;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use session_store_core::SessionStore;
use session_store_memory::MemoryStore;

use crate::check::Result;

/// The one place that knows which store it is.
fn open() -> Result<Arc<dyn SessionStore>> {
    Ok(Arc::new(MemoryStore::builder().build()?))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result {
    let store = open()?;
    let visitors = corpus::visitors()?;
    let sessions: Vec<_> = visitors.iter().map(|visitor| visitor.session.clone()).collect();

    println!(
        "{} sessions of a web shop, as express-session keeps them in Node.js, live in the embedded store:\n",
        sessions.len()
    );
    println!("{}", table::steps(&life::live(&*store, visitors).await?));
    if cfg!(debug_assertions) {
        println!("These are the times of an unoptimized build; they include encoding and decoding.\n");
    }
    println!("The mean size of {0} sessions, with a dictionary trained on {0} others:\n", sizes::MEASURED);
    println!("{}", table::sizes(&sizes::measure(&sessions)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_claim_holds() {
        run().await.unwrap();
    }
}
