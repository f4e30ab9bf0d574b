//! Servers that do not know the store's scripts, or not any more.

use session_store_core::SessionStore as _;
use session_store_redis::RedisEndpoint;
use testkit::failures::operations::{Fixture, all};
use testkit::servers::{Proxy, RedisCluster, RedisServer};

use crate::support::open;

#[tokio::test]
async fn every_operation_works_on_a_server_that_has_forgotten_the_scripts() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = open(proxy.url()).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        server.ask::<()>(&["SCRIPT", "FLUSH"]).await.unwrap();
        proxy.forget();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
        // Once in full, and by the hash from then on.
        let in_full = proxy.commands().iter().filter(|name| *name == "EVAL").count();
        let by_hash = proxy.commands().iter().filter(|name| *name == "EVALSHA").count();
        assert!(in_full <= 1 && in_full <= by_hash, "{operation:?}: {:?}", proxy.commands());
    }
}

#[tokio::test]
async fn every_operation_works_after_a_restart() {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await.unwrap();
    for operation in all() {
        let store = open(server.url()).await;
        let fixture = Fixture::create(&store).await.unwrap();
        server.restart().await.unwrap();
        // The connection is another as well; a read finds that out.
        store.ping().await.unwrap();
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
}

#[tokio::test]
async fn every_operation_works_on_a_cluster_that_has_forgotten_the_scripts() {
    let cluster = RedisCluster::start().await.unwrap();
    let store = open(RedisEndpoint::cluster(cluster.urls())).await;
    for operation in all() {
        let fixture = Fixture::create(&store).await.unwrap();
        for master in cluster.masters() {
            master.ask::<()>(&["SCRIPT", "FLUSH"]).await.unwrap();
        }
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
}
