//! Statements that the server takes back, and that are run again: deadlocks and serialization failures.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use session_store_core::{ErrorKind, Owner, SessionStore, SetMode, Write};
use session_store_postgres::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection};
use testkit::failures::operations::{Fixture, Operation};
use testkit::servers::PostgresServer;

use crate::database::{Database, bytea};
use crate::support::{APP, HOUR, assert_works, builder, new_key, open};

const TASKS: usize = 16;
const ROUNDS: usize = 10;

/// Every task adds 1 to one of two numbers, again and again, and no addition is lost.
async fn count_together(nodes: [Arc<dyn SessionStore>; 2]) {
    let keys = [new_key(), new_key()];
    let write = |number: usize| Write::new(number.to_string(), HOUR, HOUR).unwrap();
    for key in &keys {
        nodes[0].set(key, &write(0), SetMode::Create).await.unwrap();
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, key) = (Arc::clone(&nodes[task % 2]), keys[task / 2 % 2]);
            tokio::spawn(async move {
                let mut rounds = 0;
                while rounds < ROUNDS {
                    let record = store.get(&key).await.unwrap().unwrap();
                    let number: usize = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
                    let mode = SetMode::Update(record.meta.version);
                    match store.set(&key, &write(number + 1), mode).await {
                        Ok(_) => rounds += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                    }
                    assert!(store.touch(&key, HOUR).await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for key in &keys {
        let record = nodes[0].get(key).await.unwrap().unwrap();
        assert_eq!(record.data, (TASKS / 2 * ROUNDS).to_string());
    }
}

/// Of many rotations, saves and ends of one session, side by side, exactly one rotation succeeds.
async fn rotate_together(nodes: [Arc<dyn SessionStore>; 2]) {
    let fixture = Fixture::create(&*nodes[0]).await.unwrap();
    let write = Write::new("data", HOUR, HOUR).unwrap().with_owner(Owner::Keep);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, from, write) = (Arc::clone(&nodes[task % 2]), fixture.live, write.clone());
            tokio::spawn(async move { store.rotate(&from, &new_key(), &write, None).await })
        })
        .collect();
    let mut successes = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => successes += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}"),
        }
    }
    assert_eq!(successes, 1);
    assert_eq!(nodes[1].destroy_by_user(&fixture.user, None).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stricter_isolation_of_the_role_changes_no_answer() {
    let database = Database::new("isolation").await;
    drop(open(database.url()).await);
    for level in ["repeatable read", "serializable"] {
        let role = level.replace(' ', "_");
        let url = database.role(&role, &[&format!("default_transaction_isolation = '{level}'")]).await;
        database.execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {APP} TO {role}")).await;
        let nodes =
            [Arc::new(open(url.as_str()).await), Arc::new(open(url).await)].map(|node| node as Arc<dyn SessionStore>);
        count_together(nodes.clone()).await;
        rotate_together(nodes.clone()).await;
        assert_works(&*nodes[0]).await;
    }
}

/// The other side inserts the new key of a rotation, and then wants the session that is rotated.
#[tokio::test]
async fn a_deadlock_with_somebody_else_is_tried_again() {
    const DEADLOCK: &str = "deadlock detected";
    // Less than the store's patience, and the other side has more, so it is the store whose statement is taken back.
    let server = PostgresServer::start(&[("deadlock_timeout", "20ms")]).await.unwrap();
    let store = builder(server.url()).operation_timeout(Duration::from_secs(10)).build().await.unwrap();
    let fixture = Fixture::create(&store).await.unwrap();
    let mut foreign = PgConnection::connect(&server.url()).await.unwrap();
    let insert = format!(
        "SET deadlock_timeout = '10s'; BEGIN;
        INSERT INTO app SELECT (jsonb_populate_record(app, jsonb_build_object('key', {}))).*
        FROM app WHERE key = {}",
        bytea(&fixture.free),
        bytea(&fixture.live)
    );
    run(&mut foreign, &insert).await;
    // It is on the server, so that it is quick enough.
    let want = format!(
        "DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP
                PERFORM pg_sleep(0.001);
            END LOOP;
            PERFORM FROM app WHERE key = {} FOR UPDATE;
        END $$",
        bytea(&fixture.live)
    );
    let others = async {
        while !server.log().contains(DEADLOCK) {
            run(&mut foreign, "SAVEPOINT before").await;
            run(&mut foreign, &want).await;
            run(&mut foreign, "ROLLBACK TO before").await;
        }
        assert!(store.get(&fixture.live).await.unwrap().is_some());
        run(&mut foreign, "ROLLBACK").await;
    };
    let (answer, ()) = join(Operation::Rotate.run(&store, &fixture), others).await;
    assert!(answer.unwrap());
    assert!(store.get(&fixture.free).await.unwrap().is_some());
    assert_works(&store).await;
}

async fn run(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.unwrap();
}
