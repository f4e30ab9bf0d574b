//! Servers that the store must not be used with as they are, and that say so at the start.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use session_store_core::{Error, ErrorKind, SessionStore as _};
use session_store_redis::RedisEndpoint;
use testkit::failures::operations::{Fixture, all};
use testkit::servers::{FakeRedis, RedisCluster, RedisSentinel, RedisServer};

use crate::support::{builder, open};

async fn refused(server: impl Into<RedisEndpoint>) -> Error {
    builder(server).build().await.unwrap_err()
}

fn is_config(error: &Error, advice: &[&str]) {
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Config, false), "{error:?}");
    for words in advice {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    let server = FakeRedis::start("+OK").await.unwrap();
    for version in ["6.0.16", "5.0.14", "2.8.0"] {
        server.answer_info_with(&format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"));
        is_config(&refused(server.url()).await, &["6.2"]);
    }
    for version in ["6.2.0", "7.0.15", "255.255.255"] {
        server.answer_info_with(&format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"));
        open(server.url()).await;
    }
}

#[tokio::test]
async fn a_server_that_may_evict_is_refused_unless_that_is_accepted() {
    for policy in ["allkeys-lru", "volatile-ttl", "volatile-random"] {
        let server = RedisServer::start(&["--maxmemory-policy", policy]).await.unwrap();
        is_config(&refused(server.url()).await, &["maxmemory-policy", policy, "noeviction", "allow_eviction()"]);
        builder(server.url()).allow_eviction().build().await.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn every_node_of_a_cluster_is_looked_at() {
    let cluster = RedisCluster::start().await.unwrap();
    is_config(&refused(cluster.urls()[0].as_str()).await, &["RedisEndpoint::cluster", "feature `cluster`"]);
    // Its keys are elsewhere, and it says so itself.
    is_config(&refused(cluster.urls()[3].as_str()).await, &["RedisEndpoint::cluster", "feature `cluster`"]);
    open(RedisEndpoint::cluster(cluster.urls())).await;
    cluster.nodes()[2].ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]).await.unwrap();
    is_config(&refused(RedisEndpoint::cluster(cluster.urls())).await, &["allkeys-lfu", "allow_eviction()"]);
    builder(RedisEndpoint::cluster(cluster.urls())).allow_eviction().build().await.unwrap();
}

#[tokio::test]
async fn one_server_is_no_cluster() {
    let server = RedisServer::start(&[]).await.unwrap();
    is_config(&refused(RedisEndpoint::cluster([server.url()])).await, &["no Redis Cluster", "URL"]);
}

#[tokio::test]
async fn a_sentinel_is_no_server_and_knows_its_master_by_name() {
    let sentinel = RedisSentinel::start().await.unwrap();
    is_config(&refused(sentinel.urls()[0].as_str()).await, &["RedisEndpoint::sentinel", "feature `sentinel`"]);
    let error = refused(RedisEndpoint::sentinel(sentinel.urls(), "nobody")).await;
    assert!(error.to_string().contains("name"), "{error:?}");
    // Redis that is no Sentinel.
    let error = refused(RedisEndpoint::sentinel([sentinel.master().url()], sentinel.master_name())).await;
    assert!(error.to_string().contains("Sentinel"), "{error:?}");
    let error = refused(sentinel.replica().url()).await;
    assert!(error.to_string().contains("replica") && error.to_string().contains("master"), "{error:?}");
    open(RedisEndpoint::sentinel(sentinel.urls(), sentinel.master_name())).await;
}

/// What is logged while a test runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn a_server_that_refuses_info_is_used_with_one_warning() {
    let server = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]).await.unwrap();
    server.ask::<()>(&["ACL", "SETUSER", "modest", "on", ">opensesame", "~*", "+@all", "-info"]).await.unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let store = open(format!("redis://modest:opensesame@127.0.0.1:{}", server.port())).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
    drop(guard);
    let text = log.text();
    assert_eq!((text.lines().count(), text.matches("WARN").count()), (1, 1), "{text}");
    assert!(text.contains("INFO") && text.contains("maxmemory-policy") && !text.contains("opensesame"), "{text}");
}
