//! P1 to P3: removing what is dead.

use std::sync::Arc;

use session_store_core::{SessionKey, SessionStore, SetMode};

use crate::case::{Context, HOUR, Outcome, SECOND, SHORT, key, keys, keys_together, owned, timed, user, write};
use crate::check::{ensure, live, same};
use crate::gate::{FEW_STEPS, overlap, race};

cases! {
    "P1":
        a_prune_removes_no_live_session,
        a_prune_removes_no_more_than_its_limit,
        a_prune_removes_no_session_that_is_touched_meanwhile,
        a_prune_removes_no_session_that_is_created_again_meanwhile,
        a_prune_of_nothing_says_so;
    "P2":
        several_prunes_at_once_remove_each_dead_record_once;
    "P3":
        nothing_is_left_of_the_dead needs Leftovers,
        a_prune_tells_that_it_removed_something needs Leftovers,
        nothing_is_left_of_the_destroyed needs Leftovers UserIndex;
}

const DEAD: usize = 20;

/// Sessions that have expired.
async fn dead(cx: &Context, store: &dyn SessionStore) -> Outcome<Vec<SessionKey>> {
    let keys = keys(DEAD)?;
    for (n, key) in keys.iter().enumerate() {
        store.set(key, &timed(&user(&format!("user {}", n % 3))?, SHORT, HOUR)?, SetMode::Create).await?;
    }
    cx.pass(2 * SHORT + cx.harness().prune_lag().min(SECOND)).await;
    Ok(keys)
}

/// Prunes by `limit` until nothing more may remain; returns how many were removed.
pub(super) async fn prune_all(store: &dyn SessionStore, limit: u32) -> Outcome<u64> {
    let mut removed = 0;
    for _ in 0..10_000 {
        let pruned = store.prune(limit).await?;
        ensure(pruned.removed <= u64::from(limit), || format!("a prune of {limit} removed {}", pruned.removed))?;
        removed += pruned.removed;
        if !pruned.more {
            return Ok(removed);
        }
    }
    Err(crate::case::fail("prune says for ever that more may remain"))
}

async fn a_prune_removes_no_live_session(cx: Arc<Context>) -> Outcome {
    let (store, alice, keys) = (cx.store().await?, user("alice")?, keys(10)?);
    for key in &keys {
        store.set(key, &owned("data", &alice)?, SetMode::Create).await?;
    }
    dead(&cx, &*store).await?;
    prune_all(&*store, 1_000).await?;
    for key in &keys {
        live(&*store, key, "after a prune").await?;
    }
    same(&store.count().await?, &10, "the count after a prune")
}

async fn a_prune_removes_no_more_than_its_limit(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    dead(&cx, &*store).await?;
    let removed = prune_all(&*store, 3).await?;
    ensure(removed <= DEAD as u64, || format!("{removed} were removed, and {DEAD} were dead"))?;
    if cx.harness().prune_lag() <= SECOND {
        same(&prune_all(&*store, 3).await?, &0, "what a second prune removes")?;
    }
    Ok(())
}

async fn a_prune_removes_no_session_that_is_touched_meanwhile(cx: Arc<Context>) -> Outcome {
    let (one, two, keys) = (cx.store().await?, cx.store().await?, keys(10)?);
    dead(&cx, &*one).await?;
    for key in &keys {
        one.set(key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    }
    let sweeper = tokio::spawn(async move {
        for _ in 0..50 {
            two.prune(5).await?;
        }
        Ok::<_, session_store_core::Error>(())
    });
    let touching = keys.iter().copied().map(|key| {
        let store = Arc::clone(&one);
        async move { store.touch(&key, HOUR).await }
    });
    let touched = race(touching).await;
    sweeper.await.map_err(|error| crate::case::fail(error.to_string()))??;
    cx.pass(2 * SHORT).await;
    prune_all(&*one, 1_000).await?;
    for (key, touched) in keys.iter().zip(touched) {
        let is_live = one.get(key).await?.is_some();
        same(&is_live, &touched?, "whether a session lives, and whether its touch said so")?;
    }
    Ok(())
}

async fn a_prune_removes_no_session_that_is_created_again_meanwhile(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for steps in 1..FEW_STEPS {
        let key = key()?;
        one.set(&key, &timed(&alice, SHORT, HOUR)?, SetMode::Create).await?;
        cx.pass(2 * SHORT).await;
        let again = write("again")?;
        let overlap = overlap(two.prune(100), steps, one.set(&key, &again, SetMode::Create)).await;
        overlap.held?;
        overlap.other?;
        live(&*two, &key, "created again beside a prune").await?;
        if !overlap.was_held {
            break;
        }
    }
    Ok(())
}

async fn a_prune_of_nothing_says_so(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    store.set(&key()?, &write("data")?, SetMode::Create).await?;
    same(&prune_all(&*store, 1).await?, &0, "what was removed where nothing is dead")
}

async fn several_prunes_at_once_remove_each_dead_record_once(cx: Arc<Context>) -> Outcome {
    let (one, two, alice, key) = (cx.store().await?, cx.store().await?, user("alice")?, key()?);
    one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    dead(&cx, &*one).await?;
    let prunes = (0..6).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        async move { prune_all(&*store, 4).await }
    });
    let mut removed = 0;
    for answer in race(prunes).await {
        removed += answer?;
    }
    ensure(removed <= DEAD as u64, || format!("six prunes removed {removed} together, and {DEAD} were dead"))?;
    cx.lists(&*two, &alice, &[key], "the live session's user").await
}

async fn nothing_left(cx: &Context, store: &dyn SessionStore) -> Outcome {
    cx.pass(cx.harness().prune_lag()).await;
    prune_all(store, 7).await?;
    same(&cx.harness().leftovers(cx.namespace()).await?, &0, "what the database holds of the namespace")
}

async fn nothing_is_left_of_the_dead(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    store.set(&key()?, &write("anonymous")?, SetMode::Create).await?;
    let held = cx.harness().leftovers(cx.namespace()).await?;
    ensure(held > 0, || "the harness counts nothing where a session is live".to_owned())?;
    store.clear().await?;
    dead(&cx, &*store).await?;
    nothing_left(&cx, &*store).await
}

async fn a_prune_tells_that_it_removed_something(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    dead(&cx, &*store).await?;
    cx.pass(cx.harness().prune_lag()).await;
    let before = cx.harness().leftovers(cx.namespace()).await?;
    let removed = prune_all(&*store, 7).await?;
    // The database may have removed all by itself.
    let told = before == 0 || removed > 0;
    ensure(told, || format!("{before} were left, and the prune tells of none that it removed"))
}

async fn nothing_is_left_of_the_destroyed(cx: Arc<Context>) -> Outcome {
    let (store, alice, bob, others) = (cx.store().await?, user("alice")?, user("bob")?, keys(3)?);
    let [first, second, third, to] = keys_together(&*store)?;
    for key in [first, second, third].iter().chain(&others) {
        store.set(key, &owned("data", &alice)?, SetMode::Create).await?;
    }
    store.destroy(&first).await?;
    store.set(&second, &owned("data", &bob)?, SetMode::Replace).await?;
    store.rotate(&third, &to, &owned("data", &bob)?, None).await?;
    store.destroy_by_user(&alice, None).await?;
    store.destroy_by_user(&bob, None).await?;
    nothing_left(&cx, &*store).await
}
