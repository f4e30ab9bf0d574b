//! Servers and connections that fail under load: what was acknowledged is there, no call takes too long, and the store
//! works again by itself. Also many nodes that use the same sessions: no task fails.
//!
//! `scripts/test --long` runs all of it for longer.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod replica_set;

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::SessionStore;
use session_store_mongo::MongoStore;
use testkit::load::{Load, crowd_on, while_killed};
use testkit::scaled;
use testkit::servers::{MongoServer, Proxy};
use tokio::time::sleep;

const OPERATION_TIMEOUT: Duration = Duration::from_secs(1);

/// How soon after a server's return all must work again.
const RECOVERY: Duration = Duration::from_secs(2);

async fn store(url: &str) -> Arc<dyn SessionStore> {
    let builder = MongoStore::builder(url).database("load").ensure_indexes();
    Arc::new(builder.operation_timeout(OPERATION_TIMEOUT).build().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let server = MongoServer::start(&[]).await.unwrap();
    let store = store(&server.url()).await;
    let (report, returns) = while_killed(&store, || server.kill(), || server.restart()).await;
    let unknown = report.check(&*store, OPERATION_TIMEOUT, &returns, RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when the server was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_shut_down() {
    let server = MongoServer::start(&[]).await.unwrap();
    let store = store(&server.url()).await;
    let load = Load::start(&store);
    sleep(Duration::from_millis(500)).await;
    server.shut_down().await.unwrap();
    server.restart().await.unwrap();
    let returned = Instant::now();
    sleep(RECOVERY).await;
    let report = load.stop().await;
    report.check(&*store, OPERATION_TIMEOUT, &[returned], RECOVERY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_network_cuts_connections() {
    let server = MongoServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = store(&proxy.url()).await;
    let load = Load::start(&store);
    let mut cuts = Vec::new();
    for _ in 0..scaled(3, 10) {
        sleep(Duration::from_millis(600)).await;
        proxy.cut().await;
        cuts.push(Instant::now());
    }
    sleep(RECOVERY).await;
    let report = load.stop().await;
    let unknown = report.check(&*store, OPERATION_TIMEOUT, &cuts, RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when connections were cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_stops_for_a_while() {
    let server = MongoServer::start(&[]).await.unwrap();
    let store = store(&server.url()).await;
    let load = Load::start(&store);
    sleep(Duration::from_millis(500)).await;
    server.stop().unwrap();
    // Nobody whom it has not answered waits any longer.
    sleep(3 * OPERATION_TIMEOUT).await;
    server.resume().unwrap();
    let returned = Instant::now();
    sleep(RECOVERY).await;
    let report = load.stop().await;
    let unknown = report.check(&*store, OPERATION_TIMEOUT, &[returned], RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when the server was stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_the_same_sessions_do_not_fail() {
    let server = MongoServer::start(&[]).await.unwrap();
    let mut nodes: Vec<Arc<dyn SessionStore>> = Vec::new();
    for _ in 0..2 {
        let builder = MongoStore::builder(server.url()).database("crowd").ensure_indexes();
        nodes.push(Arc::new(builder.build().await.unwrap()));
    }
    crowd_on(&nodes).await;
}
