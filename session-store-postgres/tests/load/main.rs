//! Servers and connections that fail under load: what was acknowledged is there, no call takes too long, and the store
//! works again by itself. Also what many sessions cost: no deadlocks, no growing index, no scan of a large table.
//!
//! `scripts/test --long` runs all of it for longer.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod deadlocks;
mod hot_sessions;
mod storage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::SessionStore;
use session_store_postgres::PostgresStore;
use testkit::load::{Load, Report, while_killed};
use testkit::scaled;
use testkit::servers::{PostgresServer, Proxy};
use tokio::time::sleep;

const OPERATION_TIMEOUT: Duration = Duration::from_secs(1);

/// How soon after a server's return all must work again.
const RECOVERY: Duration = Duration::from_secs(2);

/// The settings with which a server loses nothing. They are its defaults.
const SAFE: [(&str, &str); 3] = [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")];

async fn store(url: &str) -> Arc<dyn SessionStore> {
    let builder = PostgresStore::builder(url).table("load").migrate();
    Arc::new(builder.operation_timeout(OPERATION_TIMEOUT).build().await.unwrap())
}

/// All that holds whatever happened at these moments.
async fn check(report: &Report, store: &dyn SessionStore, moments: &[Instant]) {
    let unknown = report.check(store, OPERATION_TIMEOUT, moments, RECOVERY).await;
    assert!(unknown > 0, "no operation was under way when something failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let server = PostgresServer::start(&SAFE).await.unwrap();
    let store = store(&server.url()).await;
    let (report, returns) = while_killed(&store, || server.kill(), || server.restart()).await;
    check(&report, &*store, &returns).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_shut_down() {
    let server = PostgresServer::start(&SAFE).await.unwrap();
    let store = store(&server.url()).await;
    let load = Load::start(&store);
    sleep(Duration::from_millis(500)).await;
    server.shut_down().await.unwrap();
    server.restart().await.unwrap();
    let returned = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let report = load.stop().await;
    check(&report, &*store, &[returned]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_all_connections_are_ended() {
    let server = PostgresServer::start(&SAFE).await.unwrap();
    let store = store(&server.url()).await;
    let load = Load::start(&store);
    let mut ends = Vec::new();
    for _ in 0..scaled(3, 10) {
        sleep(Duration::from_millis(300)).await;
        let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE client_port > 0";
        assert!(server.ask::<i64>(terminate).await.unwrap() > 0);
        ends.push(Instant::now());
    }
    sleep(Duration::from_millis(500)).await;
    let report = load.stop().await;
    check(&report, &*store, &ends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_network_cuts_connections() {
    let server = PostgresServer::start(&SAFE).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = store(&proxy.url()).await;
    let load = Load::start(&store);
    let mut cuts = Vec::new();
    for _ in 0..scaled(5, 20) {
        sleep(Duration::from_millis(150)).await;
        proxy.cut().await;
        cuts.push(Instant::now());
    }
    sleep(Duration::from_millis(500)).await;
    let report = load.stop().await;
    check(&report, &*store, &cuts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_network_swallows_everything_for_a_while() {
    let server = PostgresServer::start(&SAFE).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = store(&proxy.url()).await;
    let load = Load::start(&store);
    sleep(Duration::from_millis(500)).await;
    proxy.hold();
    sleep(OPERATION_TIMEOUT * 2).await;
    // What was held is gone, as after a change of the network's ways.
    proxy.cut().await;
    proxy.release();
    let returned = Instant::now();
    sleep(RECOVERY / 2).await;
    let report = load.stop().await;
    check(&report, &*store, &[returned]).await;
}
