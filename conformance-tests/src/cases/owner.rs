//! S7: whom a session belongs to.

use std::sync::Arc;

use session_store_core::{Owner, SetMode, UserId};

use crate::case::{Context, Outcome, key, owned, user, write};
use crate::check::{lists, live, same};

cases! {
    "S7":
        a_new_owner_has_the_session_and_the_old_one_has_not needs UserIndex,
        an_owner_changed_there_and_back_has_the_session needs UserIndex,
        a_session_made_anonymous_is_in_no_list needs UserIndex,
        an_anonymous_session_that_gets_an_owner_is_listed needs UserIndex,
        keep_keeps_the_owner needs UserIndex,
        keep_on_creation_is_nobody,
        every_mode_changes_the_owner needs UserIndex;
}

async fn a_new_owner_has_the_session_and_the_old_one_has_not(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice, bob) = (cx.store().await?, cx.store().await?, key()?, user("alice")?, user("bob")?);
    one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    lists(&*two, &alice, &[key], "the first owner").await?;
    one.set(&key, &owned("data", &bob)?, SetMode::Replace).await?;
    lists(&*two, &alice, &[], "the former owner").await?;
    lists(&*two, &bob, &[key], "the new owner").await
}

async fn an_owner_changed_there_and_back_has_the_session(cx: Arc<Context>) -> Outcome {
    let (one, two, key, alice, bob) = (cx.store().await?, cx.store().await?, key()?, user("alice")?, user("bob")?);
    one.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    for _ in 0..3 {
        two.set(&key, &owned("data", &bob)?, SetMode::Replace).await?;
        one.set(&key, &owned("data", &alice)?, SetMode::Replace).await?;
        lists(&*two, &alice, &[key], "the owner that it came back to").await?;
        lists(&*one, &bob, &[], "the owner in between").await?;
    }
    Ok(())
}

async fn a_session_made_anonymous_is_in_no_list(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    store.set(&key, &write("data")?.with_owner(Owner::Anonymous), SetMode::Replace).await?;
    same(&live(&*store, &key, "made anonymous").await?.meta.user, &None, "the user")?;
    lists(&*store, &alice, &[], "the former owner").await
}

async fn an_anonymous_session_that_gets_an_owner_is_listed(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let version = store.set(&key, &write("data")?, SetMode::Create).await?;
    lists(&*store, &alice, &[], "before the login").await?;
    store.set(&key, &owned("data", &alice)?, SetMode::Update(version)).await?;
    lists(&*store, &alice, &[key], "after the login").await
}

async fn keep_keeps_the_owner(cx: Arc<Context>) -> Outcome {
    let (store, key, alice) = (cx.store().await?, key()?, user("alice")?);
    let version = store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    for mode in [SetMode::Update(version), SetMode::Replace, SetMode::Upsert] {
        store.set(&key, &write("data")?, mode).await?;
        same(&live(&*store, &key, "kept").await?.meta.user.as_ref(), &Some(&alice), "the user that was kept")?;
        lists(&*store, &alice, &[key], "the owner that was kept").await?;
    }
    Ok(())
}

async fn keep_on_creation_is_nobody(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    for mode in [SetMode::Create, SetMode::Upsert] {
        let key = key()?;
        store.set(&key, &write("data")?.with_owner(Owner::Keep), mode).await?;
        same(&live(&*store, &key, "created").await?.meta.user, &None, "the user")?;
    }
    Ok(())
}

async fn every_mode_changes_the_owner(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    let users: Vec<UserId> = ["zoe", "yan", "xia", "wes"].into_iter().map(user).collect::<Result<_, _>>()?;
    let mut version = None;
    let modes = |version| [Some(SetMode::Create), version, Some(SetMode::Replace), Some(SetMode::Upsert)];
    for (n, owner) in users.iter().enumerate() {
        let Some(Some(mode)) = modes(version.map(SetMode::Update)).get(n).copied() else { continue };
        version = Some(store.set(&key, &owned("data", owner)?, mode).await?);
        for user in &users {
            let expected: &[_] = if user == owner { &[key] } else { &[] };
            lists(&*store, user, expected, "each user after a change of owner").await?;
        }
    }
    Ok(())
}
