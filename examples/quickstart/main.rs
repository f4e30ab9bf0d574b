//! Two hundred sessions live through their whole life, and then show how small they can be kept.
//!
//! `cargo run --example quickstart`, or on a database, with any of these URLs:
//!
//! ```sh
//! cargo run --example quickstart --features sqlite -- sqlite:sessions.db
//! cargo run --example quickstart --features redis,postgres,mongo -- redis://127.0.0.1/
//! cargo run --example quickstart --features redis,postgres,mongo -- postgres://user:password@127.0.0.1/database
//! cargo run --example quickstart --features redis,postgres,mongo -- mongodb://127.0.0.1/database
//! ```
//!
//! The program checks every claim that it prints, and fails when one does not hold.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod check;
mod corpus;
mod life;
mod session;
mod sizes;
mod stores;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use session_store::Sessions;

use crate::check::Result;
use crate::stores::{Opened, argument, open};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match argument(std::env::args_os().skip(1)) {
        Ok(url) => run(&url).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: &str) -> Result {
    run_on(open(url).await?).await
}

async fn run_on(opened: Opened) -> Result {
    let shown = show(&opened).await;
    // Also after a failed step, nothing stays behind. What failed first is what is told.
    let removed = opened.remove().await;
    shown.and(removed)
}

async fn show(opened: &Opened) -> Result {
    let corpus = corpus::sessions()?;
    let (count, name) = (corpus.len(), opened.name);
    println!("{count} sessions of a web shop, as express-session keeps them in Node.js, live in {name}:\n");
    let sessions = Sessions::new(Arc::clone(&opened.store));
    println!("{}", table::steps(&life::live(&sessions, &corpus).await?));
    if cfg!(debug_assertions) {
        println!("These are the times of an unoptimized build; they include encoding and decoding.\n");
    }
    println!("The mean size of {0} sessions, with a dictionary trained on {0} others:\n", sizes::MEASURED);
    println!("{}", table::sizes(&sizes::measure(&corpus)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_claim_holds() {
        run("memory:").await.unwrap();
    }

    #[tokio::test]
    async fn also_after_a_failed_step_nothing_stays_behind() {
        let opened = open("memory:").await.unwrap();
        let store = Arc::clone(&opened.store);
        Sessions::new(Arc::clone(&store)).create("in the way".to_owned()).await.unwrap();

        let error = run_on(opened).await.unwrap_err();
        assert!(error.to_string().contains("the store is empty at the beginning"), "{error}");
        assert_eq!(store.count().await.unwrap(), 0);
    }
}
