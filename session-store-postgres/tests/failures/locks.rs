//! Rows that somebody else's transaction holds: whoever wants them asks again until its time is up, and nobody else is
//! held up.

use std::time::Duration;

use futures_util::future::{join, join_all};
use session_store_core::{SessionStore as _, SetMode};
use session_store_postgres::PostgresStore;
use testkit::failures::operations::{Fixture, Operation, WRITES};

use crate::database::{Database, bytea};
use crate::support::{HOUR, SLACK, TIMEOUT, assert_works, builder, classify, new_key, timed, write_of};

const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);

/// How soon operations on rows that nobody holds must have ended.
const SOON: Duration = Duration::from_secs(1);

async fn store(database: &Database) -> PostgresStore {
    builder(database.url()).operation_timeout(OPERATION_TIMEOUT).build().await.unwrap()
}

/// Two hundred sessions are written, touched, read and ended, all at once and soon.
async fn others_are_not_held_up(store: &PostgresStore) {
    join_all((0..200).map(async |_| {
        let (key, write) = (new_key(), write_of(&Fixture::without_session().user));
        let steps = [
            timed(async { store.set(&key, &write, SetMode::Create).await.map(drop) }).await,
            timed(async { store.set(&key, &write, SetMode::Replace).await.map(drop) }).await,
            timed(async { store.touch(&key, HOUR).await.map(|is_live| assert!(is_live)) }).await,
            timed(async { store.get(&key).await.map(|found| assert!(found.is_some())) }).await,
            timed(async { store.destroy(&key).await.map(|was_live| assert!(was_live)) }).await,
        ];
        for (step, (answer, took)) in steps.into_iter().enumerate() {
            assert!(took < SOON && answer.is_ok(), "step {step} took {took:?}: {answer:?}");
        }
    }))
    .await;
}

/// Those writes on the session that do not create another. They have four kinds of statements.
fn on_the_row() -> impl Iterator<Item = Operation> {
    WRITES.into_iter().filter(|operation| *operation != Operation::Create)
}

/// Sessions for these operations.
async fn fixtures(store: &PostgresStore, operations: impl Iterator<Item = Operation>) -> Vec<(Operation, Fixture)> {
    join_all(operations.map(async |operation| (operation, Fixture::create(store).await.unwrap()))).await
}

