//! D3: what is in flight when a session ends does not bring it back.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_store_core::{ErrorKind, Result, SessionKey, SessionStore, SetMode, Version};

use crate::case::{Context, HOUR, Outcome, key, keys_together, owned, user, write};
use crate::check::{gone, live, refused, same};
use crate::gate::{MAX_STEPS, overlap, race};

cases! {
    "D3":
        a_replace_in_flight_does_not_revive,
        an_update_in_flight_does_not_revive,
        a_touch_in_flight_does_not_revive,
        a_rotate_in_flight_does_not_revive;
}

type Save = fn(Arc<dyn SessionStore>, SessionKey, Version) -> BoxFuture<'static, Result<()>>;

/// A session is destroyed while a save of it is held between its steps, at each of them in turn, and
/// then while a save runs beside it.
async fn does_not_revive(cx: &Context, save: Save) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    for steps in 1..MAX_STEPS {
        let key = key()?;
        let version = one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
        let overlap = overlap(save(Arc::clone(&one), key, version), steps, two.destroy(&key)).await;
        same(&overlap.other?, &true, "destroy of a live session")?;
        if let Err(error) = overlap.held {
            refused::<()>(Err(error), ErrorKind::NotFound, "a save of a session that ended")?;
        }
        stays_dead(&[&*one, &*two], &key).await?;
        if !overlap.was_held {
            break;
        }
    }
    for _ in 0..20 {
        let key = key()?;
        let version = one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
        let (saving, ending) = (Arc::clone(&one), Arc::clone(&two));
        let save: BoxFuture<'static, Result<bool>> = Box::pin(async move {
            match save(saving, key, version).await {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(true),
            }
        });
        for answer in race([save, Box::pin(async move { ending.destroy(&key).await })]).await {
            same(&answer?, &true, "destroy of a live session")?;
        }
        stays_dead(&[&*one, &*two], &key).await?;
    }
    cx.lists(&*two, &alice, &[], "after all of them ended").await
}

async fn stays_dead(stores: &[&dyn SessionStore], key: &SessionKey) -> Outcome {
    for store in stores {
        gone(*store, key, "after a destroy that met a save").await?;
    }
    Ok(())
}

async fn a_replace_in_flight_does_not_revive(cx: Arc<Context>) -> Outcome {
    does_not_revive(&cx, |store, key, _| {
        Box::pin(async move { store.set(&key, &write("late")?, SetMode::Replace).await.map(drop) })
    })
    .await
}

async fn an_update_in_flight_does_not_revive(cx: Arc<Context>) -> Outcome {
    does_not_revive(&cx, |store, key, version| {
        Box::pin(async move { store.set(&key, &write("late")?, SetMode::Update(version)).await.map(drop) })
    })
    .await
}

async fn a_touch_in_flight_does_not_revive(cx: Arc<Context>) -> Outcome {
    does_not_revive(&cx, |store, key, _| Box::pin(async move { store.touch(&key, 2 * HOUR).await.map(drop) })).await
}

/// Either the rotation came first, then the session lives under its new key and there was nothing to
/// destroy; or the destroy came first, then neither key is live.
async fn a_rotate_in_flight_does_not_revive(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let mut survivors = Vec::new();
    for steps in 1..MAX_STEPS {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
        let write = write("rotated")?;
        let overlap = overlap(one.rotate(&from, &to, &write, None), steps, two.destroy(&from)).await;
        survivors.extend(either_came_first(&*two, &from, &to, overlap.held.map(drop), overlap.other?).await?);
        if !overlap.was_held {
            break;
        }
    }
    for _ in 0..20 {
        let [from, to] = keys_together(&*one)?;
        one.set(&from, &owned("data", &alice)?, SetMode::Create).await?;
        let (ending, rotating) = (Arc::clone(&two), Arc::clone(&one));
        let destroy = tokio::spawn(async move { ending.destroy(&from).await });
        let rotated = rotating.rotate(&from, &to, &write("rotated")?, None).await.map(drop);
        let destroyed = destroy.await.map_err(|error| crate::case::fail(error.to_string()))??;
        survivors.extend(either_came_first(&*two, &from, &to, rotated, destroyed).await?);
    }
    cx.lists(&*two, &alice, &survivors, "the sessions that a rotation saved").await
}

async fn either_came_first(
    store: &dyn SessionStore,
    from: &SessionKey,
    to: &SessionKey,
    rotated: Result<()>,
    destroyed: bool,
) -> Outcome<Option<SessionKey>> {
    gone(store, from, "the old key").await?;
    if destroyed {
        refused(rotated, ErrorKind::NotFound, "the rotation of a session that ended")?;
        gone(store, to, "the new key of a session that ended").await?;
        return Ok(None);
    }
    rotated?;
    live(store, to, "the new key, where the rotation came first").await?;
    Ok(Some(*to))
}
