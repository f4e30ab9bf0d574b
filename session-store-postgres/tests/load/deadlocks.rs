//! Two nodes, whose tasks all want the same few sessions and users: no two statements deadlock.

use std::sync::Arc;

use session_store_core::SessionStore;
use session_store_postgres::PostgresStore;
use testkit::load::crowd_on;
use testkit::servers::PostgresServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_the_same_sessions_do_not_fail_and_do_not_deadlock() {
    // Far below the operation timeout of five seconds, so that none ends before it is found.
    let server = PostgresServer::start(&[("deadlock_timeout", "500ms"), ("fsync", "off")]).await.unwrap();
    let mut nodes: Vec<Arc<dyn SessionStore>> = Vec::new();
    for _ in 0..2 {
        nodes.push(Arc::new(PostgresStore::builder(server.url()).migrate().build().await.unwrap()));
    }
    crowd_on(&nodes).await;
    assert_eq!(deadlocks(&server.log()), Vec::<String>::new());
}

/// What the server has said of each deadlock: who waited for whom, and with what.
fn deadlocks(log: &str) -> Vec<String> {
    let begin = |line: &&str| line.contains(" ERROR: ");
    let of_deadlock = log.split_inclusive('\n').skip_while(|line| !line.contains("deadlock detected"));
    let mut deadlocks: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in of_deadlock {
        if begin(&line) {
            is_inside = line.contains("deadlock detected");
            deadlocks.extend(is_inside.then(String::new));
        }
        if let Some(deadlock) = deadlocks.last_mut().filter(|_| is_inside) {
            deadlock.push_str(line);
        }
    }
    deadlocks
}
