//! `cargo run -p axum-login-example [URL]`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it tells where it listens, and why it does not")]

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum_login_example::{adapter, router};
use session_store::connect;
use session_store::pruner::Pruner;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tracing::level_filters::LevelFilter;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum-login-example: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let url = env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = connect(&url).await?;
    let listener = listen().await?;
    // PostgreSQL and the embedded store remove no dead sessions by themselves.
    let pruner = Pruner::builder(Arc::clone(&store)).every(Duration::from_mins(1)).spawn()?;
    println!("http://{}/  (Ctrl-C ends it)", listener.local_addr()?);
    axum::serve(listener, router(adapter(store))).with_graceful_shutdown(interrupted()).await?;
    pruner.stop().await;
    Ok(())
}

async fn listen() -> Outcome<TcpListener> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| "PORT must be a number from 0 to 65535")?,
        Err(_) => 3000,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let taken = || format!("another program listens on {address}: end it, or choose another port, as by PORT=3001");
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => taken().into(),
        _ => error.into(),
    })
}

async fn interrupted() {
    if ctrl_c().await.is_err() {
        // Without it, the program ends as any other: at once.
        std::future::pending::<()>().await;
    }
}