/// It ends in time, and tells that it has changed nothing.
async fn is_held_up(store: &PostgresStore, operation: Operation, fixture: &Fixture) {
    let (answer, took) = timed(operation.run(store, fixture)).await;
    let error = answer.unwrap_err();
    assert_eq!(classify(&error, fixture), TIMEOUT, "{operation:?}: {error:?}");
    assert!(error.to_string().contains("another operation held"), "{operation:?}: {error}");
    assert!(took < OPERATION_TIMEOUT + SLACK, "{operation:?} took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_rows_are_timeouts_of_known_outcome_and_hold_up_nobody_else() {
    let database = Database::new("held_row").await;
    let store = store(&database).await;
    let fixtures = fixtures(&store, on_the_row()).await;
    let foreigners = join_all(fixtures.iter().map(|(_, fixture)| database.hold(&fixture.live))).await;
    let held = join_all(fixtures.iter().map(async |(operation, fixture)| {
        is_held_up(&store, *operation, fixture).await;
        assert!(store.get(&fixture.live).await.unwrap().is_some(), "a read waits for nobody");
    }));
    let others = async {
        database.until_held_up(4).await;
        others_are_not_held_up(&store).await;
    };
    join(held, others).await;
    for foreign in foreigners {
        foreign.roll_back().await;
    }
    // Not even an update of this version.
    for (operation, fixture) in fixtures {
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
}

#[tokio::test]
async fn a_row_that_is_released_in_time_is_got() {
    let database = Database::new("released_row").await;
    let store = store(&database).await;
    for (operation, fixture) in fixtures(&store, on_the_row()).await {
        let foreign = database.hold(&fixture.live).await;
        let release = async {
            database.until_held_up(1).await;
            foreign.roll_back().await;
        };
        let (answer, ()) = join(operation.run(&store, &fixture), release).await;
        assert!(answer.unwrap(), "{operation:?}");
    }
}

/// What somebody has changed while the row was held is what counts.
#[tokio::test]
async fn a_row_that_is_gone_when_it_is_released_is_missing() {
    let database = Database::new("released_gone").await;
    let store = store(&database).await;
    for (operation, fixture) in fixtures(&store, on_the_row()).await {
        let foreign = database.begin(&format!("DELETE FROM app WHERE key = {}", bytea(&fixture.live))).await;
        let release = async {
            database.until_held_up(1).await;
            foreign.commit().await;
        };
        let (answer, ()) = join(operation.run(&store, &fixture), release).await;
        match operation {
            Operation::Upsert => assert!(answer.unwrap()),
            Operation::Touch | Operation::Destroy => assert!(!answer.unwrap(), "{operation:?}"),
            _ => {
                let error = answer.unwrap_err();
                let refusal = (session_store_core::ErrorKind::NotFound, false, false);
                assert_eq!(classify(&error, &fixture), refusal, "{operation:?}: {error:?}");
            }
        }
        assert_eq!(store.get(&fixture.live).await.unwrap().is_some(), operation == Operation::Upsert, "{operation:?}");
    }
}

/// A row of this key, as somebody else might insert it.
fn insert(fixture: &Fixture) -> String {
    format!(
        "INSERT INTO app (key, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
        SELECT {}, now, now, now + 3600000, now + 3600000, now + 3600000, decode(repeat('00', 16), 'hex'), ''
        FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock",
        bytea(&fixture.free)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_is_inserting_is_a_timeout_of_known_outcome_and_holds_up_nobody_else() {
    let database = Database::new("row_being_inserted").await;
    let store = store(&database).await;
    let fixtures = fixtures(&store, [Operation::Create, Operation::Rotate].into_iter()).await;
    let foreigners = join_all(fixtures.iter().map(async |(_, fixture)| database.begin(&insert(fixture)).await)).await;
    let held = join_all(fixtures.iter().map(|(operation, fixture)| is_held_up(&store, *operation, fixture)));
    // In one batch with the first of the others, which ask while another is under way.
    join(others_are_not_held_up(&store), held).await;
    for foreign in foreigners {
        foreign.roll_back().await;
    }
    for (operation, fixture) in fixtures {
        assert!(operation.run(&store, &fixture).await.unwrap(), "{operation:?}");
    }
    assert_works(&store).await;
}

#[tokio::test]
async fn a_row_that_somebody_has_inserted_is_met() {
    let database = Database::new("row_inserted").await;
    let store = store(&database).await;
    for operation in [Operation::Create, Operation::Rotate] {
        let fixture = Fixture::create(&store).await.unwrap();
        let foreign = database.begin(&insert(&fixture)).await;
        let commit = async {
            database.until_waiting(1).await;
            foreign.commit().await;
        };
        let (answer, ()) = join(operation.run(&store, &fixture), commit).await;
        let error = answer.unwrap_err();
        let refusal = (session_store_core::ErrorKind::AlreadyExists, false, false);
        assert_eq!(classify(&error, &fixture), refusal, "{operation:?}: {error:?}");
        assert!(store.get(&fixture.live).await.unwrap().is_some());
    }
}

/// More rows are held than the nodes have connections, and the nodes meet each other's locks all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_rows_do_not_hold_up_those_that_many_nodes_write() {
    const HELD: usize = 12;
    const ROUNDS: usize = 50;
    let database = Database::new("held_rows").await;
    let node = async || {
        let builder = builder(database.url()).connections(2).operation_timeout(OPERATION_TIMEOUT);
        builder.build().await.unwrap()
    };
    let nodes = [node().await, node().await];
    let fixtures = async |count| join_all((0..count).map(async |_| Fixture::create(&nodes[0]).await.unwrap())).await;
    let (held, hot) = (fixtures(HELD).await, fixtures(8).await);
    let foreigners = join_all(held.iter().map(|fixture| database.hold(&fixture.live))).await;
    let waiting = join_all(held.iter().map(|fixture| is_held_up(&nodes[0], Operation::Touch, fixture)));
    let busy = async {
        database.until_held_up(1).await;
        let pairs = nodes.iter().flat_map(|store| hot.iter().map(move |fixture| (store, fixture)));
        join_all(pairs.map(async |(store, fixture)| {
            for round in 0..ROUNDS {
                let (answer, took) = timed(store.touch(&fixture.live, HOUR)).await;
                assert!(took < SOON, "round {round} took {took:?}: {answer:?}");
                assert!(answer.unwrap());
            }
        }))
        .await;
    };
    join(waiting, busy).await;
    for foreign in foreigners {
        foreign.roll_back().await;
    }
    assert_works(&nodes[0]).await;
}
