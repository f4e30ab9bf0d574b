//! The `PgBouncer` that a test owns does what it is for.

use std::net::TcpStream;

use session_store_core::{BoxError, ErrorKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};
use testkit::servers::{PgBouncer, PostgresServer};

type Outcome = Result<(), BoxError>;

/// Without start-up parameters that `PgBouncer` does not know.
async fn connect(bouncer: &PgBouncer) -> Result<PgConnection, BoxError> {
    let options: PgConnectOptions = bouncer.url().parse()?;
    Ok(PgConnection::connect_with(&options.extra_float_digits(None)).await?)
}

async fn backend(connection: &mut PgConnection) -> Result<i32, BoxError> {
    Ok(sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)?)
}

fn check(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("not so: {what}").into()) }
}

#[tokio::test]
async fn two_clients_share_a_backend() -> Outcome {
    let server = PostgresServer::start(&[]).await?;
    let bouncer = PgBouncer::start(&server.url(), &[("default_pool_size", "1")]).await?;
    let (mut first, mut second) = (connect(&bouncer).await?, connect(&bouncer).await?);
    check(backend(&mut first).await? == backend(&mut second).await?, "two clients have one backend")?;
    // A pool of two has a second one to give.
    let bouncer = PgBouncer::start(&server.url(), &[]).await?;
    let (mut first, mut second) = (connect(&bouncer).await?, connect(&bouncer).await?);
    sqlx::raw_sql("BEGIN").execute(&mut first).await?;
    check(backend(&mut first).await? != backend(&mut second).await?, "a transaction has its backend")
}

#[tokio::test]
async fn unknown_start_up_parameters_are_refused() -> Outcome {
    let server = PostgresServer::start(&[]).await?;
    let strict = PgBouncer::start(&server.url(), &[]).await?;
    let refused = PgConnection::connect(&strict.url()).await.err().map(|error| error.to_string());
    check(refused.is_some_and(|error| error.contains("extra_float_digits")), "it says which one")?;
    let settings = [("ignore_startup_parameters", "extra_float_digits")];
    let lenient = PgBouncer::start(&server.url(), &settings).await?;
    Ok(PgConnection::connect(&lenient.url()).await?.close().await?)
}

#[tokio::test]
async fn a_killed_one_comes_back() -> Outcome {
    let server = PostgresServer::start(&[]).await?;
    let bouncer = PgBouncer::start(&server.url(), &[]).await?;
    let port = bouncer.port();
    let mut connection = connect(&bouncer).await?;
    bouncer.kill();
    check(!bouncer.is_running() && backend(&mut connection).await.is_err(), "it is gone")?;
    bouncer.restart().await?;
    check(bouncer.is_running() && bouncer.port() == port, "it has its port again")?;
    server.restart().await?;
    bouncer.restart().await?;
    backend(&mut connect(&bouncer).await?).await.map(drop)
}

#[tokio::test]
async fn the_urls_password_is_passed_on() -> Outcome {
    let server = PostgresServer::start(&[]).await?;
    server.require_password("somebody", "secret").await?;
    let bouncer = PgBouncer::start(&server.url_of("somebody:secret"), &[]).await?;
    let mut connection = connect(&bouncer).await?;
    let user: String = sqlx::raw_sql("SELECT current_user::text").fetch_one(&mut connection).await?.try_get(0)?;
    check(user == "somebody", "it is the URL's role")
}

#[tokio::test]
async fn a_dropped_one_leaves_nothing_behind() -> Outcome {
    let server = PostgresServer::start(&[]).await?;
    let bouncer = PgBouncer::start(&server.url(), &[]).await?;
    let (folder, port) = (bouncer.folder().to_owned(), bouncer.port());
    check(folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok(), "it is there")?;
    drop(bouncer);
    check(!folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_err(), "it is gone")
}

#[tokio::test]
async fn one_that_cannot_start_says_why() -> Outcome {
    let error = PgBouncer::start("127.0.0.1:5432", &[]).await.err();
    check(error.is_some_and(|error| error.kind() == ErrorKind::Config), "a URL without a role is no URL")?;
    let nowhere = "postgres://postgres@127.0.0.1:5432/postgres";
    let error = PgBouncer::start(nowhere, &[("pool_mode", "no_such_mode")]).await.err();
    check(error.is_some_and(|error| error.to_string().contains("no_such_mode")), "the error has the log")
}
