//! A table that changes under a store that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_store_core::Result;
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, all};
use tokio::task::JoinHandle;

use crate::database::Database;
use crate::support::{assert_works, open};

/// Every operation, again and again until it is told to stop. Gives how many there were.
async fn work(store: PostgresStore, stop: Arc<AtomicBool>) -> Result<usize> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        for operation in all().filter(|operation| *operation != Operation::Clear) {
            let fixture = Fixture::create(&store).await?;
            assert!(operation.run(&store, &fixture).await?, "{operation:?}");
            count += 1;
        }
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_leave_the_columns_fail_nothing() {
    let database = Database::new("changes").await;
    let store = open(database.url()).await;
    assert_works(&store).await;
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<JoinHandle<_>> = (0..8).map(|_| tokio::spawn(work(store.clone(), Arc::clone(&stop)))).collect();
    for change in [
        "ALTER TABLE app ADD COLUMN note text",
        "ALTER TABLE app ADD COLUMN made_at timestamptz NOT NULL DEFAULT now()",
        "CREATE INDEX app_note ON app (note)",
        "ALTER TABLE app DROP COLUMN note",
        "ALTER TABLE app SET (fillfactor = 50)",
        "VACUUM FULL app",
        "ANALYZE app",
        "REINDEX TABLE app",
        "ALTER TABLE app ADD COLUMN key2 bytea, ADD COLUMN owner2 bytea",
        "COMMENT ON TABLE app IS 'session-store layout 2'",
    ] {
        database.execute(change).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.unwrap().unwrap() > 0);
    }
    assert_works(&store).await;
}
