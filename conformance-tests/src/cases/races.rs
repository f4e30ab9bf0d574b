//! K1: operations on one key are linearizable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use session_store_core::{Bytes, ErrorKind, Result, SessionKey, SessionStore, SetMode};

use crate::case::{Context, HOUR, Outcome, SHORT, fail, key, timed, user, write};
use crate::check::{ensure, gone, live, same};
use crate::gate::{FEW_STEPS, Held, hold, race, resume_after};

cases! {
    "K1":
        no_update_of_a_counter_is_lost,
        no_reader_goes_back_in_time,
        of_concurrent_destroys_one_finds_the_session,
        creates_and_destroys_of_one_key_alternate,
        a_touch_held_past_the_expiry_revives_nothing,
        a_save_held_past_the_expiry_revives_nothing;
}

fn number(data: &Bytes) -> Outcome<u64> {
    std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| fail("the data is not what was written"))
}

/// Five workers increment ten times each, by compare and set.
async fn no_update_of_a_counter_is_lost(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    one.set(&key, &write("0")?, SetMode::Create).await?;
    let workers = (0..5).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        async move {
            let (mut left, mut conflicts) = (10, 0);
            while left > 0 {
                let record = live(&*store, &key, "the counter").await?;
                let next = write(&(number(&record.data)? + 1).to_string())?;
                match store.set(&key, &next, SetMode::Update(record.meta.version)).await {
                    Ok(_) => left -= 1,
                    Err(error) if error.kind() == ErrorKind::Conflict => conflicts += 1,
                    Err(error) => return Err(error.into()),
                }
                // Each conflict is due to a success of another worker, and those have 40.
                ensure(conflicts <= 40, || "a conflict where nothing had changed".to_owned())?;
            }
            Outcome::Ok(())
        }
    });
    for worker in race(workers).await {
        worker?;
    }
    same(&number(&live(&*one, &key, "the counter").await?.data)?, &50, "the counter after 50 increments")
}

/// A reader sees at least what was acknowledged before it began, and never less than it saw before.
async fn no_reader_goes_back_in_time(cx: Arc<Context>) -> Outcome {
    let (writing, key) = (cx.store().await?, key()?);
    writing.set(&key, &write("0")?, SetMode::Create).await?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut readers = Vec::new();
    for _ in 0..3 {
        let (store, acknowledged) = (cx.store().await?, Arc::clone(&acknowledged));
        readers.push(tokio::spawn(async move {
            let mut seen = 0;
            while seen < 200 {
                let least = acknowledged.load(Ordering::SeqCst).max(seen);
                seen = number(&live(&*store, &key, "while it is written").await?.data)?;
                ensure(seen >= least, || format!("{seen} was read after {least}"))?;
                tokio::task::yield_now().await;
            }
            Outcome::Ok(())
        }));
    }
    for n in 1..=200 {
        writing.set(&key, &write(&n.to_string())?, SetMode::Replace).await?;
        acknowledged.store(n, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.map_err(|error| fail(error.to_string()))??;
    }
    Ok(())
}

async fn of_concurrent_destroys_one_finds_the_session(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for _ in 0..10 {
        let key = key()?;
        one.set(&key, &write("data")?, SetMode::Create).await?;
        let destroys = (0..10).map(|n| {
            let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
            async move { store.destroy(&key).await }
        });
        let mut found = 0;
        for answer in race(destroys).await {
            found += u32::from(answer?);
        }
        same(&found, &1, "the destroys that found the session")?;
    }
    Ok(())
}

/// Whatever the order, between two creations that succeed lies a destroy that does, so that the numbers
/// differ by one at the most, and the difference is what is live at the end.
async fn creates_and_destroys_of_one_key_alternate(cx: Arc<Context>) -> Outcome {
    let (one, two, key) = (cx.store().await?, cx.store().await?, key()?);
    let workers = (0..8).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        async move {
            let mut balance = 0;
            for _ in 0..15 {
                match store.set(&key, &write("data")?, SetMode::Create).await {
                    Ok(_) => balance += 1,
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error.into()),
                }
                balance -= i32::from(store.destroy(&key).await?);
            }
            Outcome::Ok(balance)
        }
    });
    let mut balance = 0;
    for worker in race(workers).await {
        balance += worker?;
    }
    same(&balance, &i32::from(one.get(&key).await?.is_some()), "creations that succeeded, less destroys that did")
}

/// An operation is held between its steps while the session expires. If it had been done before, the session
/// lives; once a read has found it dead, it stays so.
async fn revives_nothing(cx: &Context, operation: Operation) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for steps in 1..FEW_STEPS {
        let key = key()?;
        one.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
        let Held::Between(operation) = hold(operation(&*one, &key), steps).await else { break };
        cx.pass(2 * SHORT).await;
        let (done, read) = resume_after(operation, two.get(&key)).await;
        let done = done?;
        if read?.is_none() {
            same(&done, &false, "an operation on a session that was read as dead")?;
            gone(&*two, &key, "after it was read as dead").await?;
        }
    }
    Ok(())
}

type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey) -> BoxFuture<'a, Result<bool>>;

async fn a_touch_held_past_the_expiry_revives_nothing(cx: Arc<Context>) -> Outcome {
    revives_nothing(&cx, |store, key| store.touch(key, HOUR)).await
}

async fn a_save_held_past_the_expiry_revives_nothing(cx: Arc<Context>) -> Outcome {
    revives_nothing(&cx, |store, key| {
        Box::pin(async move {
            match store.set(key, &write("late")?, SetMode::Replace).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                answer => answer.map(|_| true),
            }
        })
    })
    .await
}
