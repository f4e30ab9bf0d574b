//! The servers that tests own do what they are for.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Client};
use testkit::servers::{FakeRedis, Proxy, RedisCluster, RedisSentinel, RedisServer};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_server_is_killed_and_comes_back_with_its_data() {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]).await.unwrap();
    server.ask::<()>(&["SET", "key", "value"]).await.unwrap();
    server.kill();
    assert!(!server.is_running());
    assert!(server.ask::<String>(&["PING"]).await.is_err());

    let port = server.port();
    server.restart().await.unwrap();
    assert!(server.is_running());
    assert_eq!((server.port(), server.ask::<String>(&["GET", "key"]).await.unwrap()), (port, "value".into()));

    server.kill();
    server.start_again_without_waiting().unwrap();
    server.wait_for_an_answer().await.unwrap();
    assert_eq!(server.info("role").await.unwrap().as_deref(), Some("master"));
}

#[tokio::test]
async fn a_stopped_server_answers_only_when_it_goes_on() {
    let server = RedisServer::start(&[]).await.unwrap();
    for _ in 0..2 {
        server.stop().unwrap();
        assert!(server.is_running());
        assert!(timeout(SHORT, server.ask::<String>(&["PING"])).await.is_err());
        server.resume().unwrap();
        assert_eq!(server.ask::<String>(&["PING"]).await.unwrap(), "PONG");
    }
    server.stop().unwrap();
    server.kill();
    assert!(!server.is_running());
    assert!(server.stop().is_err());
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let server = RedisServer::start(&["--requirepass", "secret"]).await.unwrap();
    let (folder, port) = (server.folder().to_owned(), server.port());
    assert_eq!(server.ask::<String>(&["PING"]).await.unwrap(), "PONG");
    assert!(!is_gone(&folder, port));
    drop(server);
    assert!(is_gone(&folder, port));
}

