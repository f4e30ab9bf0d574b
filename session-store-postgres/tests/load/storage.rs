//! What the PostgreSQL store leaves in its table and how it finds it again: touches without work on indexes, and no
//! statement that looks at the whole of a large table.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use session_store_core::{
    BoxError, Owner, Page, Result as StoreResult, SessionId, SessionKey, SessionStore as _, SetMode, UserId, Write,
};
use session_store_postgres::PostgresStore;
use testkit::scaled;
use testkit::servers::PostgresServer;
use tokio::time::{Instant, sleep};

type Outcome<T = ()> = Result<T, BoxError>;

const HOUR: Duration = Duration::from_hours(1);
const TASKS: usize = 256;

/// Settings of a server whose tables change by the tests' statements only, and which need not be kept.
const QUIET: [(&str, &str); 3] = [("autovacuum", "off"), ("fsync", "off"), ("synchronous_commit", "off")];

fn key() -> StoreResult<SessionKey> {
    Ok(SessionKey::from(&SessionId::generate()?))
}

fn write(user: Option<&str>) -> StoreResult<Write> {
    let owner = user.map(UserId::new).transpose()?.map_or(Owner::Anonymous, Owner::User);
    Ok(Write::new(vec![7; 300], HOUR, 24 * HOUR)?.with_owner(owner))
}

async fn store(server: &PostgresServer) -> StoreResult<PostgresStore> {
    PostgresStore::builder(server.url()).operation_timeout(Duration::from_mins(1)).migrate().build().await
}

