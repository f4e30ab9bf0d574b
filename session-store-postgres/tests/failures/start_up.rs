//! Addresses, passwords and settings that are wrong: clear errors, in time, that show no password.

use std::net::Ipv4Addr;

use session_store_core::{Error, ErrorKind, SessionStore as _};
use session_store_postgres::sqlx::PgPool;
use session_store_postgres::{PostgresEndpoint, PostgresStore, PostgresStoreBuilder};
use testkit::failures::refused_builds::{CONNECT_TIMEOUT, PASSWORD, assert_refused, refusal};
use testkit::servers::{PostgresServer, free_port};
use testkit::web_server::answer_http;
use testkit::{settings_at_bounds, settings_out_of_bounds};
use tokio::net::TcpListener;

use crate::database::Database;
use crate::support::{assert_works, builder};

async fn refused(server: impl Into<PostgresEndpoint>) -> Error {
    let builder = builder(server).connect_timeout(CONNECT_TIMEOUT).operation_timeout(CONNECT_TIMEOUT);
    refusal(format!("{builder:?}"), CONNECT_TIMEOUT, builder.build()).await
}

/// The URL and a pool that connects to it.
fn ways(url: &str) -> [PostgresEndpoint; 2] {
    [url.into(), PgPool::connect_lazy(url).unwrap().into()]
}

#[tokio::test]
async fn a_wrong_user_or_password_is_an_error_of_the_configuration() {
    let server = PostgresServer::start(&[]).await.unwrap();
    server.require_password("somebody", PASSWORD).await.unwrap();
    server.execute(&format!("CREATE SCHEMA {0} AUTHORIZATION {0}", "somebody")).await.unwrap();
    for credentials in ["somebody:opensesame2", "somebody", "nobody:opensesame"] {
        for way in ways(&server.url_of(credentials)) {
            assert_refused(&refused(way).await, ErrorKind::Config, "password");
        }
    }
    let url = server.url_of("somebody:opensesame");
    let store = builder(url.as_str()).schema("somebody").build().await.unwrap();
    assert_works(&store).await;
    assert!(!format!("{store:?}").contains(PASSWORD));
    assert!(!format!("{:?}", PostgresEndpoint::from(url)).contains(PASSWORD));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_an_error_of_the_configuration() {
    let database = Database::new("some_database").await;
    for way in ways(&format!("{}2", database.url_of("postgres:opensesame"))) {
        assert_refused(&refused(way).await, ErrorKind::Config, "database");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_of_the_configuration() {
    let nonsense = [
        "",
        "nonsense",
        "127.0.0.1:5432",
        "http://user:opensesame@127.0.0.1:5432",
        "mysql://user:opensesame@127.0.0.1/shop",
        "postgres://user:opensesame@127.0.0.1:port",
        "postgres://user:opensesame@127.0.0.1:99999",
        "postgres://user:opensesame@127.0.0.1/shop?sslmode=nonsense",
        "postgres://user:opensesame@127.0.0.1/shop?port=nonsense",
        "postgres://user:opensesame@[::1/shop",
        "postgres://user:opensesame%FF@127.0.0.1/shop",
    ];
    for url in nonsense {
        assert_refused(&refused(url).await, ErrorKind::Config, "postgres://user:password@host:5432/database");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let port = free_port().unwrap();
    for host in ["127.0.0.1", "nowhere.invalid"] {
        for way in ways(&format!("postgres://user:{PASSWORD}@{host}:{port}/shop")) {
            assert_refused(&refused(way).await, ErrorKind::Unavailable, "address");
        }
    }
}

#[tokio::test]
async fn something_else_at_the_address_is_an_error_that_speaks_of_the_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn(answer_http(listener));
    assert_refused(&refused(format!("postgres://user:{PASSWORD}@{address}/shop")).await, ErrorKind::Config, "address");
    // Here the driver waits for the rest of what it takes for a message.
    let error = refused(format!("postgres://user:{PASSWORD}@{address}/shop?sslmode=disable")).await;
    assert!(matches!(error.kind(), ErrorKind::Config | ErrorKind::Unavailable), "{error:?}");
    assert!(error.to_string().contains("address"), "{error}");
    listening.abort();
}

#[tokio::test]
async fn settings_out_of_their_bounds_are_refused_before_anything_is_sent() {
    const LARGEST_DATA: usize = 256 << 20;
    // Nobody listens there.
    let nowhere = || PostgresStore::builder("postgres://127.0.0.1:1/shop");
    let bad = [
        (nowhere().connections(0), "connections must be between 1 and 10,000"),
        (nowhere().connections(10_001), "connections must be between 1 and 10,000"),
        (nowhere().connections(u32::MAX), "connections must be between 1 and 10,000"),
        (nowhere().table(""), "namespace"),
        (nowhere().table("x".repeat(41)), "namespace"),
        (nowhere().table("a\0b"), "namespace"),
        (nowhere().schema(""), "schema"),
        (nowhere().schema("x".repeat(64)), "schema"),
        (nowhere().schema("a\0b"), "schema"),
    ];
    for (builder, named) in settings_out_of_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(bad) {
        is_refused(builder, ErrorKind::Config, named).await;
    }
    let good = [
        nowhere().connections(1),
        nowhere().connections(10_000),
        nowhere().table("x".repeat(40)),
        nowhere().table("*?[a]{b}\\ \n\u{e9}\"'$1"),
        nowhere().schema("x".repeat(63)),
    ];
    for builder in settings_at_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(good) {
        is_refused(builder, ErrorKind::Unavailable, "address").await;
    }
}

async fn is_refused(builder: PostgresStoreBuilder, kind: ErrorKind, named: &str) {
    let text = format!("{builder:?}");
    assert_refused(&builder.build().await.expect_err(&text), kind, named);
}

#[tokio::test]
async fn a_store_without_migrate_needs_only_the_table() {
    let database = Database::new("made_by_hand").await;
    let ddl = PostgresStore::builder("").ddl().unwrap();
    let url = database.url();
    let error = PostgresStore::builder(url.as_str()).build().await.unwrap_err();
    assert_refused(&error, ErrorKind::Config, "PostgresStoreBuilder::migrate");
    database.execute(&ddl).await;
    let store = PostgresStore::builder(url).build().await.unwrap();
    store.ping().await.unwrap();
    assert_works(&store).await;
}
