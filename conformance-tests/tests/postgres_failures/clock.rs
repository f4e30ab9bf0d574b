//! What begins before a session expires, and waits for its row until after, does not bring it back (clauses T2, X1).

use std::time::Duration;

use futures_util::future::join;
use session_store_core::{ErrorKind, SessionStore as _, SetMode, Write};
use session_store_postgres::PostgresStore;

use crate::database::{Database, bytea};
use crate::operations::Stage;
use crate::support::{HOUR, new_key, open, told, write_of};

/// Long enough for an operation to begin.
const LIFE: Duration = Duration::from_secs(1);

/// A session that expires while its row is held and the operation waits, and what the operation said.
async fn outlived<T>(
    database: &Database,
    store: &PostgresStore,
    operation: impl AsyncFnOnce(&Stage) -> T,
) -> (T, Stage) {
    let stage = Stage::without_session();
    store.set(&stage.live, &Write::new("data", LIFE, HOUR).unwrap(), SetMode::Create).await.unwrap();
    let foreign = database.hold(&stage.live).await;
    let expiry = async {
        database.until_waiting(1).await;
        let now = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let expires_at = format!("(SELECT expires_at FROM app WHERE key = {})", bytea(&stage.live));
        assert!(database.ask::<bool>(&format!("SELECT {now} < {expires_at}")).await, "it has begun too late");
        database.until(&format!("{now} >= {expires_at}")).await;
        assert!(store.get(&stage.live).await.unwrap().is_none());
        foreign.roll_back().await;
    };
    let (answer, ()) = join(operation(&stage), expiry).await;
    (answer, stage)
}

#[tokio::test]
async fn a_touch_that_waits_past_the_expiry_does_not_revive() {
    let database = Database::new("outlived_touch").await;
    let store = open(database.url()).await;
    let (answer, stage) = outlived(&database, &store, async |stage| store.touch(&stage.live, HOUR).await).await;
    assert!(!answer.unwrap());
    assert!(store.get(&stage.live).await.unwrap().is_none());
    let (answer, _) = outlived(&database, &store, async |stage| store.destroy(&stage.live).await).await;
    assert!(!answer.unwrap());
}

#[tokio::test]
async fn a_write_that_waits_past_the_expiry_does_not_revive() {
    let database = Database::new("outlived_write").await;
    let store = open(database.url()).await;
    let replaced = outlived(&database, &store, async |stage| {
        store.set(&stage.live, &write_of(&stage.user), SetMode::Replace).await
    });
    let rotated = async {
        let to = new_key();
        let rotation = async |stage: &Stage| store.rotate(&stage.live, &to, &write_of(&stage.user), None).await;
        let outcome = outlived(&database, &store, rotation).await;
        assert!(store.get(&to).await.unwrap().is_none());
        outcome
    };
    for (answer, stage) in [replaced.await, rotated.await] {
        let error = answer.unwrap_err();
        assert_eq!(told(&error, &stage), (ErrorKind::NotFound, false, false), "{error:?}");
        assert!(store.get(&stage.live).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_create_that_waits_past_the_expiry_creates() {
    let database = Database::new("outlived_create").await;
    let store = open(database.url()).await;
    let (answer, stage) = outlived(&database, &store, async |stage| {
        store.set(&stage.live, &write_of(&stage.user), SetMode::Create).await
    })
    .await;
    let record = store.get(&stage.live).await.unwrap().unwrap();
    assert_eq!(record.meta.version, answer.unwrap());
    assert!(record.meta.deadline.as_millis() - record.meta.created_at.as_millis() == 3_600_000);
}
