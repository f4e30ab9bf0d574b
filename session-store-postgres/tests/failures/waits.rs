//! A change that waits for a row which another transaction holds is done when the row is free, on whatever the row is
//! by then; and the wait is no error of the server.

use std::time::Duration;

use futures_util::future::join;
use session_store_core::{ErrorKind, SessionStore as _};
use session_store_postgres::PostgresStore;
use session_store_postgres::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection};
use testkit::failures::operations::{Fixture, Operation, WRITES};
use testkit::servers::PostgresServer;

use crate::database::{Database, bytea};
use crate::support::{HOUR, assert_works, builder, classify, hex, metas_of, new_key, open};

/// Those writes on the session that do not create another.
fn on_the_row() -> impl Iterator<Item = Operation> {
    WRITES.into_iter().filter(|operation| *operation != Operation::Create)
}

/// Runs an operation while another transaction has run this statement, and commits that when the operation waits.
async fn run_behind(
    database: &Database,
    store: &PostgresStore,
    (operation, fixture): (Operation, &Fixture),
    statement: &str,
) -> session_store_core::Result<bool> {
    let foreign = database.begin(statement).await;
    let commit = async {
        database.until_waiting(1).await;
        foreign.commit().await;
    };
    join(operation.run(store, fixture), commit).await.0
}

/// Panics unless the operation changed the session.
async fn assert_done(store: &PostgresStore, operation: Operation, fixture: &Fixture, before: [Option<i64>; 2]) {
    let [live, free] = metas_of(store, fixture).await;
    match operation {
        Operation::Destroy => assert_eq!((live, free), (None, None)),
        Operation::Rotate => assert!(live.is_none() && free.is_some()),
        Operation::Touch => assert!(live.unwrap().expires_at.as_millis() > before[0].unwrap(), "it was not touched"),
        _ => assert!(live.unwrap().last_seen_at.as_millis() > before[1].unwrap(), "{operation:?} was not done"),
    }
}

/// The times of the session that each operation moves.
async fn times(store: &PostgresStore, fixture: &Fixture) -> [Option<i64>; 2] {
    let meta = metas_of(store, fixture).await[0].clone();
    [meta.as_ref().map(|meta| meta.expires_at.as_millis()), meta.map(|meta| meta.last_seen_at.as_millis())]
}

/// Checks every operation on the row, behind a transaction of somebody else on it.
async fn behind(name: &'static str, statement: &str, fails_if_versions_count: bool) {
    let database = Database::new(name).await;
    let store = open(database.url()).await;
    for operation in on_the_row() {
        let fixture = Fixture::create(&store).await.unwrap();
        let before = times(&store, &fixture).await;
        let statement = statement.replace("KEY", &bytea(&fixture.live));
        let answer = run_behind(&database, &store, (operation, &fixture), &statement).await;
        if fails_if_versions_count && matches!(operation, Operation::Update | Operation::Rotate) {
            let error = answer.unwrap_err();
            assert_eq!(classify(&error, &fixture), (ErrorKind::Conflict, false, false), "{operation:?}: {error:?}");
            assert!(store.get(&fixture.live).await.unwrap().is_some());
        } else {
            assert!(answer.unwrap(), "{operation:?}");
            assert_done(&store, operation, &fixture, before).await;
        }
    }
    assert_works(&store).await;
}

#[tokio::test]
async fn a_change_behind_one_that_keeps_the_version_is_done() {
    // Each makes another version of the row on the page, and the last is one that does not move.
    behind("behind_same_version", "UPDATE app SET last_seen_at = last_seen_at WHERE key = KEY", false).await;
    behind("behind_a_lock", "SELECT FROM app WHERE key = KEY FOR UPDATE", false).await;
}

#[tokio::test]
async fn a_change_behind_one_that_gives_a_version_is_a_conflict_if_it_names_one() {
    let version = "decode(repeat('00', 16), 'hex')";
    behind("behind_version", &format!("UPDATE app SET version = {version}, data = 'new' WHERE key = KEY"), true).await;
    // Another row with the same key, in one step.
    let replace = format!(
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM app WHERE key = KEY; DELETE FROM app WHERE key = KEY;
         UPDATE kept SET version = {version}; INSERT INTO app SELECT * FROM kept"
    );
    behind("behind_replacement", &replace, true).await;
}

#[tokio::test]
async fn a_change_behind_one_that_moves_the_session_away_finds_nothing_and_leaves_the_moved_one() {
    let database = Database::new("behind_rotation").await;
    let store = open(database.url()).await;
    for operation in on_the_row() {
        let fixture = Fixture::create(&store).await.unwrap();
        let moved = new_key();
        let statement = format!("UPDATE app SET key = {} WHERE key = {}", bytea(&moved), bytea(&fixture.live));
        let answer = run_behind(&database, &store, (operation, &fixture), &statement).await;
        match operation {
            Operation::Upsert => assert!(answer.unwrap()),
            Operation::Touch | Operation::Destroy => assert!(!answer.unwrap(), "{operation:?}"),
            _ => assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound, "{operation:?}"),
        }
        assert_eq!(store.get(&fixture.live).await.unwrap().is_some(), operation == Operation::Upsert, "{operation:?}");
        assert!(store.get(&moved).await.unwrap().is_some(), "{operation:?}");
    }
}

