//! Two hundred sessions live through their whole life, and then show how small they can be kept.
//!
//! `cargo run --example quickstart`, or on a server:
//! `cargo run --example quickstart --features redis -- redis://127.0.0.1/`, or
//! `cargo run --example quickstart --features postgres -- postgres://postgres@127.0.0.1/postgres`, or
//! `cargo run --example quickstart --features mongo -- mongodb://127.0.0.1/`
//!
//! The program checks every claim that it prints, and fails when one does not hold.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the tables are what this program is for")]

mod check;
mod corpus;
mod life;
mod session;
mod shop;
mod sizes;
mod stores;
mod table;

use std::process::ExitCode;

use session_store_core::SessionStore;

use crate::check::Result;
use crate::stores::{Opened, Removal, argument, open};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match argument(std::env::args_os().skip(1)) {
        Ok(url) => run(url.as_deref()).await,
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

async fn run(url: Option<&str>) -> Result {
    run_on(open(url).await?).await
}

async fn run_on(Opened { store, name, removal }: Opened) -> Result {
    let shown = show(&*store, name).await;
    // Also after a failed step, nothing stays behind. What failed first is what is told.
    let removed = remove_all(&*store, removal).await;
    shown.and(removed)
}

async fn remove_all(store: &dyn SessionStore, removal: Option<Removal>) -> Result {
    store.clear().await?;
    while store.prune(1_000).await?.more {}
    match removal {
        Some(removal) => removal.await,
        None => Ok(()),
    }
}

async fn show(store: &dyn SessionStore, name: &str) -> Result {
    let visitors = corpus::visitors()?;
    let sessions: Vec<_> = visitors.iter().map(|visitor| visitor.session.clone()).collect();

    println!("{} sessions of a web shop, as express-session keeps them in Node.js, live in {name}:\n", sessions.len());
    println!("{}", table::steps(&life::live(store, visitors).await?));
    if cfg!(debug_assertions) {
        println!("These are the times of an unoptimized build; they include encoding and decoding.\n");
    }
    println!("The mean size of {0} sessions, with a dictionary trained on {0} others:\n", sizes::MEASURED);
    println!("{}", table::sizes(&sizes::measure(&sessions)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use session_store_core::{SessionId, SessionKey, SetMode, Write};

    use super::*;

    #[tokio::test]
    async fn every_claim_holds() {
        run(None).await.unwrap();
    }

    #[tokio::test]
    async fn also_after_a_failed_step_nothing_stays_behind() {
        let opened = open(None).await.unwrap();
        let write = Write::new("in the way", Duration::from_mins(1), Duration::from_mins(1)).unwrap();
        let key = SessionKey::from(&SessionId::generate().unwrap());
        opened.store.set(&key, &write, SetMode::Create).await.unwrap();

        let store = Arc::clone(&opened.store);
        let error = run_on(opened).await.unwrap_err();
        assert!(error.to_string().contains("the store is empty at the beginning"), "{error}");
        assert_eq!(store.count().await.unwrap(), 0);
    }
}
