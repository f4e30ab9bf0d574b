//! Sessions that callers of several stores write without a pause (clause O1).

use testkit::load::assert_destroys_succeed;
use testkit::scaled;
use testkit::servers::PostgresServer;

use crate::{Arc, PostgresStore, SessionStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_300_callers_of_four_stores_write_is_destroyed_soon() {
    let server = PostgresServer::start(&[("max_connections", "200")]).await.unwrap();
    let mut stores: Vec<Arc<dyn SessionStore>> = Vec::new();
    for _ in 0..4 {
        stores.push(Arc::new(PostgresStore::builder(server.url()).table("hot").migrate().build().await.unwrap()));
    }
    assert_destroys_succeed(&stores, scaled(100, 1_000)).await;
}
