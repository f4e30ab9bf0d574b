//! When MongoDB itself removes documents: what is dead, soon, and nothing else.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{SessionKey, SessionStore as _, SetMode, Write};
use session_store_mongo::MongoStore;
use session_store_mongo::mongodb::bson::{Document, doc};
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::support::{HOUR, new_key, open};

/// A server that looks for what is due every second, and not every minute.
async fn start() -> (Database, MongoStore) {
    let database = Database::alone(&["--setParameter", "ttlMonitorSleepSecs=1"]).await;
    let store = open(database.url()).await;
    (database, store)
}

fn write(idle: Duration) -> Write {
    Write::new("data", idle, HOUR).unwrap()
}

/// Some times of a document, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    last_seen_at: i64,
    expires_at: i64,
    deadline: i64,
    remove_at: i64,
}

impl Times {
    async fn of(database: &Database, key: &SessionKey) -> Self {
        Self::read(&database.document(key).await.expect("no document"))
    }

    fn read(document: &Document) -> Self {
        let time = |field| document.get_datetime(field).unwrap().timestamp_millis();
        Self {
            last_seen_at: time("last_seen_at"),
            expires_at: time("expires_at"),
            deadline: time("deadline"),
            remove_at: time("remove_at"),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

#[tokio::test]
async fn what_is_dead_is_removed_by_mongodb_and_what_is_touched_never() {
    const IDLE: Duration = Duration::from_secs(1);
    let (database, store) = start().await;
    let (dead, touched, long): (Vec<_>, Vec<_>, Vec<_>) = (0..30).map(|_| (new_key(), new_key(), new_key())).collect();
    let all = [(&dead, IDLE / 5), (&touched, IDLE), (&long, HOUR)];
    join_all(all.into_iter().flat_map(|(keys, idle)| keys.iter().map(move |key| (key, idle))).map(
        async |(key, idle)| {
            store.set(key, &write(idle), SetMode::Create).await.unwrap();
        },
    ))
    .await;
    let started = Instant::now();
    // Two rounds of the server's, and a little.
    while started.elapsed() < Duration::from_millis(2_600) {
        for alive in join_all(touched.iter().map(|key| store.touch(key, IDLE))).await {
            assert!(alive.unwrap(), "after {:?}", started.elapsed());
        }
        sleep(IDLE / 20).await;
    }
    assert_eq!(database.count(doc! {}).await, 60, "the dead ones are removed, and no others");
    for key in touched.iter().chain(&long) {
        assert!(store.get(key).await.unwrap().is_some());
    }
    for key in &dead {
        assert!(database.document(key).await.is_none());
    }
    assert_eq!(store.prune(100).await.unwrap().removed, 0);
}

#[tokio::test]
async fn four_touches_of_all_in_an_idle_timeout_move_the_time_of_removal_and_none_moves_it_below_the_expiry() {
    const IDLE: Duration = Duration::from_millis(1_200);
    let database = Database::new("four_touches").await;
    let store = open(database.url()).await;
    let key = new_key();
    store.set(&key, &write(IDLE), SetMode::Create).await.unwrap();
    let mut before = Times::of(&database, &key).await;
    let (mut moves, mut touches, started) = (vec![before.last_seen_at], 0, Instant::now());
    while started.elapsed() < IDLE * 3 / 2 {
        assert!(store.touch(&key, IDLE).await.unwrap());
        let now = Times::of(&database, &key).await;
        touches += 1;
        assert!(now.expires_at <= now.remove_at, "{now:?}");
        assert!(now.remove_at <= now.last_seen_at + millis(IDLE) + millis(IDLE / 4), "{now:?}");
        assert!(now.remove_at >= before.remove_at && now.expires_at >= before.expires_at, "{before:?} {now:?}");
        assert_eq!(now.expires_at, now.last_seen_at + millis(IDLE), "{now:?}");
        if now.remove_at != before.remove_at {
            moves.push(now.last_seen_at);
        }
        before = now;
        sleep(Duration::from_millis(3)).await;
    }
    assert!(moves.len() > 4 && touches > 10 * moves.len(), "{touches} touches, {moves:?}");
    for moved in moves.windows(2) {
        assert!(moved[1] - moved[0] > millis(IDLE / 4), "{moves:?}");
    }
}

#[tokio::test]
async fn a_touch_that_buys_no_time_moves_nothing() {
    let database = Database::new("no_time").await;
    let store = open(database.url()).await;
    let key = new_key();
    store.set(&key, &write(HOUR / 2), SetMode::Create).await.unwrap();
    let before = Times::of(&database, &key).await;
    assert!(store.touch(&key, Duration::from_secs(1)).await.unwrap());
    let after = Times::of(&database, &key).await;
    assert_eq!((after.expires_at, after.remove_at), (before.expires_at, before.remove_at));
    // Up to the deadline, and no further.
    for _ in 0..2 {
        assert!(store.touch(&key, 10 * HOUR).await.unwrap());
        let last = Times::of(&database, &key).await;
        assert_eq!((last.expires_at, last.remove_at), (before.deadline, before.deadline));
    }
}

/// Within the expiry and a quarter of the idle timeout later, and not after the deadline.
fn is_in_bounds(times: Times, idle: Duration) {
    assert!((times.expires_at..=times.expires_at + millis(idle / 4) + 1).contains(&times.remove_at), "{times:?}");
    assert!(times.remove_at <= times.deadline, "{times:?}");
}

#[tokio::test]
async fn every_save_keeps_the_time_of_removal_a_little_after_the_expiry() {
    let database = Database::new("kept_by_saves").await;
    let store = open(database.url()).await;
    let policies = [
        (HOUR / 4, HOUR),
        (HOUR, HOUR),
        (HOUR * 9 / 10, HOUR),
        (Duration::from_secs(8), 2 * HOUR),
        (Duration::from_secs(7), Duration::from_secs(8)),
        (10 * HOUR, 20 * HOUR),
        (2 * HOUR, HOUR),
    ];
    let mut key = new_key();
    store.set(&key, &write(HOUR), SetMode::Create).await.unwrap();
    // Each after each, by each way.
    for round in 0..4 * policies.len() {
        for step in 0..policies.len() {
            let (idle, absolute) = policies[(round * step + step) % policies.len()];
            let write = Write::new("data", idle, absolute).unwrap();
            match (round + step) % 4 {
                0 => drop(store.set(&key, &write, SetMode::Replace).await.unwrap()),
                1 => drop(store.set(&key, &write, SetMode::Upsert).await.unwrap()),
                2 => {
                    let version = store.get(&key).await.unwrap().unwrap().meta.version;
                    store.set(&key, &write, SetMode::Update(version)).await.unwrap();
                }
                _ => {
                    let to = new_key();
                    store.rotate(&key, &to, &write, None).await.unwrap();
                    key = to;
                }
            }
            is_in_bounds(Times::of(&database, &key).await, idle);
        }
        let fresh = new_key();
        let (idle, absolute) = policies[round % policies.len()];
        let mode = if round % 2 == 0 { SetMode::Create } else { SetMode::Upsert };
        store.set(&fresh, &Write::new("data", idle, absolute).unwrap(), mode).await.unwrap();
        is_in_bounds(Times::of(&database, &fresh).await, idle);
    }
}

#[tokio::test]
async fn saves_without_a_change_of_policy_seldom_move_the_time_of_removal() {
    const IDLE: Duration = Duration::from_millis(800);
    let database = Database::new("seldom_moved").await;
    let store = open(database.url()).await;
    let key = new_key();
    store.set(&key, &write(IDLE), SetMode::Create).await.unwrap();
    let mut moves = vec![Times::of(&database, &key).await];
    let started = Instant::now();
    while started.elapsed() < IDLE {
        store.set(&key, &write(IDLE), SetMode::Replace).await.unwrap();
        let now = Times::of(&database, &key).await;
        is_in_bounds(now, IDLE);
        if now.remove_at != moves[moves.len() - 1].remove_at {
            moves.push(now);
        }
    }
    for moved in moves.windows(2) {
        assert!(moved[1].last_seen_at - moved[0].last_seen_at > millis(IDLE / 4), "{moves:?}");
    }
}

#[tokio::test]
async fn a_shorter_policy_reaches_the_time_of_removal_and_mongodb() {
    let (database, store) = start().await;
    let keys: Vec<_> = (0..4).map(|_| new_key()).collect();
    let short = Duration::from_millis(400);
    for (number, key) in keys.iter().enumerate() {
        store.set(key, &write(HOUR), SetMode::Create).await.unwrap();
        store.touch(key, HOUR).await.unwrap();
        match number {
            0 => drop(store.set(key, &write(short), SetMode::Replace).await.unwrap()),
            1 => drop(store.set(key, &write(short), SetMode::Upsert).await.unwrap()),
            2 => drop(store.rotate(key, &new_key(), &write(short), None).await.unwrap()),
            _ => {
                let absolute = Write::new("data", HOUR, short).unwrap();
                store.set(key, &absolute, SetMode::Replace).await.unwrap();
            }
        }
    }
    let mut cursor = database.collection().find(doc! {}).await.unwrap();
    while cursor.advance().await.unwrap() {
        is_in_bounds(Times::read(&Document::try_from(cursor.current()).unwrap()), short);
    }
    let started = Instant::now();
    while database.count(doc! {}).await > 0 {
        assert!(started.elapsed() < Duration::from_secs(5), "they are still there");
        sleep(Duration::from_millis(20)).await;
    }
}
