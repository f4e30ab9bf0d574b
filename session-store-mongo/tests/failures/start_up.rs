//! Addresses, passwords and settings that are wrong: clear errors, in time, that show no password.

use std::net::Ipv4Addr;

use session_store_core::{Error, ErrorKind};
use session_store_mongo::mongodb::Client;
use session_store_mongo::mongodb::options::ClientOptions;
use session_store_mongo::{MongoEndpoint, MongoStore, MongoStoreBuilder};
use testkit::failures::refused_builds::{CONNECT_TIMEOUT, PASSWORD, assert_refused, refusal};
use testkit::servers::{MongoServer, free_port};
use testkit::web_server::answer_http;
use testkit::{settings_at_bounds, settings_out_of_bounds};
use tokio::net::TcpListener;

use crate::database::{ALL_RIGHTS, Database};
use crate::support::{APP, assert_works, builder, open};

async fn refused(server: impl Into<MongoEndpoint>) -> Error {
    let builder = builder(server).connect_timeout(CONNECT_TIMEOUT).operation_timeout(CONNECT_TIMEOUT);
    refusal(format!("{builder:?}"), CONNECT_TIMEOUT, builder.build()).await
}

/// The URL, and a client and a database that are made of it.
async fn ways(url: &str) -> [MongoEndpoint; 3] {
    let mut options = ClientOptions::parse(url).await.unwrap();
    options.server_selection_timeout = Some(CONNECT_TIMEOUT / 2);
    let client = || Client::with_options(options.clone()).unwrap();
    [url.into(), client().into(), client().default_database().unwrap().into()]
}

#[tokio::test]
async fn a_wrong_user_or_password_is_an_error_of_the_configuration() {
    let database = Database::on(MongoServer::start_with_authorization(&[]).await.unwrap());
    let url = database.user("somebody", PASSWORD, &ALL_RIGHTS).await;
    for (user, password) in [("somebody", "opensesame2"), ("nobody", PASSWORD)] {
        for way in ways(&database.url_of(user, password)).await {
            assert_refused(&refused(way).await, ErrorKind::Config, "password");
        }
    }
    // The user is of another database.
    let elsewhere = url.replace("authSource=admin", "authSource=shop");
    assert_refused(&refused(elsewhere).await, ErrorKind::Config, "authSource");
    let store = open(url.as_str()).await;
    assert_works(&store).await;
    assert!(!format!("{store:?}").contains(PASSWORD));
    assert!(!format!("{:?}", MongoEndpoint::from(url)).contains(PASSWORD));
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_of_the_configuration() {
    let nonsense = [
        "",
        "nonsense",
        "127.0.0.1:27017",
        "http://user:opensesame@127.0.0.1:27017",
        "postgres://user:opensesame@127.0.0.1/shop",
        "mongodb://",
        "mongodb://user:opensesame@127.0.0.1:port/shop",
        "mongodb://user:opensesame@127.0.0.1:99999/shop",
        "mongodb://user:opensesame@127.0.0.1/shop?w=nonsense&journal=nonsense",
        "mongodb://user:opensesame@127.0.0.1/shop?tls=nonsense",
        "mongodb://user:opensesame@127.0.0.1/shop?directConnection=true&replicaSet",
        "mongodb://user:open@sesame:opensesame@127.0.0.1/shop",
        "mongodb://user:opensesame%GG@127.0.0.1/shop",
    ];
    for url in nonsense {
        assert_refused(&refused(url).await, ErrorKind::Config, "mongodb://user:password@host:27017/database");
    }
}

#[tokio::test]
async fn a_database_that_is_not_named_is_an_error_of_the_configuration() {
    let database = Database::new("not_named").await;
    let url = database.server.url();
    let client = || database.server.client().unwrap();
    assert_refused(&refused(url.as_str()).await, ErrorKind::Config, "no database is named");
    assert_refused(&refused(client()).await, ErrorKind::Config, "no database is named");
    for store in [builder(url), builder(client()), builder(client().database("other"))] {
        assert_works(&store.database(database.name()).build().await.unwrap()).await;
        assert!(database.client_side().list_collection_names().await.unwrap().contains(&APP.to_owned()));
        database.client_side().drop().await.unwrap();
    }
    assert!(!client().list_database_names().await.unwrap().contains(&"other".to_owned()));
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let port = free_port().unwrap();
    for host in ["127.0.0.1", "nowhere.invalid"] {
        for way in ways(&format!("mongodb://user:{PASSWORD}@{host}:{port}/shop")).await {
            assert_refused(&refused(way).await, ErrorKind::Unavailable, "address");
        }
    }
}

#[tokio::test]
async fn something_else_at_the_address_is_unavailable_and_speaks_of_the_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn(answer_http(listener));
    // The driver goes on looking, so this is all that it tells.
    assert_refused(
        &refused(format!("mongodb://user:{PASSWORD}@{address}/shop")).await,
        ErrorKind::Unavailable,
        "address",
    );
    listening.abort();
}

