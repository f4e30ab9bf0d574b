//! W3: closing a store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use session_store_core::{ErrorKind, Page, Record, Result, SessionKey, SessionStore, SetMode, Version};
use tokio::time::{sleep, timeout};

use crate::Capability;
use crate::case::{Context, HOUR, Outcome, SECOND, fail, key, key_beside, owned, user, write};
use crate::check::{ensure, gone, live, now, refused, same};

cases! {
    "W3":
        a_closed_store_is_unavailable_to_every_operation,
        closing_again_does_nothing,
        another_store_of_the_namespace_stays_open,
        what_is_under_way_finishes_or_is_unknown;
}

/// A close waits for what is under way, at the latest until its operation timeout.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

async fn close(store: &dyn SessionStore) -> Outcome {
    let closed = timeout(CLOSE_TIMEOUT, store.close()).await;
    closed.map_err(|_| fail(format!("close did not return within {CLOSE_TIMEOUT:?}")))
}

type Operation = for<'a> fn(&'a dyn SessionStore, &'a SessionKey, &'a Record) -> BoxFuture<'a, Result<()>>;

/// Every method that can fail, but those that need an index of users.
const OPERATIONS: [(&str, Operation); 13] = [
    ("get", |store, key, _| Box::pin(async move { store.get(key).await.map(drop) })),
    ("get_if_changed", |store, key, record| {
        Box::pin(async move { store.get_if_changed(key, record.meta.version).await.map(drop) })
    }),
    ("set", |store, key, _| Box::pin(async move { store.set(key, &write("late")?, SetMode::Upsert).await.map(drop) })),
    ("touch", |store, key, _| Box::pin(async move { store.touch(key, HOUR).await.map(drop) })),
    ("destroy", |store, key, _| Box::pin(async move { store.destroy(key).await.map(drop) })),
    ("destroy_if", |store, key, record| {
        Box::pin(async move { store.destroy_if(key, record.meta.version).await.map(drop) })
    }),
    ("import", |store, key, record| Box::pin(async move { store.import(key, record).await.map(drop) })),
    ("rotate", |store, key, _| {
        Box::pin(async move { store.rotate(key, &key_beside(store, key)?, &write("late")?, None).await.map(drop) })
    }),
    ("prune", |store, _, _| Box::pin(async move { store.prune(10).await.map(drop) })),
    ("count", |store, _, _| Box::pin(async move { store.count().await.map(drop) })),
    ("clear", |store, _, _| Box::pin(async move { store.clear().await.map(drop) })),
    ("scan", |store, _, _| Box::pin(async move { store.scan(None, 10).await.map(drop) })),
    ("ping", |store, _, _| Box::pin(async move { store.ping().await })),
];

const OF_USERS: [(&str, Operation); 2] = [
    ("list_by_user", |store, _, _| {
        Box::pin(async move { store.list_by_user(&user("alice")?, &Page::first(10)?).await.map(drop) })
    }),
    ("destroy_by_user", |store, _, _| {
        Box::pin(async move { store.destroy_by_user(&user("alice")?, None).await.map(drop) })
    }),
];

/// Every method fails at once with `Unavailable`, which is neither transient nor of unknown outcome.
async fn is_closed(cx: &Context, store: &dyn SessionStore, key: &SessionKey, record: &Record) -> Outcome {
    let has_users = !cx.harness().lacks().contains(&Capability::UserIndex);
    let of_users = if has_users { &OF_USERS[..] } else { &[] };
    for (name, operation) in OPERATIONS.iter().chain(of_users) {
        let answer = timeout(SECOND, operation(store, key, record)).await;
        let answer = answer.map_err(|_| fail(format!("{name} on a closed store gave no answer within a second")))?;
        if let Err(error) = &answer {
            ensure(!error.is_transient(), || format!("{name} on a closed store is called transient"))?;
            ensure(!error.outcome_unknown(), || format!("the outcome of {name} on a closed store is called unknown"))?;
        }
        refused(answer, ErrorKind::Unavailable, &format!("{name} on a closed store"))?;
    }
    Ok(())
}

