//! The shop on the store of a URL: `cargo run -p web-demo [URL] [--listen 127.0.0.1:3000]`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it tells where it listens, and why it does not")]

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use session_store::pruner::Pruner;
use session_store::{ErrorKind, connect};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;
use web_demo::{Arguments, Asked, USAGE, app, serve};

/// As other programs give it for a command line that cannot be read.
const MISTAKE: u8 = 2;

/// What to say, and the exit code.
type Failure = (String, u8);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    let outcome = match Arguments::read(std::env::args_os().skip(1)) {
        Ok(Asked::ForHelp) => {
            println!("{USAGE}");
            Ok(())
        }
        Ok(Asked::ToRun(arguments)) => run(&arguments).await,
        Err(mistake) => Err((format!("{mistake}\n\n{USAGE}"), MISTAKE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, code)) => {
            eprintln!("web-demo: {text}");
            ExitCode::from(code)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let store = connect(&arguments.url).await.map_err(|error| refused(&error))?;
    let listener = TcpListener::bind(&arguments.listen).await.map_err(failed("cannot listen there"))?;
    let address = listener.local_addr().map_err(failed("the address is not known"))?;
    let name = arguments.store_name();
    let app = app(Arc::clone(&store), name).map_err(|error| refused(&error))?;
    // PostgreSQL and the embedded store remove no dead sessions by themselves; the others are asked in vain.
    let pruner = Pruner::builder(store).name(name).every(Duration::from_mins(1)).spawn();
    let pruner = pruner.map_err(|error| refused(&error))?;
    let told_to_end = told_to_end().map_err(failed("signals cannot be heard"))?;
    println!("sessions: {name}\nopen:     http://{address}/\nend:      Ctrl-C");
    if !address.ip().is_loopback() {
        eprintln!(
            "web-demo: from other machines it needs HTTPS in front: a browser takes its cookie over nothing else"
        );
    }
    let served = serve(listener, app, told_to_end).await;
    pruner.stop().await;
    served.map_err(failed("it stopped"))
}

/// What is wrong with the URL is a mistake in the arguments; a server that cannot be reached is not.
fn refused(error: &session_store::Error) -> Failure {
    let is_mistake = matches!(error.kind(), ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::InvalidInput);
    (error.to_string(), if is_mistake { MISTAKE } else { 1 })
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| (format!("{what}: {error}"), 1)
}

/// Ctrl-C, or what a supervisor sends: from now on, also before anybody waits for it.
#[cfg(unix)]
fn told_to_end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_end() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        // Without it, the program ends as any other: at once.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
