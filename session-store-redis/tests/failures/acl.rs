//! The rights that a Redis user needs for the store, and no more.

use std::env;

use redis::ConnectionAddr;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use session_store_core::{Error, ErrorKind, Result, SessionStore as _};
use session_store_redis::{RedisEndpoint, RedisStore, RedisStoreBuilder};
use testkit::containers::Release;
use testkit::failures::operations::{Fixture, Operation, all};
use testkit::servers::{RedisCluster, RedisSentinel, RedisServer};

use crate::support::{HOUR, builder, database_index, database_key, new_key, open};

const PASSWORD: &str = "opensesame";

/// All keys of the namespace `app`. A rule cannot contain the NUL that stands for the question mark.
const KEYS: [&str; 2] = ["~app?s*", "~app?u*"];

/// What the store needs on one server. Commands inside its scripts count as well.
const ONE_SERVER: [&str; 16] = [
    "get",
    "exists",
    "time",
    "scan",
    "evalsha",
    "eval",
    "getrange",
    "setrange",
    "set",
    "del",
    "pexpireat",
    "pttl",
    "zadd",
    "zrem",
    "zrandmember",
    "zrangebylex",
];

/// What it needs on each node of a Cluster.
const CLUSTER: [&str; 18] = [
    "cluster|slots",
    "get",
    "exists",
    "time",
    "scan",
    "evalsha",
    "eval",
    "getrange",
    "setrange",
    "set",
    "del",
    "pexpireat",
    "pexpire",
    "pttl",
    "zadd",
    "zrem",
    "zscore",
    "zrange",
];

/// Without the first the store opens all the same, and warns. Without the second the driver of a Cluster makes new
/// connections more often.
const OPTIONAL: [&str; 2] = ["info", "ping"];

/// Makes the user `app` one with these rights only.
async fn allow(server: &RedisServer, commands: &[&str]) {
    let (password, commands): (_, Vec<_>) =
        (format!(">{PASSWORD}"), commands.iter().chain(&OPTIONAL).map(|name| format!("+{name}")).collect());
    let mut rule = vec!["ACL", "SETUSER", "app", "reset", "on", &password, "resetchannels", "-@all"];
    rule.extend(KEYS);
    rule.extend(commands.iter().map(String::as_str));
    server.ask::<()>(&rule).await.unwrap();
}

fn url_of(server: &RedisServer) -> String {
    format!("redis://app:{PASSWORD}@127.0.0.1:{}", server.port())
}

/// Leaves an entry for `prune`, unless another server has the index.
async fn list_a_dead_session(server: &RedisServer, fixture: &Fixture) -> bool {
    let mut connection = server.connection().await.unwrap();
    let mut list = redis::cmd("ZADD");
    list.arg(database_index(&fixture.user)).arg(0).arg(new_key().as_bytes().as_slice());
    list.exec_async(&mut connection).await.is_ok()
}

/// Opens a store of that user, and runs every operation on servers that know no script.
async fn run_all(builder: RedisStoreBuilder, servers: &[&RedisServer], admin: &RedisStore) -> Result<()> {
    let store = builder.build().await?;
    for operation in all() {
        let fixture = Fixture::create(admin).await.unwrap();
        let mut listed = 0;
        for server in servers {
            server.ask::<()>(&["SCRIPT", "FLUSH"]).await.unwrap();
            listed += u64::from(list_a_dead_session(server, &fixture).await);
        }
        assert_eq!(listed, 1, "one server has the user's index");
        assert!(operation.run(&store, &fixture).await?, "{operation:?}");
    }
    Ok(())
}

fn lacks_rights(error: &Error, without: &str) {
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Config, false), "without {without}: {error:?}");
    let advice = ["lacks rights", "ACL"];
    assert!(advice.iter().all(|words| error.to_string().contains(words)), "without {without}: {error}");
}

