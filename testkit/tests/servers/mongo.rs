//! The MongoDB servers that tests own do what they are for.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use testkit::certificates::{certificate_of_localhost, new_authority};
use testkit::servers::{MongoReplicaSet, MongoServer, Proxy};
use tokio::time::{sleep, timeout};

const UNAUTHORIZED: i32 = 13;
const SHORT: Duration = Duration::from_millis(300);

async fn insert(server: &MongoServer, id: &str) {
    let kept = doc! { "w": "majority", "j": true };
    let command = doc! { "insert": "kept", "documents": [{ "_id": id }], "writeConcern": kept };
    server.run("app", command).await.unwrap();
}

/// Not by `count`, which a crash makes wrong.
async fn count(server: &MongoServer) -> usize {
    let ids = server.run("app", doc! { "distinct": "kept", "key": "_id" }).await.unwrap();
    ids.get_array("values").unwrap().len()
}

/// The answer to a command that needs a right, where there is authorization.
async fn find(url: &str) -> Result<Document, Error> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let client = Client::with_uri_str(format!("{url}{separator}serverSelectionTimeoutMS=2000")).await?;
    client.database("app").run_command(doc! { "find": "kept" }).await
}

/// The number of the server's refusal.
fn refusal(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[tokio::test]
async fn a_server_answers_and_keeps_its_options() {
    let server = MongoServer::start(&["--setParameter", "ttlMonitorSleepSecs=1"]).await.unwrap();
    let get = doc! { "getParameter": 1, "ttlMonitorSleepSecs": 1, "diagnosticDataCollectionEnabled": 1 };
    for _ in 0..2 {
        let parameters = server.run("admin", get.clone()).await.unwrap();
        assert_eq!(parameters.get_i32("ttlMonitorSleepSecs").unwrap(), 1);
        assert!(!parameters.get_bool("diagnosticDataCollectionEnabled").unwrap());
        server.restart().await.unwrap();
    }
    assert!(find(&server.url()).await.is_ok());
    assert!(server.client().unwrap().list_database_names().await.unwrap().contains(&"admin".to_owned()));
    assert!(server.run("admin", doc! { "noSuchCommand": 1 }).await.is_err());
}

#[tokio::test]
async fn a_write_that_the_server_refuses_is_an_error() {
    let server = MongoServer::start(&[]).await.unwrap();
    insert(&server, "one").await;
    let error = server.run("app", doc! { "insert": "kept", "documents": [{ "_id": "one" }] }).await.unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("11000"));
}

#[tokio::test]
async fn a_server_is_killed_and_comes_back_with_its_data() {
    let server = MongoServer::start(&[]).await.unwrap();
    insert(&server, "one").await;
    server.kill();
    assert!(!server.is_running());
    assert!(server.run("admin", doc! { "ping": 1 }).await.is_err());

    let port = server.port();
    server.restart().await.unwrap();
    assert!(server.is_running());
    assert_eq!((server.port(), count(&server).await), (port, 1));

    insert(&server, "two").await;
    server.kill();
    server.start_again_without_waiting().unwrap();
    server.wait_for_an_answer().await.unwrap();
    assert_eq!(count(&server).await, 2);
}

