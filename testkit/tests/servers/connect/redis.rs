//! Redis: one server, Cluster, Sentinel.

use session_store::{ErrorKind, connect};
use testkit::servers::{RedisCluster, RedisSentinel, RedisServer};

use super::{is_config, keeps_data_limit_namespaces_and_sessions, keeps_sessions, keeps_timeouts, open, refused, set};

const PASSWORD: [&str; 4] = ["--requirepass", "opensesame", "--masterauth", "opensesame"];

/// How many keys begin with this prefix and a NUL byte.
async fn keys(server: &RedisServer, database: &str, prefix: &str) -> usize {
    let script = "redis.call('SELECT', ARGV[1]) return #redis.call('KEYS', ARGV[2] .. '\\0*')";
    server.ask(&["EVAL", script, "0", database, prefix]).await.unwrap()
}

#[tokio::test]
async fn a_server_keeps_sessions_by_its_url() {
    let server = RedisServer::start(&PASSWORD[..2]).await.unwrap();
    keeps_data_limit_namespaces_and_sessions(&server.url()).await;
    let of_default = connect(&server.url().replace("redis:", "REDIS:")).await.unwrap();
    of_default.clear().await.unwrap();
    set(&*of_default, "data").await.unwrap();
    assert_eq!(keys(&server, "0", "session").await, 2);
    assert_eq!(keys(&server, "0", "shop").await, 2);
    is_config(&refused(&server.url().replace("opensesame", "opensesame2"), "session_namespace=a").await, "password");
}

#[tokio::test]
async fn timeouts_are_those_of_the_url() {
    let server = RedisServer::start(&[]).await.unwrap();
    keeps_timeouts(&server.url()).await;
}

#[tokio::test]
async fn what_is_not_ours_reaches_the_driver() {
    let server = RedisServer::start(&[]).await.unwrap();
    let url = format!("{}/2", server.url());
    let store = open(&url, "session_namespace=a&protocol=resp3&session_data_limit=4").await;
    set(&*store, "data").await.unwrap();
    assert_eq!((keys(&server, "2", "a").await, keys(&server, "0", "a").await), (2, 0));
    let clients: String = server.ask(&["CLIENT", "LIST"]).await.unwrap();
    assert!(clients.contains("resp=3"), "{clients}");
}

#[tokio::test]
async fn a_write_waits_for_replicas_if_the_url_says_so() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = open(&server.url(), "session_wait_replicas=1&session_operation_timeout=1s").await;
    let error = set(&*store, "data").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.outcome_unknown(), "{error:?}");
    set(&*open(&server.url(), "session_wait_replicas=0").await, "data").await.unwrap();
}

#[tokio::test]
async fn a_server_that_evicts_is_accepted_if_the_url_says_so() {
    let server = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]).await.unwrap();
    for parameters in ["session_allow_eviction=false", "session_data_limit=4"] {
        is_config(&refused(&server.url(), parameters).await, "allow_eviction()");
    }
    keeps_sessions(&server.url(), "session_allow_eviction=true").await;
    keeps_sessions(&server.url(), "session_batch_size=1&session_batches_in_flight=1&session_allow_eviction=true").await;
}

/// One URL with the addresses of all.
fn with_all_hosts<'a>(before: &str, servers: impl IntoIterator<Item = &'a RedisServer>, path: &str) -> String {
    let hosts: Vec<_> = servers.into_iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    format!("{before}{}{path}", hosts.join(","))
}

#[tokio::test]
async fn a_cluster_has_a_url_with_some_of_its_nodes() {
    let cluster = RedisCluster::start_with(&PASSWORD).await.unwrap();
    let url = with_all_hosts("redis://:opensesame@", cluster.nodes(), "/0");
    let one = cluster.nodes().last().unwrap().url();
    for url in [&url, &one] {
        keeps_sessions(url, "session_cluster=true&session_namespace=shop").await;
    }
    set(&*open(&url, "session_cluster=true&session_wait_replicas=1").await, "data").await.unwrap();
    is_config(&refused(&url, "session_namespace=shop").await, "several hosts");
    is_config(&refused(&one, "session_namespace=shop").await, "Redis Cluster");
    let wrong = url.replace("opensesame", "opensesame2");
    assert_ne!(refused(&wrong, "session_cluster=true").await.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn sentinels_lead_to_the_master() {
    let servers = RedisSentinel::start_with(2, &PASSWORD).await.unwrap();
    let url = with_all_hosts("redis://:opensesame@", servers.sentinels(), "/1");
    let named = format!("session_namespace=shop&session_sentinel={}", servers.master_name());
    keeps_sessions(&url, &named).await;
    set(&*open(&url, &named).await, "data").await.unwrap();
    assert_eq!((keys(servers.master(), "1", "shop").await, keys(servers.master(), "0", "shop").await), (2, 0));

    // Without the master's password, with one for Sentinels that have none, and without such a master.
    is_config(&refused(&url.replace(":opensesame@", "").replace("/1", "/0"), &named).await, "password");
    is_config(&refused(&url.replace("opensesame", "opensesame2"), &named).await, "password");
    is_config(&refused(&url, &format!("{named}&session_sentinel_password=opensesame")).await, "password");
    refused(&url, &format!("{named}&session_sentinel_password=opensesame")).await;
    assert_eq!(refused(&url, "session_sentinel=opensesame").await.kind(), ErrorKind::Unavailable);
    let sentinel = servers.sentinels().first().unwrap();
    is_config(&refused(&sentinel.url(), "session_namespace=a").await, "Sentinel");
}

#[tokio::test]
async fn sentinels_may_have_a_password_of_their_own() {
    let servers = RedisSentinel::start_with(1, &PASSWORD).await.unwrap();
    let url = with_all_hosts("redis://:opensesame@", servers.sentinels(), "");
    let named = format!("session_sentinel={}", servers.master_name());
    let sentinel = servers.sentinels().first().unwrap();
    sentinel.ask::<()>(&["ACL", "SETUSER", "watcher", "on", ">open%26sesame", "+@all"]).await.unwrap();
    sentinel.ask::<()>(&["ACL", "SETUSER", "default", "resetpass", ">open&sesame"]).await.unwrap();
    is_config(&refused(&url, &named).await, "password");
    is_config(&refused(&url, &format!("{named}&session_sentinel_password=opensesame")).await, "password");
    keeps_sessions(&url, &format!("{named}&session_sentinel_password=open%26sesame")).await;
    keeps_sessions(&url, &format!("{named}&session_sentinel_user=watcher&session_sentinel_password=open%2526sesame"))
        .await;
}