/// The whole store works with these rights, and not with one of them less.
async fn are_all_needed(
    servers: &[&RedisServer],
    admin: &RedisStore,
    rights: &[&str],
    store: impl Fn() -> RedisStoreBuilder,
) {
    for server in servers {
        allow(server, rights).await;
    }
    run_all(store(), servers, admin).await.unwrap();
    for without in rights {
        let fewer: Vec<_> = rights.iter().filter(|name| *name != without).copied().collect();
        for server in servers {
            allow(server, &fewer).await;
        }
        let outcome = run_all(store(), servers, admin).await;
        lacks_rights(&outcome.expect_err(without), without);
    }
}

async fn one_server_needs_these(server: &RedisServer) {
    let admin = open(server.url()).await;
    are_all_needed(&[server], &admin, &ONE_SERVER, || builder(url_of(server))).await;
}

#[tokio::test]
async fn one_server_needs_these_rights_and_no_others() {
    one_server_needs_these(&RedisServer::start(&[]).await.unwrap()).await;
}

#[tokio::test]
async fn an_old_server_needs_the_same() {
    // What is not to be had is counted as not run by scripts/test.
    if env::var("SESSION_STORE_TEST_NOT_RUN").is_ok_and(|list| list.contains("redis old server")) {
        return;
    }
    one_server_needs_these(&RedisServer::start_release(Release::Old, &[]).await.unwrap()).await;
}

#[tokio::test]
async fn waiting_for_replicas_needs_one_right_more() {
    let server = RedisServer::start(&["--repl-diskless-sync-delay", "0"]).await.unwrap();
    let of_server = format!("127.0.0.1 {}", server.port());
    let _replica = RedisServer::start(&["--replicaof", &of_server]).await.unwrap();
    let admin = open(server.url()).await;
    while !server.info("slave0").await.unwrap().is_some_and(|replica| replica.contains("state=online")) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let store = || builder(url_of(&server)).wait_replicas(1);
    let rights = [&ONE_SERVER[..], &["wait"]].concat();
    allow(&server, &rights).await;
    run_all(store(), &[&server], &admin).await.unwrap();
    allow(&server, &ONE_SERVER).await;
    let error = run_all(store(), &[&server], &admin).await.unwrap_err();
    lacks_rights(&error, "wait");
    assert!(error.outcome_unknown(), "the write itself was done");
}

#[tokio::test]
async fn a_cluster_needs_these_rights_and_no_others() {
    let cluster = RedisCluster::start().await.unwrap();
    let admin = open(RedisEndpoint::cluster(cluster.urls())).await;
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    let urls: Vec<_> = nodes.iter().map(|node| url_of(node)).collect();
    are_all_needed(&nodes, &admin, &CLUSTER, || builder(RedisEndpoint::cluster(urls.clone()))).await;
}

/// Runs the operations that `all` has not.
async fn run_others(store: &RedisStore, admin: &RedisStore) -> Result<()> {
    let fixture = Fixture::create(admin).await.unwrap();
    let record = admin.get(&fixture.live).await.unwrap().unwrap();
    let version = store.import(&fixture.free, &record).await?.unwrap();
    store.get_if_changed(&fixture.free, version).await?;
    assert!(store.destroy_if(&fixture.free, version).await?);
    store.scan(None, 100).await.map(drop)
}

#[tokio::test]
async fn imports_and_validated_reads_and_scans_need_no_other_rights() {
    let server = RedisServer::start(&[]).await.unwrap();
    let admin = open(server.url()).await;
    allow(&server, &ONE_SERVER).await;
    run_others(&open(url_of(&server)).await, &admin).await.unwrap();
}

#[tokio::test]
async fn a_scan_of_a_cluster_needs_one_right_more() {
    let cluster = RedisCluster::start().await.unwrap();
    let admin = open(RedisEndpoint::cluster(cluster.urls())).await;
    for rights in [&CLUSTER[..], &[&CLUSTER[..], &["cluster|nodes"]].concat()] {
        for node in cluster.nodes() {
            allow(node, rights).await;
        }
        let store = open(RedisEndpoint::cluster(cluster.nodes().iter().map(url_of))).await;
        match run_others(&store, &admin).await {
            Ok(()) => assert_ne!(rights.len(), CLUSTER.len()),
            Err(error) => {
                assert_eq!(rights.len(), CLUSTER.len(), "{error:?}");
                lacks_rights(&error, "cluster|nodes");
            }
        }
    }
}