#[tokio::test]
async fn settings_out_of_their_bounds_are_refused_before_anything_is_sent() {
    const LARGEST_DATA: usize = 15 << 20;
    // Nobody listens there.
    let nowhere = || MongoStore::builder("mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=20");
    let bad = [
        (nowhere().data_limit(0), "data_limit must be between 1 and 15728640 bytes"),
        (nowhere().connections(0), "connections must be between 1 and 10,000"),
        (nowhere().connections(10_001), "connections must be between 1 and 10,000"),
        (nowhere().connections(u32::MAX), "connections must be between 1 and 10,000"),
        (nowhere().collection(""), "namespace"),
        (nowhere().collection("x".repeat(41)), "namespace"),
        (nowhere().collection("a\0b"), "namespace"),
        (nowhere().collection("$app"), "`$`"),
        (nowhere().collection("a$b"), "`$`"),
        (nowhere().collection(".app"), "dot"),
        (nowhere().collection("app."), "dot"),
        (nowhere().collection("system.app"), "`system.`"),
        (nowhere().database(""), "1 to 63 bytes"),
        (nowhere().database("x".repeat(64)), "1 to 63 bytes"),
        (MongoStore::builder("mongodb://127.0.0.1:1/"), "no database is named"),
        (MongoStore::builder("mongodb://127.0.0.1:1"), "no database is named"),
    ];
    for (builder, named) in settings_out_of_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(bad) {
        is_refused(builder, ErrorKind::Config, named).await;
    }
    for character in "/\\. \"$*<>:|?\0".chars() {
        is_refused(nowhere().database(format!("a{character}b")), ErrorKind::Config, "database's name").await;
    }
    let good = [
        nowhere().connections(1),
        nowhere().connections(10_000),
        nowhere().collection("x".repeat(40)),
        nowhere().collection("*?[a]{b}\\ \n\u{e9}\"'.1"),
        nowhere().collection("systems"),
        nowhere().database("x".repeat(63)),
        nowhere().database("\u{e9}'-_1"),
    ];
    for builder in settings_at_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(good) {
        is_refused(builder, ErrorKind::Unavailable, "address").await;
    }
}

async fn is_refused(builder: MongoStoreBuilder, kind: ErrorKind, named: &str) {
    let text = format!("{builder:?}");
    assert_refused(&builder.build().await.expect_err(&text), kind, named);
}

#[tokio::test]
async fn every_name_of_a_collection_that_is_taken_works() {
    let database = Database::new("names").await;
    for name in ["x", "*?[a]{b}\\ \n\u{e9}\"'.1", "a.b..c", "systems", &"x".repeat(40)] {
        assert_works(&builder(database.url()).collection(name).build().await.unwrap()).await;
    }
    for name in ["\u{e9}'-_1", &"x".repeat(63)] {
        assert_works(&builder(database.url()).database(name).build().await.unwrap()).await;
    }
}
