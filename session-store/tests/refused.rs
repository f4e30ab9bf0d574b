//! URLs that `connect` refuses, and shows nothing of. No server is needed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::error::Error as _;

use session_store::{Error, ErrorKind, connect};

/// In each of the URLs, in one place or several.
const SECRET: &str = "hunter2";

/// What is refused before the store's own builder sees it.
const BY_US: &[&str] = &[
    "hunter2",
    "//:hunter2@127.0.0.1",
    "hunter2:hunter2@127.0.0.1/",
    "http://:hunter2@127.0.0.1/",
    " redis://:hunter2@127.0.0.1:1/",
    "memory://hunter2",
    "memory:?session_namespace=hunter2",
    "memory:?session_data_limit=hunter2",
    "memory:?hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_hunter2=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_data_limit=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_data_limit=1&session_data_limit=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_namespace=%hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_schema=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_operation_timeout=hunter2s",
    "redis://:hunter2@127.0.0.1:1/?session_wait_replicas=-1",
    "redis://:hunter2@127.0.0.1:1/?session_batches_in_flight=0",
    "redis://:hunter2@127.0.0.1:1/&session_namespace=hunter2",
    "redis://:hunter2@127.0.0.1:1,127.0.0.1:2/",
    "redis://:hunter2@127.0.0.1:1/?session_cluster=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_cluster=true&session_sentinel=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_sentinel=&session_sentinel_password=hunter2",
    "rediss://:hunter2@127.0.0.1:1/?session_sentinel_password=hunter2",
    "postgres://me:hunter2@127.0.0.1:1/app?session_setup=hunter2",
    "postgres://me:hunter2@127.0.0.1:1/app?session_namespace=hunter2hunter2hunter2hunter2hunter2hunter2",
    "postgresql://me:hunter2@127.0.0.1:1/app?session_cluster=hunter2",
    "postgres://me:hunter2?session_hunter2@127.0.0.1:1/app",
    "mongodb://me:hunter2@127.0.0.1:1/app?session_batch_size=hunter2",
    "mongodb://me:hunter2@127.0.0.1:1,127.0.0.1:2/app?session_schema=hunter2",
    "mongodb+srv://me:hunter2@nowhere.invalid/app?SESSION_SETUP=hunter2",
];

/// What the store's own builder refuses, with what is left of the URL.
#[cfg(all(feature = "redis", feature = "postgres", feature = "mongo"))]
const BY_THE_STORE: &[&str] = &[
    "redis:hunter2",
    "redis://",
    "redis://:hunter2@127.0.0.1:port/?session_namespace=hunter2",
    "redis://:hunter2@127.0.0.1:1/hunter2?session_namespace=hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_data_limit=999999999999",
    "postgres:hunter2",
    "postgres://me:hunter2@127.0.0.1:port/app?session_namespace=hunter2",
    "postgres://me:hunter2@127.0.0.1:1/app?session_setup=false&sslmode=hunter2",
    "postgres://me:hunter2@127.0.0.1:1/app?session_batch_size=10001",
    "postgres://me:hunter2@127.0.0.1:1/app?session_connections=10001",
    "postgres://me:hunter2@127.0.0.1:1/app?session_schema=hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2",
    "mongodb:hunter2",
    "mongodb://",
    "mongodb://me:hunter2@127.0.0.1:1/?session_namespace=hunter2",
    "mongodb://me:hunter2@127.0.0.1:port,127.0.0.1:1/app?session_namespace=hunter2",
    "mongodb://me:hunter2@127.0.0.1:1/app?session_namespace=$hunter2",
    "redis://:hunter2@127.0.0.1:1/?session_batch_size=10001",
    "mongodb://me:hunter2@127.0.0.1:1/app?session_batch_size=10001",
    "mongodb://me:hunter2@127.0.0.1:1/app?session_connections=10001",
    "mongodb://me:hunter2@127.0.0.1:1/app?w=0&session_namespace=hunter2",
    "mongodb+srv://me:hunter2@127.0.0.1:1/app?session_namespace=hunter2",
];

/// What nobody answers.
#[cfg(all(feature = "redis", feature = "postgres", feature = "mongo"))]
const UNANSWERED: &[&str] = &[
    "redis://me:hunter2@127.0.0.1:1/?session_namespace=hunter2",
    "rediss://me:hunter2@127.0.0.1:1/?session_wait_replicas=1",
    "postgres://me:hunter2@127.0.0.1:1/hunter2?session_namespace=hunter2&sslmode=require",
    "mongodb://me:hunter2@127.0.0.1:1,127.0.0.1:2/hunter2?session_connect_timeout=300ms&session_namespace=hunter2",
];

async fn refusal(url: &str) -> Error {
    let answer = connect(url).await;
    answer.err().unwrap_or_else(|| unreachable!("{url} is to be refused"))
}

fn shows_nothing(error: &Error, url: &str) {
    let mut texts = vec![format!("{error} {error:?} {error:#?}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    for secret in [SECRET, "127.0.0.1", "nowhere"] {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{url}: {texts:?}");
    }
}

#[tokio::test]
async fn a_url_that_is_not_understood_is_an_error_that_shows_nothing_of_it() {
    for url in BY_US {
        let error = refusal(url).await;
        let kinds = [ErrorKind::Config, ErrorKind::Unsupported];
        assert!(kinds.contains(&error.kind()) && !error.is_transient(), "{url}: {error:?}");
        shows_nothing(&error, url);
    }
}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongo"))]
#[tokio::test]
async fn what_a_store_refuses_shows_nothing_of_the_url() {
    for url in BY_US.iter().chain(BY_THE_STORE) {
        let error = refusal(url).await;
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Config, false), "{url}: {error:?}");
        shows_nothing(&error, url);
    }
}

#[cfg(all(feature = "redis", feature = "postgres", feature = "mongo"))]
#[tokio::test]
async fn a_server_that_nobody_answers_for_is_unavailable() {
    for url in UNANSWERED {
        let error = refusal(url).await;
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{url}: {error:?}");
        shows_nothing(&error, url);
    }
}
