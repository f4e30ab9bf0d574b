//! K2: a caller that goes away mid-way leaves the store valid.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use session_store_core::{Result, SessionKey, SessionStore, SetMode, UserId};

use crate::case::{Context, HOUR, Outcome, keys, keys_together, owned, random_name, user};
use crate::check::{ensure, live, same};
use crate::gate::{Held, MAX_STEPS, hold};

cases! {
    "K2":
        a_dropped_create_is_done_or_not,
        a_dropped_change_of_owner_is_done_or_not,
        a_dropped_destroy_is_done_or_not,
        a_dropped_destroy_at_a_version_is_done_or_not,
        a_dropped_import_is_done_or_not,
        a_dropped_rotate_is_done_or_not,
        a_dropped_destroy_by_user_can_be_repeated needs UserIndex,
        a_dropped_clear_can_be_repeated,
        a_dropped_read_or_touch_changes_nothing_else;
}

/// What one case drops: an operation on a session of `alice` under the first key; the second is free.
type Operation = for<'a> fn(&'a dyn SessionStore, &'a Session) -> BoxFuture<'a, Result<()>>;

struct Session {
    key: SessionKey,
    free: SessionKey,
    alice: UserId,
    bob: UserId,
}

impl Session {
    fn new(store: &dyn SessionStore) -> Result<Self> {
        // Users of its own: what was dropped on its way may still arrive, and is not the next one's.
        let (alice, bob) = (user(&random_name("alice ")?)?, user(&random_name("bob ")?)?);
        let [key, free] = keys_together(store)?;
        Ok(Self { key, free, alice, bob })
    }

    /// Whether both lists and both keys tell the same, which they must once nothing is in flight.
    async fn is_settled(&self, cx: &Context, store: &dyn SessionStore) -> Outcome<bool> {
        let mut owners = Vec::new();
        for key in [self.key, self.free] {
            owners.push((key, store.get(&key).await?.and_then(|record| record.meta.user)));
        }
        for user in [&self.alice, &self.bob] {
            let owned = owners.iter().filter(|(_, owner)| owner.as_ref() == Some(user));
            let expected: Vec<_> = owned.map(|(key, _)| *key).collect();
            if cx.lists(store, user, &expected, "a list").await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What must hold when nothing is in flight any more.
type Afterwards = for<'a> fn(&'a dyn SessionStore, &'a Session) -> BoxFuture<'a, Outcome>;

/// Drops an operation at each of its steps in turn; `begin` sets the stage for each.
async fn done_or_not(cx: &Context, begin: Operation, operation: Operation, afterwards: Afterwards) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let session = Session::new(&*one)?;
        begin(&*one, &session).await?;
        let held = hold(operation(&*one, &session), steps).await;
        let was_held = matches!(held, Held::Between(_));
        drop(held);
        cx.until("keys and lists agree after a dropped future", async || session.is_settled(cx, &*two).await).await?;
        afterwards(&*one, &session).await?;
        two.clear().await?;
        if !was_held {
            break;
        }
    }
    Ok(())
}

fn create<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.set(&session.key, &owned("data", &session.alice)?, SetMode::Create).await.map(drop) })
}

fn nothing<'a>(_: &'a dyn SessionStore, _: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async { Ok(()) })
}

fn destroy<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.destroy(&session.key).await.map(drop) })
}

fn touch<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.touch(&session.key, 2 * HOUR).await.map(drop) })
}

fn rotate<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let write = owned("rotated", &session.alice)?;
        store.rotate(&session.key, &session.free, &write, None).await.map(drop)
    })
}

async fn a_dropped_create_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, nothing, create, can_be_ended).await
}

async fn a_dropped_change_of_owner_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, create, give, can_be_ended).await
}

fn give<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { store.set(&session.key, &owned("data", &session.bob)?, SetMode::Replace).await.map(drop) })
}

async fn a_dropped_destroy_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, create, destroy, can_be_ended).await
}

async fn a_dropped_destroy_at_a_version_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, create, destroy_if, can_be_ended).await
}

fn destroy_if<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let Some(record) = store.get(&session.key).await? else { return Ok(()) };
        store.destroy_if(&session.key, record.meta.version).await.map(drop)
    })
}

async fn a_dropped_import_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, create, import, can_be_ended).await
}

/// The session as it is, for another user.
fn import<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let Some(mut record) = store.get(&session.key).await? else { return Ok(()) };
        record.meta.user = Some(session.bob.clone());
        store.import(&session.key, &record).await.map(drop)
    })
}

async fn a_dropped_rotate_is_done_or_not(cx: Arc<Context>) -> Outcome {
    done_or_not(&cx, create, rotate, one_key_is_live).await
}

fn one_key_is_live<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        let live = [store.get(&session.key).await?.is_some(), store.get(&session.free).await?.is_some()];
        ensure(live.contains(&true), || "the session is lost under both keys".to_owned())
    })
}

/// Whatever became of it, it can be ended. (Not that it is gone then: a dropped create may still be on its
/// way to the database.)
fn can_be_ended<'a>(store: &'a dyn SessionStore, session: &'a Session) -> BoxFuture<'a, Outcome> {
    Box::pin(async move { Ok(destroy(store, session).await?) })
}

async fn a_dropped_destroy_by_user_can_be_repeated(cx: Arc<Context>) -> Outcome {
    can_be_repeated(&cx, |store, session| {
        Box::pin(async move { store.destroy_by_user(&session.alice, None).await.map(drop) })
    })
    .await
}

async fn a_dropped_clear_can_be_repeated(cx: Arc<Context>) -> Outcome {
    can_be_repeated(&cx, |store, _| Box::pin(async move { store.clear().await.map(drop) })).await
}

async fn can_be_repeated(cx: &Context, sweep: Operation) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let session = Session::new(&*one)?;
        for key in keys(5)? {
            one.set(&key, &owned("data", &session.alice)?, SetMode::Create).await?;
        }
        let held = hold(sweep(&*one, &session), steps).await;
        let was_held = matches!(held, Held::Between(_));
        drop(held);
        sweep(&*two, &session).await?;
        cx.lists(&*two, &session.alice, &[], "after the repetition").await?;
        same(&two.count().await?, &0, "the count after the repetition")?;
        if !was_held {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_read_or_touch_changes_nothing_else(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    for steps in 1..MAX_STEPS {
        let session = Session::new(&*one)?;
        create(&*one, &session).await?;
        let before = live(&*two, &session.key, "before").await?;
        let read = hold(one.get(&session.key), steps).await;
        let touched = hold(touch(&*one, &session), steps).await;
        let was_held = matches!(read, Held::Between(_)) || matches!(touched, Held::Between(_));
        drop((read, touched));
        let after = live(&*two, &session.key, "after a dropped read and touch").await?;
        same(&(after.meta.version, &after.data), &(before.meta.version, &before.data), "version and data")?;
        ensure(session.is_settled(&cx, &*two).await?, || "keys and lists do not agree".to_owned())?;
        two.clear().await?;
        if !was_held {
            break;
        }
    }
    Ok(())
}
