//! Sessions that are changed by one script, or read by one command: each has its own answer, whatever becomes of the
//! others.

use std::time::Duration;

use futures_util::future::join_all;
use session_store_core::{Error, ErrorKind, Owner, Record, Result, SessionKey, SessionStore as _, SetMode, Write};
use session_store_redis::RedisStore;
use testkit::failures::operations::Fixture;
use testkit::servers::{FakeRedis, Proxy, RedisServer};

use crate::support::{HOUR, SHORT, SLACK, builder, database_index, database_key, new_key, new_user, timed, write_of};

const COUNT: usize = 40;

/// A smaller batch.
const FULL: usize = 20;

/// A server behind a proxy, and a store whose requests share a script when they are made at once.
async fn start() -> (RedisServer, Proxy, RedisStore) {
    let server = RedisServer::start(&[]).await.unwrap();
    let proxy = Proxy::start(&server.url()).await.unwrap();
    let store = builder(proxy.url()).batches_in_flight(1).build().await.unwrap();
    // The server knows the script from here on.
    Fixture::create(&store).await.unwrap();
    proxy.forget();
    (server, proxy, store)
}

async fn keys_of_sessions(store: &RedisStore) -> Vec<SessionKey> {
    let keys: Vec<_> = (0..COUNT).map(|_| new_key()).collect();
    for key in &keys {
        store.set(key, &Write::new("old", HOUR / 2, HOUR).unwrap(), SetMode::Create).await.unwrap();
    }
    keys
}

/// A replacement or a touch of each, all at once.
async fn change_all(store: &RedisStore, keys: &[SessionKey]) -> Vec<Result<bool>> {
    let write = Write::new("new", HOUR, HOUR).unwrap();
    join_all(keys.iter().enumerate().map(|(number, key)| {
        let write = &write;
        async move {
            match number % 2 {
                0 => store.set(key, write, SetMode::Replace).await.map(|_| true),
                _ => store.touch(key, HOUR).await,
            }
        }
    }))
    .await
}

fn kind<T>(answer: &Result<T>) -> Option<ErrorKind> {
    answer.as_ref().err().map(Error::kind)
}

