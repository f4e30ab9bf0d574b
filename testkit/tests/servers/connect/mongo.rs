//! MongoDB.

use mongodb::bson::doc;
use session_store::{ErrorKind, connect};
use testkit::servers::{MongoReplicaSet, MongoServer};

use super::{is_config, keeps_data_limit_namespaces_and_sessions, keeps_sessions, keeps_timeouts, open, refused, set};

/// The server's URL with a database.
fn url_of(server: &MongoServer) -> String {
    server.url().replace("/?", "/app?")
}

async fn collections(server: &MongoServer) -> Vec<String> {
    server.client().unwrap().database("app").list_collection_names().await.unwrap()
}

#[tokio::test]
async fn a_server_keeps_sessions_by_its_url() {
    let server = MongoServer::start(&[]).await.unwrap();
    let url = url_of(&server);
    keeps_data_limit_namespaces_and_sessions(&url).await;
    keeps_sessions(&url.replace("mongodb://", "MongoDB://"), "session_setup=false").await;
    let mut names = collections(&server).await;
    names.sort();
    assert_eq!(names, ["sessions", "shop", "shop *"]);
    is_config(&refused(&server.url(), "session_namespace=shop").await, "no database is named");
    is_config(&refused(&url, "session_namespace=%24shop").await, "another name");
}

#[tokio::test]
async fn a_replica_set_has_a_url_with_its_members() {
    let set = MongoReplicaSet::start().await.unwrap();
    let url = set.url().replace("/?", "/app?");
    keeps_sessions(&url, "session_namespace=shop&w=majority").await;
    assert_eq!(refused(&format!("{url}s"), "session_connect_timeout=300ms").await.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn without_setup_nothing_is_made() {
    let server = MongoServer::start_with_authorization(&[]).await.unwrap();
    let resource = doc! { "db": "app", "collection": "sessions" };
    let actions = ["find", "insert", "update", "remove", "listIndexes"];
    let of_owner = [&actions[..], &["createIndex", "createCollection"]].concat();
    let owner = doc! { "resource": &resource, "actions": of_owner };
    server.create_user("owner", "opensesame", vec![owner]).await.unwrap();
    let user = doc! { "resource": resource, "actions": actions.to_vec() };
    server.create_user("app", "opensesame", vec![user]).await.unwrap();
    let url = |user| server.url_of(user, "opensesame").replace("/?", "/app?");

    is_config(&refused(&url("owner"), "session_setup=false").await, "ensure_indexes");
    assert_eq!(collections(&server).await, [""; 0]);
    is_config(&refused(&url("app"), "session_setup=true").await, "rights");
    connect(&url("owner")).await.unwrap();
    keeps_sessions(&url("app"), "session_setup=false").await;
    is_config(&refused(&url("app").replace("opensesame", "opensesame2"), "session_setup=false").await, "password");
}

#[tokio::test]
async fn timeouts_are_those_of_the_url() {
    let server = MongoServer::start(&[]).await.unwrap();
    keeps_timeouts(&url_of(&server)).await;
}

#[tokio::test]
async fn what_is_not_ours_reaches_the_driver() {
    let server = MongoServer::start(&[]).await.unwrap();
    let store = open(&url_of(&server), "session_setup=true&appName=the%20shop&session_data_limit=4").await;
    set(&*store, "data").await.unwrap();
    assert!(server.log().contains("the shop"));
    is_config(&refused(&url_of(&server), "session_setup=true&w=0").await, "acknowledged");
}

#[tokio::test]
async fn connections_and_batches_are_those_of_the_url() {
    let server = MongoServer::start(&[]).await.unwrap();
    let url = url_of(&server);
    is_config(&refused(&url, "session_connections=10001").await, "connections must be between 1 and 10,000");
    is_config(&refused(&url, "session_batch_size=10001").await, "batch_size must be between 1 and 10,000");
    keeps_sessions(&url, "session_batch_size=1&session_connections=1&session_batches_in_flight=1").await;
}