/// Many operations, some of them at once.
async fn all<Doing>(operations: impl Iterator<Item = Doing>) -> StoreResult<Vec<Doing::Ok>>
where
    Doing: futures_util::TryFuture<Error = session_store_core::Error> + Future<Output = StoreResult<Doing::Ok>>,
{
    stream::iter(operations).buffer_unordered(TASKS).try_collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn random_touches_are_hot_and_no_index_grows() -> Outcome {
    let (sessions, touches) = scaled((10_000, 20_000), (50_000, 100_000));
    let server = PostgresServer::start(&QUIET).await?;
    let store = store(&server).await?;
    let keys = (0..sessions).map(|_| key()).collect::<StoreResult<Vec<_>>>()?;
    let created = write(Some("alice"))?;
    all(keys.iter().map(|key| store.set(key, &created, SetMode::Create))).await?;
    let indexes = "SELECT pg_indexes_size('sessions')";
    let before: i64 = server.ask(indexes).await?;

    // A step that has no divisor in common with the number meets the keys in no order of theirs, which are random.
    let touched = (0..touches).map(|n| &keys[n * 7_919 % sessions]).map(|key| store.touch(key, 2 * HOUR));
    assert!(all(touched).await?.into_iter().all(|was_live| was_live));

    let (updates, hot) = updates(&server, touches).await?;
    assert_eq!(updates, i64::try_from(touches)?, "each touch is one update");
    assert!(hot * 100 >= updates * 95, "{hot} of {updates} updates were HOT");
    // A touch that finds no room on its page, because others look at it just then, may split a page of an index.
    let grown = server.ask::<i64>(indexes).await? - before;
    assert!(grown * 100 <= before, "the indexes of {before} bytes have grown by {grown}");
    Ok(())
}

/// How many rows were updated, and how many of them HOT, once the server has counted as many as this.
async fn updates(server: &PostgresServer, at_least: usize) -> Outcome<(i64, i64)> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let updates: i64 = server.ask("SELECT n_tup_upd FROM pg_stat_user_tables").await?;
        if updates >= i64::try_from(at_least)? || Instant::now() > deadline {
            return Ok((updates, server.ask("SELECT n_tup_hot_upd FROM pg_stat_user_tables").await?));
        }
        // A session's process tells its numbers about once a second.
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sessions that are there when the table is small, so that its one page is known to be all.
const FEW: u64 = 3;

/// How many sessions make a large table.
fn many() -> u64 {
    scaled(200_000, 1_000_000)
}

/// Adds many sessions of other users, none of which is expired or due.
async fn add_many(server: &PostgresServer) -> Outcome {
    for piece in 0..many() / 50_000 {
        let (first, last) = (piece * 50_000 + 1, (piece + 1) * 50_000);
        let piece = format!(
            "INSERT INTO sessions (key, owner, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
             SELECT sha256(n::text::bytea), ('user ' || n / 5)::bytea, 0, 0, 1e15, 1e15, 1e15, '\\x{:032}', 'data'
             FROM generate_series({first}, {last}) AS n",
            0
        );
        server.execute(&piece).await?;
    }
    Ok(())
}

/// Says in its log how each statement was run.
const EXPLAINING: [(&str, &str); 4] = [
    ("shared_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_timing", "off"),
];

/// Runs every operation on single sessions and single users so often, and gives the plans out of the server's log.
async fn plans(server: &PostgresServer, store: &PostgresStore, times: usize) -> Outcome<String> {
    const OPERATIONS: usize = 9;
    let (before, alice) = (server.log().len(), UserId::new("alice")?);
    for _ in 0..times {
        let (from, to, created) = (key()?, key()?, write(Some("alice"))?);
        store.set(&from, &created, SetMode::Create).await?;
        store.set(&from, &created, SetMode::Replace).await?;
        assert!(store.get(&from).await?.is_some() && store.touch(&from, 2 * HOUR).await?);
        store.rotate(&from, &to, &created, None).await?;
        assert_eq!(store.list_by_user(&alice, &Page::first(10)?).await?.len(), 1);
        assert_eq!(store.destroy_by_user(&alice, None).await?, 1);
        assert!(!store.destroy(&to).await?);
        assert_eq!(store.prune(100).await?.removed, 0);
    }
    let log = server.log();
    let plans = log.get(before..).unwrap_or_default();
    assert!(plans.matches("Query Text").count() >= OPERATIONS * times, "the server has logged too few plans: {plans}");
    Ok(plans.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_sessions_a_statement_reads_only_its_own() -> Outcome {
    let server = PostgresServer::start(&[&QUIET[..], &EXPLAINING].concat()).await?;
    let old = store(&server).await?;
    // The server keeps the plans that it has made while the table was small.
    for _ in 0..FEW {
        old.set(&key()?, &write(Some("bob"))?, SetMode::Create).await?;
    }
    server.execute("VACUUM sessions").await?;
    plans(&server, &old, 8).await?;
    add_many(&server).await?;
    for statistics in ["", "ANALYZE sessions"] {
        server.execute(statistics).await?;
        for store in [&old, &store(&server).await?] {
            let plans = plans(&server, store, 8).await?;
            assert!(!plans.contains("Seq Scan on sessions"), "{statistics}: {plans}");
            assert!(plans.contains("using sessions_owner_index"), "{statistics}: {plans}");
            for node in plans.lines().filter(|line| line.contains(" on sessions") || line.contains(" using sessions")) {
                assert!(met(node) <= 100, "{statistics}: {node} in {plans}");
            }
        }
    }
    prune_what_is_due(&server, &old).await
}

/// How many rows a line of a plan tells that it met: `(actual rows=1 loops=64)`, with decimals from PostgreSQL 18 on.
fn met(node: &str) -> u64 {
    let actual = node.split_once("(actual rows=").map_or("", |(_, actual)| actual);
    let mut numbers = actual.split([' ', '=', '.', ')']).filter_map(|word| word.parse::<u64>().ok());
    numbers.next().unwrap_or_default()
}

/// Case P6: the server has statistics of a table in which nothing was due, or none at all.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_takes_no_longer_with_stale_or_absent_statistics() -> Outcome {
    const DEAD: u64 = 20_000;
    let insert = |time: u64, count: u64| {
        format!(
            "INSERT INTO sessions (key, created_at, last_seen_at, expires_at, deadline, prune_at, version, data)
             SELECT sha256(('{time} ' || n)::bytea), 0, 0, {time}, {time}, {time}, '\\x{:032}', 'data'
             FROM generate_series(1, {count}) AS n",
            0
        )
    };
    for statistics in ["ANALYZE sessions", ""] {
        let server = PostgresServer::start(&QUIET).await?;
        let store = store(&server).await?;
        server.execute(&insert(1_000_000_000_000_000, 100)).await?;
        server.execute(statistics).await?;
        server.execute(&insert(1, DEAD)).await?;
        let started = Instant::now();
        let mut removed = 0;
        while removed < DEAD {
            removed += store.prune(500).await?.removed;
        }
        // Quadratic work takes half a minute.
        let took = started.elapsed();
        assert!(removed == DEAD && took < Duration::from_secs(8), "{statistics}: {removed} in {took:?}");
        assert_eq!(store.count().await?, 100);
    }
    Ok(())
}

/// Two thirds of those due are dead.
async fn prune_what_is_due(server: &PostgresServer, store: &PostgresStore) -> Outcome {
    server.execute("UPDATE sessions SET prune_at = 1 WHERE get_byte(key, 0) < 3").await?;
    server.execute("UPDATE sessions SET expires_at = 1 WHERE get_byte(key, 0) < 2").await?;
    let dead: i64 = server.ask("SELECT count(*) FROM sessions WHERE expires_at = 1").await?;
    let before = server.log().len();
    let mut removed = 0;
    loop {
        let pruned = store.prune(1_000).await?;
        assert!(pruned.removed <= 1_000);
        removed += pruned.removed;
        if !pruned.more {
            break;
        }
    }
    assert_eq!(i64::try_from(removed)?, dead);
    assert_eq!(store.count().await?, many() + FEW - removed);
    let log = server.log();
    let plans = log.get(before..).unwrap_or_default();
    assert!(!plans.contains("Seq Scan on sessions"), "{plans}");
    for node in plans.lines().filter(|line| line.contains("using sessions_prune_at_index")) {
        assert!(met(node) <= 2_000, "{node}");
    }
    Ok(())
}