async fn a_closed_store_is_unavailable_to_every_operation(cx: Arc<Context>) -> Outcome {
    let ([one, two], key) = (cx.store_with_two_handles().await?, key()?);
    one.set(&key, &owned("data", &user("alice")?)?, SetMode::Create).await?;
    let record = live(&*two, &key, "after create").await?;
    close(&*two).await?;
    for store in [one, two] {
        is_closed(&cx, &*store, &key, &record).await?;
    }
    Ok(())
}

async fn closing_again_does_nothing(cx: Arc<Context>) -> Outcome {
    let ([one, two], key) = (cx.store_with_two_handles().await?, key()?);
    one.set(&key, &write("data")?, SetMode::Create).await?;
    let record = live(&*two, &key, "after create").await?;
    let (first, second) = tokio::join!(close(&*one), close(&*two));
    first.and(second)?;
    close(&*one).await?;
    is_closed(&cx, &*two, &key, &record).await
}

async fn another_store_of_the_namespace_stays_open(cx: Arc<Context>) -> Outcome {
    let ([closing, _], other, key, alice) =
        (cx.store_with_two_handles().await?, cx.store().await?, key()?, user("alice")?);
    closing.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    let record = live(&*other, &key, "before the close").await?;
    close(&*closing).await?;
    if cx.harness().handles_are_one_store() {
        return is_closed(&cx, &*other, &key, &record).await;
    }
    for store in [other, cx.store().await?] {
        same(&live(&*store, &key, "after another store was closed").await?.data, &record.data, "the data")?;
        same(&store.touch(&key, HOUR).await?, &true, "touch")?;
        cx.lists(&*store, &alice, &[key], "the user's list").await?;
        same(&store.count().await?, &1, "the count")?;
        store.ping().await?;
        now(&*store).await?;
    }
    Ok(())
}

/// Tasks create sessions while the store is closed. An acknowledged session exists, and a refused one does not.
async fn what_is_under_way_finishes_or_is_unknown(cx: Arc<Context>) -> Outcome {
    let ([one, closing], other) = (cx.store_with_two_handles().await?, cx.store().await?);
    let workers = (0..16).map(|n| {
        let store = Arc::clone(&one);
        tokio::spawn(async move {
            let mut last: Vec<(SessionKey, Result<Version>)> = Vec::new();
            // Otherwise all tasks would take the same step at the same time.
            for _ in 0..n % 5 {
                tokio::task::yield_now().await;
            }
            loop {
                let key = key()?;
                let answer = store.set(&key, &write("data")?, SetMode::Create).await;
                let has_failed = answer.is_err();
                // Only the last ones overlap with the close.
                let first = last.len().saturating_sub(4);
                last = last.split_off(first);
                last.push((key, answer));
                if has_failed {
                    return Outcome::Ok(last);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    sleep(Duration::from_millis(20)).await;
    close(&*closing).await?;
    for worker in workers {
        let ended =
            timeout(SECOND, worker).await.map_err(|_| fail("a set still runs a second after close has returned"))?;
        for (key, answer) in ended.map_err(|error| fail(error.to_string()))?? {
            let was_created = match answer {
                Ok(_) => true,
                Err(error) if error.outcome_unknown() => continue,
                Err(error) => {
                    same(&error.kind(), &ErrorKind::Unavailable, "a set on a store that is closed")?;
                    ensure(!error.is_transient(), || "a set on a closed store is called transient".to_owned())?;
                    false
                }
            };
            if cx.harness().handles_are_one_store() {
                continue;
            }
            if was_created {
                live(&*other, &key, "acknowledged before or during the close").await?;
            } else {
                gone(&*other, &key, "refused by a closed store").await?;
            }
        }
    }
    Ok(())
}