/// Half-way between two nodes, so that what has no key at the first is asked for at the second.
async fn begin_to_move(cluster: &RedisCluster, key: &[u8]) {
    let mut connection = cluster.nodes()[0].connection().await.unwrap();
    let slot: u16 = redis::cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async(&mut connection).await.unwrap();
    let from = cluster.owner_of(slot).await.unwrap();
    let (from, to) = (&cluster.nodes()[from], &cluster.nodes()[(from + 1) % 3]);
    let from_id: String = from.ask(&["CLUSTER", "MYID"]).await.unwrap();
    let to_id: String = to.ask(&["CLUSTER", "MYID"]).await.unwrap();
    to.ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "IMPORTING", &from_id]).await.unwrap();
    from.ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "MIGRATING", &to_id]).await.unwrap();
}

#[tokio::test]
async fn a_slot_that_moves_needs_one_right_more() {
    let cluster = RedisCluster::start().await.unwrap();
    let allow_all = async |rights: &[&str]| {
        for node in cluster.nodes() {
            allow(node, rights).await;
        }
    };
    let urls: Vec<_> = cluster.nodes().iter().map(url_of).collect();
    let key = new_key();
    begin_to_move(&cluster, &database_key(&key)).await;
    allow_all(&CLUSTER).await;
    let store = open(RedisEndpoint::cluster(urls)).await;
    // Who may not say ASKING is sent back and forth.
    assert_eq!(store.get(&key).await.unwrap_err().kind(), ErrorKind::Unavailable);
    allow_all(&[&CLUSTER[..], &["asking"]].concat()).await;
    assert!(store.get(&key).await.unwrap().is_none());
    assert!(!store.touch(&key, HOUR).await.unwrap());
}

#[tokio::test]
async fn a_pool_needs_two_rights_more() {
    let server = RedisServer::start(&[]).await.unwrap();
    let admin = open(server.url()).await;
    // The other one is `ping`.
    allow(&server, &[&ONE_SERVER[..], &["unwatch"]].concat()).await;
    let pool = deadpool_redis::Config::from_url(url_of(&server)).create_pool(Some(deadpool_redis::Runtime::Tokio1));
    run_all(builder(pool.unwrap()), &[&server], &admin).await.unwrap();
}

#[tokio::test]
async fn a_sentinel_needs_one_right_more() {
    let servers = RedisSentinel::start().await.unwrap();
    let admin = open(servers.master().url()).await;
    let store = || {
        let sentinels = servers.sentinels().iter();
        let sentinels = sentinels.map(|sentinel| ConnectionAddr::Tcp("127.0.0.1".into(), sentinel.port()));
        let client = SentinelClientBuilder::new(sentinels, servers.master_name(), SentinelServerType::Master).unwrap();
        let client = client.set_client_to_redis_username("app").set_client_to_redis_password(PASSWORD);
        builder(client.build().unwrap())
    };
    allow(servers.master(), &[&ONE_SERVER[..], &["role"]].concat()).await;
    run_all(store(), &[servers.master()], &admin).await.unwrap();
}

#[tokio::test]
async fn keys_outside_the_pattern_are_refused() {
    let server = RedisServer::start(&[]).await.unwrap();
    let admin = open(server.url()).await;
    allow(&server, &ONE_SERVER).await;
    let other = RedisStore::builder(url_of(&server)).prefix("apple").build().await.unwrap();
    for operation in all() {
        // SCAN names no key, so a walk over none of them is all that these do.
        if [Operation::Prune, Operation::Count].contains(&operation) {
            continue;
        }
        let fixture = Fixture::create(&admin).await.unwrap();
        match operation.run(&other, &fixture).await {
            Ok(answer) => {
                assert!(!answer && operation == Operation::Clear, "{operation:?}");
            }
            Err(error) => lacks_rights(&error, "the keys"),
        }
    }
    assert!(admin.count().await.unwrap() > 0);
}
