//! Addresses, passwords and settings that are wrong: clear errors, in time, that show no password.

use std::net::Ipv4Addr;
use std::time::Duration;

use session_store_core::{Error, ErrorKind, SessionStore as _};
use session_store_redis::RedisEndpoint;
use testkit::servers::RedisServer;
use testkit::web_server::answer_http;
use testkit::{settings_at_bounds, settings_out_of_bounds};
use tokio::net::TcpListener;

use crate::support::{SLACK, all_text, builder, open, timed};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Neither the right one nor a wrong one.
const PASSWORD: &str = "opensesame";

/// The error of a build, which comes in time and shows no password.
async fn refused(server: impl Into<RedisEndpoint>) -> Error {
    let builder = builder(server).connect_timeout(CONNECT_TIMEOUT).operation_timeout(CONNECT_TIMEOUT);
    assert!(!format!("{builder:?}").contains(PASSWORD));
    let (answer, took) = timed(builder.build()).await;
    let error = answer.unwrap_err();
    assert!(!all_text(&error).contains(PASSWORD), "{}", all_text(&error));
    assert!(took < 2 * CONNECT_TIMEOUT + SLACK, "it took {took:?}");
    error
}

fn assert_refused(error: &Error, kind: ErrorKind, advice: &str) {
    assert_eq!((error.kind(), error.is_transient()), (kind, kind == ErrorKind::Unavailable), "{error:?}");
    assert!(error.to_string().contains(advice), "{error}");
}

#[tokio::test]
async fn a_wrong_user_or_password_is_an_error_of_the_configuration() {
    let server = RedisServer::start(&["--requirepass", PASSWORD]).await.unwrap();
    let port = server.port();
    for credentials in ["", ":opensesame2@", "nobody:opensesame@", "default:@"] {
        for query in ["", "?protocol=resp3"] {
            let url = format!("redis://{credentials}127.0.0.1:{port}{query}");
            assert_refused(&refused(url.as_str()).await, ErrorKind::Config, "password");
        }
    }
    let store = open(server.url()).await;
    store.ping().await.unwrap();
    assert!(!format!("{store:?}").contains(PASSWORD));
    assert!(!format!("{:?}", RedisEndpoint::from(server.url())).contains(PASSWORD));
    assert_refused(&refused(format!("{}/99", server.url())).await, ErrorKind::Config, "database");
}

#[tokio::test]
async fn a_password_for_a_server_that_has_none_is_an_error_of_the_configuration() {
    let server = RedisServer::start(&[]).await.unwrap();
    let port = server.port();
    for credentials in [":opensesame@", "nobody:opensesame@"] {
        assert_refused(&refused(format!("redis://{credentials}127.0.0.1:{port}")).await, ErrorKind::Config, "password");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_of_the_configuration() {
    let nonsense = [
        "",
        "nonsense",
        "127.0.0.1:6379",
        "http://:opensesame@127.0.0.1:6379",
        "postgres://user:opensesame@127.0.0.1/",
        "redis://:opensesame@127.0.0.1:port",
        "redis://:opensesame@127.0.0.1:99999",
        "redis://:opensesame@127.0.0.1:6379/nonsense",
        "redis://",
        "redis:opensesame",
        "redis://:opensesame%GG@127.0.0.1:6379/x",
    ];
    for url in nonsense {
        assert_refused(&refused(url).await, ErrorKind::Config, "redis://user:password@host:6379/0");
    }
    assert_refused(
        &refused(RedisEndpoint::cluster(Vec::<String>::new())).await,
        ErrorKind::Config,
        "redis://user:password@host:6379/0",
    );
    assert_refused(&refused(RedisEndpoint::cluster(["http://:opensesame@x"])).await, ErrorKind::Config, "redis://");
    assert_refused(
        &refused(RedisEndpoint::sentinel(["http://:opensesame@x"], "master")).await,
        ErrorKind::Config,
        "redis://",
    );
    assert_refused(
        &refused(RedisEndpoint::sentinel(Vec::<String>::new(), "master")).await,
        ErrorKind::Config,
        "redis://",
    );
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let port = testkit::servers::free_port().unwrap();
    for url in [format!("redis://:{PASSWORD}@127.0.0.1:{port}"), format!("redis://:{PASSWORD}@nowhere.invalid:{port}")]
    {
        assert_refused(&refused(url.as_str()).await, ErrorKind::Unavailable, "address");
        assert_refused(&refused(RedisEndpoint::cluster([url.as_str()])).await, ErrorKind::Unavailable, "address");
        assert_refused(&refused(RedisEndpoint::sentinel([url.as_str()], "master")).await, ErrorKind::Unavailable, "");
    }
}

#[tokio::test]
async fn something_else_at_the_address_is_an_error_of_the_configuration() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listening = tokio::spawn(answer_http(listener));
    for credentials in ["", ":opensesame@"] {
        let url = format!("redis://{credentials}{address}");
        assert_refused(&refused(url.as_str()).await, ErrorKind::Config, "address");
        // Of a Cluster's nodes, one may be wrong for a while.
        assert_ne!(refused(RedisEndpoint::cluster([url.as_str()])).await.kind(), ErrorKind::Internal);
        assert_ne!(refused(RedisEndpoint::sentinel([url.as_str()], "master")).await.kind(), ErrorKind::Internal);
    }
    listening.abort();
}

#[tokio::test]
async fn settings_out_of_their_bounds_are_refused_before_anything_is_sent() {
    const LARGEST_DATA: usize = 256 << 20;
    // Nobody listens there.
    let nowhere = || builder("redis://127.0.0.1:1");
    let bad = [
        (nowhere().prefix(""), "namespace"),
        (nowhere().prefix("x".repeat(41)), "namespace"),
        (nowhere().prefix("a\0b"), "namespace"),
    ];
    for (builder, named) in settings_out_of_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(bad) {
        let text = format!("{builder:?}");
        let error = builder.build().await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Config, false), "{text}: {error}");
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
    let good = [nowhere().prefix("x".repeat(40)), nowhere().prefix("*?[a]{b}\\ \n\u{e9}")];
    for builder in settings_at_bounds!(nowhere(), LARGEST_DATA).into_iter().chain(good) {
        let text = format!("{builder:?}");
        assert_eq!(builder.build().await.unwrap_err().kind(), ErrorKind::Unavailable, "{text}");
    }
}
