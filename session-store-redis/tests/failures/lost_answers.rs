//! Connections that break between a request and its answer: nothing is repeated but reads (clause K3).

use std::time::Duration;

use redis::aio::ConnectionManager;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::{Fixture, Operation, WRITES};
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::{open, timed, write_of};

/// Far below the operation timeout of five seconds.
const AT_ONCE: Duration = Duration::from_millis(500);

fn count(proxy: &Proxy, command: &str) -> usize {
    proxy.commands().iter().filter(|name| *name == command).count()
}

/// The answer to each write is lost once.
async fn lose_answers(store: &RedisStore, proxy: &Proxy, operations: &[Operation]) {
    // All scripts are known from here on.
    for operation in operations {
        let fixture = Fixture::create(store).await.unwrap();
        operation.run(store, &fixture).await.unwrap();
    }
    for operation in operations {
        let fixture = Fixture::create(store).await.unwrap();
        proxy.forget();
        proxy.cut_before_answer_to("EVALSHA");
        let (answer, took) = timed(operation.run(store, &fixture)).await;
        let error = answer.expect_err("the answer is lost");
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{operation:?}: {error}");
        assert!(error.outcome_unknown(), "{operation:?}: {error}");
        assert!(took < AT_ONCE, "{operation:?} took {took:?}");
        // By itself, on the next call.
        store.get(&fixture.free).await.unwrap();
        assert_eq!((count(proxy, "EVALSHA"), count(proxy, "EVAL")), (1, 0), "{operation:?} was repeated");
    }
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome_and_not_repeated() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    lose_answers(&open(proxy.url()).await, &proxy, &WRITES).await;
}

#[tokio::test]
async fn the_same_through_a_connection_manager() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let client = redis::Client::open(proxy.url()).unwrap();
    let manager = ConnectionManager::new(client).await.unwrap();
    lose_answers(&open(manager).await, &proxy, &WRITES).await;
}

#[tokio::test]
async fn the_same_through_a_pool() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let pool = deadpool_redis::Config::from_url(proxy.url()).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    lose_answers(&open(pool.unwrap()).await, &proxy, &WRITES).await;
}

#[tokio::test]
async fn what_was_executed_once_stays_so() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    let fixture = Fixture::create(&store).await.unwrap();
    // The script is known from here on.
    store.rotate(&fixture.free, &fixture.live, &write_of(&fixture.user), None).await.unwrap_err();
    proxy.cut_before_answer_to("EVALSHA");
    Operation::Rotate.run(&store, &fixture).await.unwrap_err();
    assert!(store.get(&fixture.live).await.unwrap().is_none());
    assert!(store.get(&fixture.free).await.unwrap().is_some());
}

/// A read is sent again, once; so one lost answer is not seen.
async fn lose_answer_of_get(store: &RedisStore, proxy: &Proxy) {
    let fixture = Fixture::create(store).await.unwrap();
    proxy.forget();
    proxy.cut_before_answer_to("GET");
    let (answer, took) = timed(store.get(&fixture.live)).await;
    assert_eq!(answer.unwrap().unwrap().data, "data");
    assert!(took < AT_ONCE, "it took {took:?}");
    assert_eq!((count(proxy, "GET"), proxy.lost_answers()), (2, 1));
}

#[tokio::test]
async fn a_get_without_an_answer_is_answered_all_the_same() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    lose_answer_of_get(&open(proxy.url()).await, &proxy).await;
    let pool = deadpool_redis::Config::from_url(proxy.url()).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    lose_answer_of_get(&open(pool.unwrap()).await, &proxy).await;
    let manager = ConnectionManager::new(redis::Client::open(proxy.url()).unwrap()).await.unwrap();
    lose_answer_of_get(&open(manager).await, &proxy).await;
}

#[tokio::test]
async fn a_server_that_never_keeps_a_connection_is_asked_twice_and_no_more() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    proxy.forget();
    proxy.refuse();
    proxy.cut().await;
    let (answer, took) = timed(store.get(&Fixture::without_session().live)).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(took < AT_ONCE, "it took {took:?}");
    proxy.accept();
    store.ping().await.unwrap();
}

/// Closes all connections on which nothing is under way.
async fn close_idle(server: &RedisServer) {
    server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await.unwrap();
}

/// Each way to a server.
async fn ways(url: &str) -> [RedisEndpoint; 3] {
    let pool = deadpool_redis::Config::from_url(url).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    let manager = ConnectionManager::new(redis::Client::open(url).unwrap()).await.unwrap();
    [url.into(), manager.into(), pool.unwrap().into()]
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_fails_no_read() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    for (number, way) in ways(&proxy.url()).await.into_iter().enumerate() {
        let store = open(way).await;
        let fixture = Fixture::create(&store).await.unwrap();
        for operation in [Operation::Get, Operation::List, Operation::Count, Operation::Prune, Operation::Ping] {
            close_idle(&server).await;
            let (answer, took) = timed(operation.run(&store, &fixture)).await;
            assert!(answer.unwrap_or_else(|error| panic!("{operation:?} {number}: {error:?}")), "{operation:?}");
            assert!(took < AT_ONCE, "{operation:?} took {took:?}");
            proxy.cut().await;
            assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_before_the_build_fails_no_build() {
    let server = RedisServer::start(&[]).await.unwrap();
    for way in ways(&server.url()).await {
        close_idle(&server).await;
        open(way).await.ping().await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_fails_one_write_at_the_most() {
    let server = RedisServer::start(&[]).await.unwrap();
    for way in ways(&server.url()).await {
        let store = open(way).await;
        for operation in WRITES {
            let fixture = Fixture::create(&store).await.unwrap();
            close_idle(&server).await;
            if let Err(error) = operation.run(&store, &fixture).await {
                assert!(error.outcome_unknown() && error.is_transient(), "{operation:?}: {error:?}");
                // Nothing had reached the server.
                assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_idle_connection_of_a_cluster_that_was_closed_fails_no_read() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    let fixture = Fixture::create(&store).await.unwrap();
    for operation in [Operation::Get, Operation::List, Operation::Count, Operation::Prune, Operation::Ping] {
        for node in cluster.nodes() {
            close_idle(node).await;
        }
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        assert!(answer.unwrap_or_else(|error| panic!("{operation:?}: {error:?}")), "{operation:?}");
        assert!(took < AT_ONCE, "{operation:?} took {took:?}");
    }
}