/// Rotations to a key that is a leftover which somebody holds, and imports of a key that somebody holds.
#[tokio::test]
async fn a_rotation_to_a_held_leftover_and_an_import_to_a_held_key_are_done_when_it_is_free() {
    let database = Database::new("behind_leftover").await;
    let store = open(database.url()).await;
    let (fixture, other) = (Fixture::create(&store).await.unwrap(), Fixture::create(&store).await.unwrap());
    let [live, leftover] = [bytea(&fixture.live), bytea(&fixture.free)];
    let insert = format!(
        "INSERT INTO app SELECT (jsonb_populate_record(app, jsonb_build_object('key', {leftover}, 'expires_at', 1))).*
         FROM app WHERE key = {live}"
    );
    database.execute(&insert).await;
    let hold = |key: &str| format!("SELECT FROM app WHERE key = {key} FOR UPDATE");
    assert!(run_behind(&database, &store, (Operation::Rotate, &fixture), &hold(&leftover)).await.unwrap());
    assert!(store.get(&fixture.live).await.unwrap().is_none());
    let rotated = store.get(&fixture.free).await.unwrap().unwrap();

    let foreign = database.begin(&hold(&bytea(&other.live))).await;
    let commit = async {
        database.until_waiting(1).await;
        foreign.commit().await;
    };
    let (version, ()) = join(store.import(&other.live, &rotated), commit).await;
    let imported = store.get(&other.live).await.unwrap().unwrap();
    assert_eq!(Some(imported.meta.version), version.unwrap());
    assert_eq!((imported.meta.user, imported.data), (rotated.meta.user, rotated.data));
}

/// The row that was locked after the wait is not where the statement's snapshot has it. A statement that looked for it
/// there would change nothing, and the store would send another.
#[tokio::test]
async fn the_statement_that_waited_changes_the_row_itself() {
    let server = PostgresServer::start(&[("log_statement", "all")]).await.unwrap();
    let store = open(server.url()).await;
    let mut foreign = PgConnection::connect(&server.url()).await.unwrap();
    for operation in on_the_row() {
        let fixture = Fixture::create(&store).await.unwrap();
        let update = format!("BEGIN; UPDATE app SET data = data || '' WHERE key = {}", bytea(&fixture.live));
        execute(&mut foreign, &update).await;
        let before = server.log().len();
        let commit = async {
            while server.ask::<i64>("SELECT count(*) FROM pg_locks WHERE NOT granted").await.unwrap() == 0 {}
            execute(&mut foreign, "COMMIT").await;
        };
        let (answer, ()) = join(operation.run(&store, &fixture), commit).await;
        assert!(answer.unwrap(), "{operation:?}");
        let log = server.log();
        // One that met the row, and one that waited for it.
        assert_eq!(log[before..].matches("WITH want AS").count(), 2, "{operation:?}: {}", &log[before..]);
    }
}

/// What the server has logged about errors.
fn errors(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| ["ERROR", "FATAL", "STATEMENT", "DETAIL"].iter().any(|word| line.contains(word)))
        .collect()
}

/// Case P1: under the server's default settings, an error's statement is logged, and through a transaction pooler it
/// has keys, users and data in it.
#[tokio::test]
async fn ordinary_waits_are_no_error_of_the_server() {
    let server = PostgresServer::start(&[]).await.unwrap();
    for is_pooled in [false, true] {
        let store = builder(server.url()).transaction_pooler(is_pooled).build().await.unwrap();
        let mut foreign = PgConnection::connect(&server.url()).await.unwrap();
        assert_works(&store).await;
        let before = server.log().len();
        for operation in on_the_row() {
            let fixture = Fixture::create(&store).await.unwrap();
            execute(&mut foreign, &format!("BEGIN; SELECT FROM app WHERE key = {} FOR UPDATE", bytea(&fixture.live)))
                .await;
            let release = async {
                // Several times as long as a statement that skips rows may be delayed.
                tokio::time::sleep(Duration::from_millis(300)).await;
                execute(&mut foreign, "ROLLBACK").await;
            };
            let (answer, ()) = join(operation.run(&store, &fixture), release).await;
            assert!(answer.unwrap(), "{operation:?}");
            let log = server.log();
            assert!(!log.contains(&hex(&fixture.live)) && !log.contains(fixture.user.as_str()), "{log}");
        }
        let log = server.log();
        assert_eq!(errors(&log[before..]), Vec::<&str>::new(), "is_pooled: {is_pooled}");
    }
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.unwrap();
}

/// A wait that the role's `statement_timeout` cuts short goes on.
#[tokio::test]
async fn a_statement_timeout_that_is_shorter_than_the_wait_fails_nothing() {
    let database = Database::new("short_statement_timeout").await;
    drop(open(database.url()).await);
    let url = database.role("hurried", &["statement_timeout = '200ms'"]).await;
    database.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app TO hurried").await;
    let store = open(url).await;
    let fixture = Fixture::create(&store).await.unwrap();
    let foreign = database.hold(&fixture.live).await;
    let release = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        foreign.roll_back().await;
    };
    let (answer, ()) = join(store.touch(&fixture.live, HOUR), release).await;
    assert!(answer.unwrap());
}
