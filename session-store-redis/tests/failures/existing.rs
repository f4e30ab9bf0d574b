//! Connections that the application has already.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::ConnectionManager;
use redis::cluster::ClusterClientBuilder;
use redis::sentinel::SentinelServerType;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_redis::{RedisEndpoint, RedisStore};
use testkit::failures::operations::{Fixture, ON_KEYS, all};
use testkit::servers::{RedisCluster, RedisSentinel, RedisServer};

use crate::support::{SHORT, SLACK, builder, open, timed};

async fn assert_works(store: RedisStore) {
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
}

fn pool(url: &str, size: usize) -> deadpool_redis::Pool {
    let manager = deadpool_redis::Manager::new(url).unwrap();
    deadpool_redis::Pool::builder(manager).max_size(size).runtime(deadpool_redis::Runtime::Tokio1).build().unwrap()
}

#[tokio::test]
async fn a_client_a_manager_and_a_pool_are_used() {
    let server = RedisServer::start(&["--requirepass", "secret"]).await.unwrap();
    let client = redis::Client::open(format!("{}/3", server.url())).unwrap();
    assert_works(open(client.clone()).await).await;
    assert_works(open(ConnectionManager::new(client).await.unwrap()).await).await;
    assert_works(open(pool(&server.url(), 2)).await).await;
    let resp3 = redis::Client::open(format!("{}/3?protocol=resp3", server.url())).unwrap();
    assert_works(open(resp3.clone()).await).await;
    assert_works(open(ConnectionManager::new(resp3).await.unwrap()).await).await;
}

#[tokio::test]
async fn a_client_of_a_sentinel_is_used() {
    let servers = RedisSentinel::start_with(1, &["--requirepass", "secret", "--masterauth", "secret"]).await.unwrap();
    let mut builder = redis::sentinel::SentinelClientBuilder::new(
        servers.sentinels().iter().map(|sentinel| redis::ConnectionAddr::Tcp("127.0.0.1".into(), sentinel.port())),
        servers.master_name(),
        SentinelServerType::Master,
    )
    .unwrap();
    builder = builder.set_client_to_redis_password("secret");
    assert_works(open(builder.build().unwrap()).await).await;
}

#[tokio::test]
async fn a_builder_of_a_cluster_client_is_used() {
    let cluster = RedisCluster::start().await.unwrap();
    // One node is enough to find the others. The retries, which would repeat writes, are turned off by the store.
    let given = ClusterClientBuilder::new([cluster.urls()[4].clone()]).retries(16);
    assert_works(open(given).await).await;
    let given = ClusterClientBuilder::new(cluster.urls()).use_protocol(redis::ProtocolVersion::RESP3);
    assert_works(open(given).await).await;
}

#[tokio::test]
async fn a_pool_whose_connections_are_all_taken_is_a_timeout() {
    let server = RedisServer::start(&[]).await.unwrap();
    let pool = pool(&server.url(), 2);
    let store = builder(RedisEndpoint::from(pool.clone())).operation_timeout(SHORT).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    let taken = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let operations = ON_KEYS.map(async |operation| {
        let (answer, took) = timed(operation.run(&store, &fixture)).await;
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Timeout, true), "{operation:?}: {error}");
        // It never had a connection to be sent on.
        assert!(!error.outcome_unknown(), "{operation:?}: {error}");
        assert!(took < SHORT + SLACK, "{operation:?} took {took:?}");
    });
    join_all(operations).await;
    drop(taken);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_pool_with_a_short_patience_of_its_own_is_a_timeout_too() {
    let server = RedisServer::start(&[]).await.unwrap();
    let timeouts = deadpool_redis::Timeouts { wait: Some(Duration::from_millis(50)), ..Default::default() };
    let manager = deadpool_redis::Manager::new(server.url()).unwrap();
    let pool = deadpool_redis::Pool::builder(manager).max_size(1).timeouts(timeouts);
    let pool = pool.runtime(deadpool_redis::Runtime::Tokio1).build().unwrap();
    let store = open(pool.clone()).await;
    let taken = pool.get().await.unwrap();
    let error = store.ping().await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Timeout, true), "{error}");
    drop(taken);
    pool.close();
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}