#[tokio::test]
async fn a_server_that_is_shut_down_is_gone() {
    let server = MongoServer::start(&[]).await.unwrap();
    server.shut_down().await.unwrap();
    assert!(!server.is_running());
    assert!(server.shut_down().await.is_err());
    server.restart().await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_answers_only_when_it_goes_on() {
    let server = MongoServer::start(&[]).await.unwrap();
    let client = server.client().unwrap();
    let ping = || async { client.database("admin").run_command(doc! { "ping": 1 }).await };
    ping().await.unwrap();
    for _ in 0..2 {
        server.stop().unwrap();
        assert!(server.is_running());
        assert!(timeout(SHORT, server.run("admin", doc! { "ping": 1 })).await.is_err());
        let (held, ()) = tokio::join!(ping(), async {
            sleep(SHORT).await;
            server.resume().unwrap();
        });
        held.unwrap();
    }
    server.stop().unwrap();
    server.kill();
    assert!(!server.is_running());
    assert!(server.stop().is_err());
}

#[tokio::test]
async fn a_server_with_a_certificate_refuses_what_is_not_encrypted() {
    let (authority, issuer) = new_authority();
    let (certificate, key) = certificate_of_localhost(&issuer);
    let server = MongoServer::start_with_tls(&[], &certificate, &key).await.unwrap();
    insert(&server, "one").await;
    let file = server.folder().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let verified = format!("&tls=true&tlsCAFile={}", file.display());
    let url = server.url();
    let of_name = url.replace("127.0.0.1", "localhost");
    assert!(find(&format!("{of_name}{verified}")).await.is_ok());
    assert!(find(&url).await.is_err());
    // The certificate is of a name, and signed by nobody known.
    assert!(find(&format!("{url}{verified}")).await.is_err());
    assert!(find(&format!("{of_name}&tls=true")).await.is_err());
    server.restart().await.unwrap();
    assert_eq!(count(&server).await, 1);
}

#[tokio::test]
async fn a_server_with_authorization_refuses_who_has_no_password() {
    let server = MongoServer::start_with_authorization(&[]).await.unwrap();
    let reads = doc! { "resource": { "db": "app", "collection": "kept" }, "actions": ["find"] };
    server.create_user("reader", "secret", vec![reads]).await.unwrap();
    server.create_user("idler", "secret", vec![]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(refusal(&find(&server.url()).await.unwrap_err()), Some(UNAUTHORIZED));
        assert!(find(&server.url_of("reader", "secret")).await.is_ok());
        assert_eq!(refusal(&find(&server.url_of("idler", "secret")).await.unwrap_err()), Some(UNAUTHORIZED));
        let error = find(&server.url_of("reader", "wrong")).await.unwrap_err();
        assert!(matches!(*error.kind, ErrorKind::Authentication { .. }), "{error}");
        server.restart().await.unwrap();
    }
    insert(&server, "one").await;
}

#[tokio::test]
async fn a_proxy_cuts_and_holds() {
    let server = MongoServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    assert!(find(&proxy.url()).await.is_ok());
    proxy.hold();
    assert!(timeout(SHORT, find(&proxy.url())).await.is_err());
    proxy.release();
    proxy.cut().await;
    assert!(find(&proxy.url()).await.is_ok());
}

#[tokio::test]
async fn two_servers_know_nothing_of_each_other() {
    let (first, second) = tokio::join!(MongoServer::start(&[]), MongoServer::start(&[]));
    let (first, second) = (first.unwrap(), second.unwrap());
    insert(&first, "one").await;
    assert_eq!((count(&first).await, count(&second).await), (1, 0));
    first.kill();
    assert_eq!(count(&second).await, 0);
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_behind() {
    let server = MongoServer::start(&[]).await.unwrap();
    let (folder, port) = (server.folder().to_owned(), server.port());
    assert!(!is_gone(&folder, port));
    assert!(!Path::new(&format!("/tmp/mongodb-{port}.sock")).exists());
    drop(server);
    assert!(is_gone(&folder, port));
}

fn is_gone(folder: &Path, port: u16) -> bool {
    !folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_err()
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = MongoServer::start(&["--noSuchOption"]).await.unwrap_err();
    assert!(error.to_string().contains("noSuchOption"), "{error}");
}

#[tokio::test]
async fn a_primary_that_steps_down_makes_room_for_another() {
    let set = MongoReplicaSet::start().await.unwrap();
    let first = set.primary().await.unwrap();
    insert(&set.members()[first], "one").await;
    let second = set.step_down().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(set.primary().await.unwrap(), second);
    insert(&set.members()[second], "two").await;

    set.wait_until_whole().await.unwrap();
    for member in set.members() {
        assert_eq!(count(member).await, 2);
    }
    assert!(set.members()[first].run("app", doc! { "insert": "kept", "documents": [{}] }).await.is_err());
}

#[tokio::test]
async fn a_killed_primary_is_replaced_and_comes_back_as_a_secondary() {
    let set = MongoReplicaSet::start_with(&["--setParameter", "ttlMonitorSleepSecs=1"]).await.unwrap();
    let client = Client::with_uri_str(set.url()).await.unwrap();
    let kept = client.database("app").collection::<Document>("kept");
    kept.insert_one(doc! { "_id": "one" }).await.unwrap();

    let first = set.kill_primary().await.unwrap();
    assert!(!set.members()[first].is_running());
    let second = set.wait_for_new_primary(first).await.unwrap();
    kept.insert_one(doc! { "_id": "two" }).await.unwrap();

    set.restart(first).await.unwrap();
    set.wait_until_whole().await.unwrap();
    assert_eq!(set.primary().await.unwrap(), second);
    let view = set.members()[first].run("admin", doc! { "hello": 1 }).await.unwrap();
    assert!(view.get_bool("secondary").unwrap());
    assert_eq!(count(&set.members()[first]).await, 2);
}

#[tokio::test]
async fn a_stopped_primary_is_replaced() {
    let set = MongoReplicaSet::start().await.unwrap();
    let first = set.primary().await.unwrap();
    set.members()[first].stop().unwrap();
    let second = set.wait_for_new_primary(first).await.unwrap();
    insert(&set.members()[second], "one").await;
    set.members()[first].resume().unwrap();
    set.wait_until_whole().await.unwrap();
    assert_eq!(set.primary().await.unwrap(), second);
}