#[tokio::test]
async fn requests_at_once_share_scripts_and_a_batch_size_of_one_parts_them() {
    let (server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    proxy.forget();
    assert!(change_all(&store, &keys).await.into_iter().all(Result::unwrap));
    // The first is alone.
    assert_eq!(proxy.commands(), ["EVALSHA", "EVALSHA"]);
    let parted = builder(proxy.url()).batch_size(1).build().await.unwrap();
    proxy.forget();
    assert!(change_all(&parted, &keys).await.into_iter().all(Result::unwrap));
    assert_eq!(proxy.commands().iter().filter(|name| *name == "EVALSHA").count(), COUNT);
    assert_eq!(server.ask::<usize>(&["DBSIZE"]).await.unwrap(), COUNT + 2);
}

/// Ends some, and puts something else in the place of others: two of each, the second of them an odd number. None is the
/// first, which is alone.
async fn spoil(server: &RedisServer, keys: &[SessionKey]) {
    let mut connection = server.connection().await.unwrap();
    for number in [10, 11] {
        redis::cmd("DEL").arg(database_key(&keys[number])).exec_async(&mut connection).await.unwrap();
    }
    for number in [20, 21] {
        redis::cmd("SET").arg(database_key(&keys[number])).arg("bytes").exec_async(&mut connection).await.unwrap();
    }
    for number in [30, 31] {
        redis::cmd("DEL").arg(database_key(&keys[number])).exec_async(&mut connection).await.unwrap();
        redis::cmd("RPUSH").arg(database_key(&keys[number])).arg("x").exec_async(&mut connection).await.unwrap();
    }
}

async fn get_all(store: &RedisStore, keys: &[SessionKey]) -> Vec<Result<Option<Record>>> {
    join_all(keys.iter().map(|key| store.get(key))).await
}

fn are_all_read(answers: Vec<Result<Option<Record>>>) {
    for answer in answers {
        assert_eq!(answer.unwrap().unwrap().data, "old");
    }
}

#[tokio::test]
async fn reads_at_once_share_a_command_and_a_batch_size_of_one_parts_them() {
    let (_server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    proxy.forget();
    are_all_read(get_all(&store, &keys).await);
    assert_eq!(proxy.commands(), ["GET", "MGET"]);
    let parted = builder(proxy.url()).batch_size(1).build().await.unwrap();
    proxy.forget();
    are_all_read(get_all(&parted, &keys).await);
    assert_eq!(proxy.commands().iter().filter(|name| *name == "GET").count(), COUNT);
}

#[tokio::test]
async fn a_read_of_many_tells_what_is_missing_from_what_is_corrupt() {
    let (server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    spoil(&server, &keys).await;
    proxy.forget();
    let answers = get_all(&store, &keys).await;
    // Four were not given.
    assert_eq!(proxy.commands(), ["GET", "MGET", "GET", "GET", "GET", "GET"]);
    for (number, (key, answer)) in keys.iter().zip(answers).enumerate() {
        match number {
            10 | 11 => assert!(answer.unwrap().is_none(), "{number}"),
            20 | 21 | 30 | 31 => {
                let error = answer.unwrap_err();
                assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(key)), "{number}: {error:?}");
            }
            _ => assert_eq!(answer.unwrap().unwrap().data, "old", "{number}"),
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_read_of_many_is_not_seen() {
    let (_server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    proxy.forget();
    proxy.cut_before_answer_to("MGET");
    are_all_read(get_all(&store, &keys).await);
    let count = proxy.commands().iter().filter(|name| *name == "MGET").count();
    assert_eq!((count, proxy.lost_answers()), (2, 1));
}

#[tokio::test]
async fn a_read_of_many_that_is_not_answered_is_a_timeout_of_each() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = builder(server.url()).operation_timeout(SHORT).build().await.unwrap();
    let keys = keys_of_sessions(&store).await;
    server.stop().unwrap();
    let (answers, took) = timed(get_all(&store, &keys)).await;
    assert!(took < SHORT + SLACK, "it took {took:?}");
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, false), "{error:?}");
    }
    server.resume().unwrap();
    crate::support::recovery(|| store.get(&keys[0])).await;
    are_all_read(get_all(&store, &keys).await);
}

#[tokio::test]
async fn a_user_who_may_not_read_many_at_once_reads_them_one_by_one() {
    let (server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    server.ask::<()>(&["ACL", "SETUSER", "default", "-mget"]).await.unwrap();
    proxy.forget();
    are_all_read(get_all(&store, &keys).await);
    assert_eq!(proxy.commands().iter().filter(|name| *name == "GET").count(), COUNT);
}

#[tokio::test]
async fn what_is_refused_or_corrupt_fails_alone() {
    let (server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    spoil(&server, &keys).await;
    proxy.forget();
    let answers = change_all(&store, &keys).await;
    assert_eq!(proxy.commands(), ["EVALSHA", "EVALSHA"]);
    for (number, (key, answer)) in keys.iter().zip(&answers).enumerate() {
        match number {
            10 => assert_eq!(kind(answer), Some(ErrorKind::NotFound)),
            11 => assert!(!*answer.as_ref().unwrap()),
            20 | 21 | 30 | 31 => {
                let error = answer.as_ref().unwrap_err();
                assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Corrupt, false), "{number}: {error:?}");
                assert_eq!(error.key(), Some(key));
            }
            _ => {
                assert!(answer.as_ref().unwrap(), "{number}");
                let record = store.get(key).await.unwrap().unwrap();
                assert_eq!(record.data, if number % 2 == 0 { "new" } else { "old" }, "{number}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_of_one_command_is_of_its_session_alone() {
    let (server, proxy, store) = start().await;
    let (foreign, user) = (new_user(), new_user());
    let mut connection = server.connection().await.unwrap();
    redis::cmd("SET").arg(database_index(&foreign)).arg("x").exec_async(&mut connection).await.unwrap();
    let keys: Vec<_> = (0..COUNT).map(|_| new_key()).collect();
    proxy.forget();
    let answers = join_all(keys.iter().enumerate().map(|(number, key)| {
        let write = write_of(if number % 4 == 1 { &foreign } else { &user });
        let store = &store;
        async move { store.set(key, &write, SetMode::Create).await }
    }))
    .await;
    assert_eq!(proxy.commands(), ["EVALSHA", "EVALSHA"]);
    let mut listed = Vec::new();
    for (number, (key, answer)) in keys.iter().zip(answers).enumerate() {
        let is_there = store.get(key).await.unwrap().is_some();
        if number % 4 == 1 {
            let error = answer.unwrap_err();
            let found = (error.kind(), error.outcome_unknown(), error.key());
            assert_eq!((found, is_there), ((ErrorKind::Corrupt, false, None), false), "{number}: {error:?}");
        } else {
            assert_eq!((store.get(key).await.unwrap().unwrap().meta.version, is_there), (answer.unwrap(), true));
            listed.push(*key);
        }
    }
    listed.sort();
    let page = session_store_core::Page::first(100).unwrap();
    let entries = store.list_by_user(&user, &page).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), listed);
}

#[tokio::test]
async fn changes_of_one_session_in_one_script_are_made_in_their_order() {
    let (_server, proxy, store) = start().await;
    let (other, key, user) = (new_key(), new_key(), new_user());
    let write = |data: &'static str| Write::new(data, HOUR / 2, HOUR).unwrap();
    let touch = |key| store.touch(key, HOUR);
    let (first, second) = (write("first").with_owner(Owner::User(user)), write("second"));
    proxy.forget();
    // The first is alone; the others are one script.
    let (alone, early, created, again, touched, replaced) = tokio::join!(
        touch(&other),
        touch(&key),
        store.set(&key, &first, SetMode::Create),
        store.set(&key, &first, SetMode::Create),
        touch(&key),
        store.set(&key, &second, SetMode::Replace),
    );
    assert_eq!(proxy.commands(), ["EVALSHA", "EVALSHA"]);
    assert!(!alone.unwrap() && !early.unwrap() && touched.unwrap());
    assert_eq!(kind(&again), Some(ErrorKind::AlreadyExists));
    assert_ne!(created.unwrap(), replaced.unwrap());
    let record = store.get(&key).await.unwrap().unwrap();
    assert_eq!(record.data, "second");
    assert!(record.meta.user.is_some(), "a write that keeps the owner has lost it");
}

#[tokio::test]
async fn a_lost_answer_leaves_all_of_a_batch_unknown_and_nothing_is_repeated() {
    let (_server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    proxy.forget();
    proxy.cut_before_answer_to("EVALSHA");
    let lost = change_all(&store, &keys[..1]).await;
    assert!(lost[0].as_ref().unwrap_err().outcome_unknown());
    store.ping().await.unwrap();

    // One that is alone, and is held up, and the batch that has collected behind it.
    proxy.forget();
    proxy.hold();
    let cut = async {
        tokio::time::sleep(SHORT).await;
        proxy.cut().await;
        proxy.release();
    };
    let (answers, ()) = tokio::join!(change_all(&store, &keys[..1]), cut);
    assert!(answers[0].as_ref().unwrap_err().outcome_unknown());
    store.ping().await.unwrap();

    // One that is alone, a full batch beside it, and the batch that has collected behind that.
    let store = builder(proxy.url()).batches_in_flight(1).batch_size(FULL).build().await.unwrap();
    proxy.forget();
    let last_of_full = async {
        let answer = store.touch(&keys[FULL], HOUR).await;
        proxy.cut_before_answer_to("EVALSHA");
        answer
    };
    let (alone, full, last, answers) = tokio::join!(
        store.touch(&keys[0], HOUR),
        change_all(&store, &keys[1..FULL]),
        last_of_full,
        change_all(&store, &keys[FULL + 1..])
    );
    assert!(alone.unwrap() && last.unwrap() && full.into_iter().all(Result::unwrap));
    let by_hash = proxy.commands().iter().filter(|name| *name == "EVALSHA").count();
    assert_eq!((by_hash, proxy.lost_answers()), (3, 1));
    assert_eq!(answers.len(), COUNT - FULL - 1);
    for answer in answers {
        let error = answer.unwrap_err();
        let found = (error.kind(), error.is_transient(), error.outcome_unknown());
        assert_eq!(found, (ErrorKind::Unavailable, true, true), "{error:?}");
    }
    // It was executed all the same.
    for (number, key) in keys[FULL + 1..].iter().enumerate() {
        let record = store.get(key).await.unwrap().unwrap();
        assert_eq!(record.data, if number % 2 == 0 { "new" } else { "old" }, "{number}");
    }
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_sent_in_full_for_a_batch() {
    let (server, proxy, store) = start().await;
    let keys = keys_of_sessions(&store).await;
    proxy.forget();
    for _ in 0..10 {
        let (forgotten, answers) = tokio::join!(server.ask::<()>(&["SCRIPT", "FLUSH"]), change_all(&store, &keys));
        forgotten.unwrap();
        assert!(answers.into_iter().all(Result::unwrap));
    }
    assert!(proxy.commands().iter().any(|name| name == "EVAL"));
}

#[tokio::test]
async fn a_batch_that_is_not_answered_is_a_timeout_of_each() {
    let server = RedisServer::start(&[]).await.unwrap();
    let builder = builder(server.url()).batches_in_flight(1).batch_size(FULL).operation_timeout(SHORT);
    let store = builder.build().await.unwrap();
    let keys = keys_of_sessions(&store).await;
    server.stop().unwrap();
    let (answers, took) = timed(change_all(&store, &keys)).await;
    assert!(took < SHORT + SLACK, "it took {took:?}");
    for (number, answer) in answers.into_iter().enumerate() {
        let error = answer.unwrap_err();
        // The one that was alone and a full batch were sent; the others had not left the queue.
        let was_sent = number <= FULL;
        assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Timeout, was_sent), "{number}: {error:?}");
    }
    server.resume().unwrap();
    crate::support::recovery(|| store.touch(&keys[0], HOUR)).await;
    assert!(change_all(&store, &keys).await.into_iter().all(Result::unwrap));
}

#[tokio::test]
async fn replicas_are_waited_for_once_for_a_batch() {
    let server = RedisServer::start(&[]).await.unwrap();
    let plain = builder(server.url()).build().await.unwrap();
    let keys = keys_of_sessions(&plain).await;
    plain.destroy(&keys[10]).await.unwrap();
    let patient = builder(server.url()).operation_timeout(Duration::from_secs(4)).batches_in_flight(1).wait_replicas(1);
    let store = patient.build().await.unwrap();
    // The one that is alone, and the batch, each wait for a second.
    let (answers, took) = timed(change_all(&store, &keys)).await;
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    for (number, answer) in answers.into_iter().enumerate() {
        let error = answer.unwrap_err();
        // A refusal holds without replicas.
        let told = if number == 10 { (ErrorKind::NotFound, false) } else { (ErrorKind::Unavailable, true) };
        assert_eq!((error.kind(), error.outcome_unknown()), told, "{number}: {error:?}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_write_into_a_string_leaves_none_half_written() {
    let server = RedisServer::start(&[]).await.unwrap();
    let acl = ["ACL", "SETUSER", "app", "on", ">secret", "~app*", "+@all", "-setrange"];
    server.ask::<()>(&acl).await.unwrap();
    let store = builder(format!("redis://app:secret@127.0.0.1:{}", server.port())).build().await.unwrap();
    let keys = keys_of_sessions(&store).await;
    for (number, answer) in change_all(&store, &keys).await.into_iter().enumerate() {
        assert_eq!(kind(&answer), (number % 2 == 1).then_some(ErrorKind::Config), "{number}");
        let record = store.get(&keys[number]).await.unwrap().unwrap();
        assert_eq!(record.data, if number % 2 == 0 { "new" } else { "old" }, "{number}");
        assert!(record.meta.created_at < record.meta.expires_at && record.meta.expires_at <= record.meta.deadline);
    }
}

#[tokio::test]
async fn a_write_that_keeps_the_expiry_keeps_the_key_so_long() {
    let server = RedisServer::start(&[]).await.unwrap();
    let store = builder(server.url()).build().await.unwrap();
    let mut connection = server.connection().await.unwrap();
    let key = new_key();
    // The deadline ends both, then the idle time does, and the deadline again.
    for (idle, mode) in [
        (HOUR, SetMode::Create),
        (HOUR, SetMode::Replace),
        (HOUR / 2, SetMode::Replace),
        (HOUR, SetMode::Upsert),
        (HOUR, SetMode::Upsert),
    ] {
        store.set(&key, &Write::new("data", idle, HOUR).unwrap(), mode).await.unwrap();
        let expires = store.get(&key).await.unwrap().unwrap().meta.expires_at.as_millis();
        let time: (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
        let left: i64 = redis::cmd("PTTL").arg(database_key(&key)).query_async(&mut connection).await.unwrap();
        let ends = time.0 * 1000 + time.1 / 1000 + left;
        assert!((expires - ends).abs() < 100, "{mode:?}: the key ends {} ms early", expires - ends);
    }
}

#[tokio::test]
async fn a_replica_that_says_so_of_one_session_is_left() {
    let server = FakeRedis::start("$-1").await.unwrap();
    let store = builder(server.url()).build().await.unwrap();
    let connections = || server.commands().iter().filter(|name| *name == "CLIENT").count();
    let before = connections();
    store.get(&new_key()).await.unwrap();
    assert_eq!(connections(), before);
    server.answer_to("EVALSHA", "*1\r\n-READONLY You can't write against a read only replica.");
    let error = store.touch(&new_key(), HOUR).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unavailable, false), "{error:?}");
    store.get(&new_key()).await.unwrap();
    assert!(connections() > before);
}