#[tokio::test]
async fn a_killed_program_leaves_nothing_behind() {
    const ROLE: &str = "SESSION_STORE_TEST_IS_THE_KILLED_PROGRAM";
    if std::env::var_os(ROLE).is_some() {
        let server = RedisServer::start(&[]).await.unwrap();
        println!("\nserver {} {}", server.port(), server.folder().display());
        return std::future::pending().await;
    }
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "redis::a_killed_program_leaves_nothing_behind"])
        .env(ROLE, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find_map(|line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    let (port, folder) = line.split_once(' ').unwrap();
    assert!(!is_gone(folder, port.parse().unwrap()));
    program.kill().unwrap();
    program.wait().unwrap();
    let gone = async {
        while !is_gone(folder, port.parse().unwrap()) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

fn is_gone(folder: impl AsRef<Path>, port: u16) -> bool {
    !folder.as_ref().exists() && TcpStream::connect(("127.0.0.1", port)).is_err()
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = RedisServer::start(&["--no-such-option", "1"]).await.unwrap_err();
    assert!(error.to_string().contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn a_cluster_moves_slots_while_their_keys_are_written() {
    let cluster = RedisCluster::start().await.unwrap();
    let slot = cluster.slot_of("{a}").await.unwrap();
    let from = cluster.owner_of(slot).await.unwrap();
    let to = (from + 1) % 3;
    let mut source = cluster.nodes()[from].connection().await.unwrap();
    let mut target = cluster.nodes()[to].connection().await.unwrap();
    for number in 0..250 {
        let () = source.set(format!("{{a}}{number}"), "value").await.unwrap();
    }
    let is_moved = watch::Sender::new(false);
    let write = async {
        let mut written = 0;
        while !*is_moved.borrow() {
            written += 1;
            assert_eq!(count_up(&mut source, &mut target).await, written);
        }
        written
    };
    let move_it = async {
        cluster.move_slots(from, to, slot..=slot + 2).await.unwrap();
        is_moved.send_replace(true);
    };
    let (written, ()) = tokio::join!(write, move_it);
    assert!(written > 1);
    assert_eq!(cluster.owner_of(slot).await.unwrap(), to);
    assert_eq!(
        cluster.nodes()[to].ask::<usize>(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]).await.unwrap(),
        251
    );
}

/// As a client of a cluster would: first where the slot was, and then where the answer says.
async fn count_up(source: &mut MultiplexedConnection, target: &mut MultiplexedConnection) -> usize {
    match source.incr("{a}count", 1).await {
        Ok(count) => count,
        Err(error) if error.code() == Some("MOVED") => target.incr("{a}count", 1).await.unwrap(),
        Err(error) => {
            assert_eq!(error.code(), Some("ASK"));
            let mut both = redis::pipe();
            both.cmd("ASKING").ignore().incr("{a}count", 1);
            let (count,) = both.query_async(target).await.unwrap();
            count
        }
    }
}

#[tokio::test]
async fn a_replica_of_a_cluster_takes_over() {
    let cluster = RedisCluster::start().await.unwrap();
    assert_eq!((cluster.urls().len(), cluster.masters().len(), cluster.replicas().len()), (6, 3, 3));
    cluster.fail_over(3).await.unwrap();
    assert_eq!(cluster.owner_of(0).await.unwrap(), 3);

    cluster.nodes()[1].kill();
    cluster.wait_for_master(4).await.unwrap();
    assert_eq!(cluster.owner_of(8000).await.unwrap(), 4);
}

#[tokio::test]
async fn sentinels_replace_a_master() {
    let servers = RedisSentinel::start().await.unwrap();
    let (first, second) = (servers.master().port(), servers.replica().port());
    assert_eq!((servers.urls().len(), servers.current_master_port().await.unwrap()), (1, first));
    servers.fail_over().await.unwrap();
    assert_eq!(servers.current_master_port().await.unwrap(), second);
}

#[tokio::test]
async fn sentinels_find_out_that_a_master_is_dead() {
    let password = ["--requirepass", "secret", "--masterauth", "secret"];
    let servers = RedisSentinel::start_with(3, &password).await.unwrap();
    let (first, second) = (servers.master().port(), servers.replica().port());
    servers.master().kill();
    servers.wait_for_new_master(first).await.unwrap();
    assert_eq!(servers.current_master_port().await.unwrap(), second);
}

async fn connect(url: String) -> MultiplexedConnection {
    Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn a_proxy_counts_what_goes_through() {
    let server = RedisServer::start(&["--requirepass", "secret"]).await.unwrap();
    let proxy = Proxy::start(&format!("{}/1", server.url())).await.unwrap();
    assert_eq!(proxy.url(), format!("redis://:secret@127.0.0.1:{}/1", proxy.port()));
    let mut connection = connect(proxy.url()).await;
    assert_eq!(proxy.connections(), 1);
    assert!(proxy.commands().contains(&"AUTH".into()) && proxy.commands().contains(&"SELECT".into()));

    proxy.forget();
    let () = connection.set("key", vec![b'x'; 1 << 20]).await.unwrap();
    assert_eq!((proxy.requests(), proxy.round_trips(), proxy.commands()), (1, 1, vec!["SET".into()]));
    let value: Vec<u8> = connection.get("key").await.unwrap();
    assert_eq!((value.len(), proxy.round_trips()), (1 << 20, 2));

    proxy.forget();
    let mut both = redis::pipe();
    let (): () = both.atomic().incr("n", 1).ignore().incr("n", 1).ignore().query_async(&mut connection).await.unwrap();
    assert_eq!((proxy.commands().join(" "), proxy.round_trips()), ("MULTI INCRBY INCRBY EXEC".into(), 1));
}

#[tokio::test]
async fn a_proxy_cuts_and_refuses() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let mut connection = connect(proxy.url()).await;
    proxy.cut().await;
    assert!(connection.incr::<_, _, u64>("n", 1).await.unwrap_err().is_io_error());

    proxy.refuse();
    assert!(Client::open(proxy.url()).unwrap().get_multiplexed_async_connection().await.is_err());
    proxy.accept();
    assert_eq!(connect(proxy.url()).await.incr::<_, _, u64>("n", 1).await.unwrap(), 1);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_proxy_holds_and_lets_go() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let mut connection = connect(proxy.url()).await;
    connection.set_response_timeout(Duration::from_secs(10));
    proxy.hold();
    let mut held = tokio::spawn(async move { connection.incr::<_, _, u64>("n", 1).await });
    assert!(timeout(SHORT, &mut held).await.is_err());
    assert_eq!(server.ask::<Option<u64>>(&["GET", "n"]).await.unwrap(), None);
    proxy.release();
    assert_eq!(held.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_proxy_loses_the_answer_to_what_was_done() {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let mut connection = connect(proxy.url()).await;
    proxy.cut_before_answer();
    assert!(connection.incr::<_, _, u64>("n", 1).await.unwrap_err().is_io_error());
    assert_eq!((server.ask::<u64>(&["GET", "n"]).await.unwrap(), proxy.lost_answers()), (1, 1));

    proxy.cut_before_answer_to("incrby");
    let mut connection = connect(proxy.url()).await;
    assert_eq!(connection.get::<_, u64>("n").await.unwrap(), 1);
    assert!(connection.incr::<_, _, u64>("n", 1).await.is_err());
    assert_eq!((server.ask::<u64>(&["GET", "n"]).await.unwrap(), proxy.lost_answers()), (2, 2));
}

#[tokio::test]
async fn a_fake_server_answers_as_it_is_told() {
    let server = FakeRedis::start("-LOADING Redis is loading the dataset in memory").await.unwrap();
    for protocol in ["", "?protocol=resp3"] {
        let mut connection = connect(format!("{}{protocol}", server.url())).await;
        assert_eq!(redis::cmd("PING").query_async::<String>(&mut connection).await.unwrap(), "PONG");
        let (seconds, _): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
        assert!(seconds > 1_700_000_000);
        let (role, ..): (String, u64, Vec<String>) = redis::cmd("ROLE").query_async(&mut connection).await.unwrap();
        assert_eq!(role, "master");
        server.answer_with("-LOADING Redis is loading the dataset in memory");
        assert_eq!(connection.get::<_, String>("key").await.unwrap_err().code(), Some("LOADING"));
        server.answer_with("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
        assert_eq!(connection.get::<_, String>("key").await.unwrap_err().code(), Some("OOM"));
    }
    assert!(server.commands().contains(&"HELLO".into()));
}

#[tokio::test]
async fn a_fake_server_answers_one_command_otherwise() {
    let server = FakeRedis::start("").await.unwrap();
    let mut connection = connect(server.url()).await;
    assert!(connection.get::<_, String>("key").await.unwrap_err().is_timeout());
    server.answer_to("get", "$5\r\nvalue");
    let mut connection = connect(server.url()).await;
    assert_eq!(connection.get::<_, String>("key").await.unwrap(), "value");
    server.answer_info_with("role:slave\r\n");
    assert_eq!(redis::cmd("INFO").query_async::<String>(&mut connection).await.unwrap(), "role:slave\r\n");
}
