//! Rows that somebody else's transaction holds: whoever wants them waits, and nobody else does.

use std::time::Duration;

use futures_util::future::{join, join_all};
use session_store_core::{SessionStore as _, SetMode};
use session_store_postgres::PostgresStore;

use crate::database::{Database, bytea};
use crate::operations::{Operation, Stage, WRITES};
use crate::support::{HOUR, SLACK, TIMEOUT, builder, new_key, timed, told, works, write_of};

const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// How soon operations on rows that nobody holds must have ended.
const SOON: Duration = Duration::from_secs(1);

async fn store(database: &Database) -> PostgresStore {
    builder(database.url()).operation_timeout(OPERATION_TIMEOUT).build().await.unwrap()
}

/// Two hundred sessions are written, touched, read and ended, all at once and soon.
async fn others_are_not_held_up(store: &PostgresStore) {
    join_all((0..200).map(async |_| {
        let (key, write) = (new_key(), write_of(&Stage::without_session().user));
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

/// Those writes on the session that do not create another.
fn on_the_row() -> impl Iterator<Item = Operation> {
    WRITES.into_iter().filter(|operation| *operation != Operation::Create)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_rows_are_timeouts_of_known_outcome_and_hold_up_nobody_else() {
    let database = Database::new("held_row").await;
    let store = store(&database).await;
    let held = [Operation::Update, Operation::Touch, Operation::Destroy, Operation::Rotate].map(async |operation| {
        let stage = Stage::set(&store).await.unwrap();
        let foreign = database.hold(&stage.live).await;
        let (answer, took) = timed(operation.run(&store, &stage)).await;
        let error = answer.unwrap_err();
        assert_eq!(told(&error, &stage), TIMEOUT, "{operation:?}: {error:?}");
        assert!(took < OPERATION_TIMEOUT + SLACK, "{operation:?} took {took:?}");
        assert!(store.get(&stage.live).await.unwrap().is_some(), "a read waits for nobody");
        foreign.roll_back().await;
        assert!(operation.run(&store, &stage).await.unwrap(), "{operation:?}");
    });
    let others = async {
        database.until_waiting(4).await;
        others_are_not_held_up(&store).await;
    };
    join(join_all(held), others).await;
}

#[tokio::test]
async fn those_that_wait_behind_held_rows_know_their_outcome() {
    let database = Database::new("behind_held_rows").await;
    let store = store(&database).await;
    let waiting = (0..6).map(async |_| {
        let stage = Stage::set(&store).await.unwrap();
        let foreign = database.hold(&stage.live).await;
        let (answer, took) = timed(store.touch(&stage.live, HOUR)).await;
        let error = answer.unwrap_err();
        assert!(took < OPERATION_TIMEOUT + SLACK, "it took {took:?}");
        foreign.roll_back().await;
        assert_eq!(told(&error, &stage), TIMEOUT, "{error:?}");
    });
    join_all(waiting).await;
}

#[tokio::test]
async fn a_row_that_is_released_in_time_is_waited_for() {
    let database = Database::new("released_row").await;
    let store = store(&database).await;
    for operation in on_the_row() {
        let stage = Stage::set(&store).await.unwrap();
        let foreign = database.hold(&stage.live).await;
        let release = async {
            database.until_waiting(1).await;
            foreign.roll_back().await;
        };
        let (answer, ()) = join(operation.run(&store, &stage), release).await;
        assert!(answer.unwrap(), "{operation:?}");
    }
}

/// A row of this key, as somebody else might insert it.
fn insert(stage: &Stage) -> String {
    format!(
        "INSERT INTO app (key, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
        SELECT {}, now, now, now + 3600000, now + 3600000, now + 3600000, decode(repeat('00', 16), 'hex'), ''
        FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock",
        bytea(&stage.free)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_is_inserting_is_a_timeout_of_known_outcome_and_holds_up_nobody_else() {
    let database = Database::new("row_being_inserted").await;
    let store = store(&database).await;
    for operation in [Operation::Create, Operation::Rotate] {
        let stage = Stage::set(&store).await.unwrap();
        let foreign = database.begin(&insert(&stage)).await;
        let held = async {
            let (answer, took) = timed(operation.run(&store, &stage)).await;
            let error = answer.unwrap_err();
            assert_eq!(told(&error, &stage), TIMEOUT, "{operation:?}: {error:?}");
            assert!(took < OPERATION_TIMEOUT + SLACK, "{operation:?} took {took:?}");
        };
        // In one batch with the first of the others, which ask while another is under way.
        join(others_are_not_held_up(&store), held).await;
        foreign.roll_back().await;
        assert!(operation.run(&store, &stage).await.unwrap(), "{operation:?}");
    }
    works(&store).await;
}

#[tokio::test]
async fn a_row_that_somebody_has_inserted_is_met() {
    let database = Database::new("row_inserted").await;
    let store = store(&database).await;
    for operation in [Operation::Create, Operation::Rotate] {
        let stage = Stage::set(&store).await.unwrap();
        let foreign = database.begin(&insert(&stage)).await;
        let commit = async {
            database.until_waiting(1).await;
            foreign.commit().await;
        };
        let (answer, ()) = join(operation.run(&store, &stage), commit).await;
        let error = answer.unwrap_err();
        let refusal = (session_store_core::ErrorKind::AlreadyExists, false, false);
        assert_eq!(told(&error, &stage), refusal, "{operation:?}: {error:?}");
        assert!(store.get(&stage.live).await.unwrap().is_some());
    }
}

/// More rows are held than statements wait for rows, and the nodes meet each other's locks all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_rows_do_not_hold_up_those_that_many_nodes_write() {
    const HELD: usize = 4;
    const ROUNDS: usize = 50;
    let database = Database::new("held_rows").await;
    let nodes = [store(&database).await, store(&database).await];
    let stages = async |count| join_all((0..count).map(async |_| Stage::set(&nodes[0]).await.unwrap())).await;
    let (held, hot) = (stages(HELD).await, stages(8).await);
    let foreigners = join_all(held.iter().map(|stage| database.hold(&stage.live))).await;
    let waiting = join_all(held.iter().map(|stage| nodes[0].touch(&stage.live, HOUR)));
    let busy = async {
        database.until_waiting(2).await;
        let pairs = nodes.iter().flat_map(|store| hot.iter().map(move |stage| (store, stage)));
        join_all(pairs.map(async |(store, stage)| {
            for round in 0..ROUNDS {
                let (answer, took) = timed(store.touch(&stage.live, HOUR)).await;
                assert!(took < SOON, "round {round} took {took:?}: {answer:?}");
                assert!(answer.unwrap());
            }
        }))
        .await;
    };
    let (failures, ()) = join(waiting, busy).await;
    assert!(failures.iter().all(Result::is_err));
    for foreign in foreigners {
        foreign.roll_back().await;
    }
    works(&nodes[0]).await;
}
