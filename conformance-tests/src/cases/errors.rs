//! E1 and E2: what errors tell, and what they must not.

use std::error::Error as _;
use std::sync::Arc;

use session_store_core::{
    DEFAULT_DATA_LIMIT, Error, ErrorKind, Page, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version,
    Write,
};

use crate::Capability;
use crate::case::{Context, DAY, HOUR, Outcome, fail, key, keys_together, kind_of, owned, user, write};
use crate::check::{ensure, entries, live, same};

cases! {
    "E1":
        a_refusal_is_final_and_its_outcome_is_known,
        a_refusal_names_its_record,
        what_is_not_supported_is_refused;
    "E2":
        no_refusal_shows_a_secret,
        no_debug_text_shows_a_secret needs UserIndex,
        a_corrupt_record_shows_no_secret needs PlantCorrupt;
}

const DATA: &str = "payload-of-this-session";
const USER: &str = "user-of-this-session";

/// One refusal of each kind, with the key that it is about.
async fn refusals(store: &dyn SessionStore) -> Outcome<Vec<(Error, SessionKey)>> {
    let [here, absent, other] = keys_together(store)?;
    let write = owned(DATA, &user(USER)?)?;
    store.set(&here, &write, SetMode::Create).await?;
    store.set(&other, &write, SetMode::Create).await?;
    let foreign = Version::generate()?;
    let large = Write::new(DATA.repeat(DEFAULT_DATA_LIMIT / DATA.len() + 1), HOUR, DAY)?;
    let record = live(store, &here, "after create").await?;
    let large_record = Record { data: large.data().clone(), ..record };
    let answers = [
        (store.set(&here, &write, SetMode::Create).await.map(drop), ErrorKind::AlreadyExists, here),
        (store.set(&absent, &write, SetMode::Replace).await.map(drop), ErrorKind::NotFound, absent),
        (store.set(&absent, &write, SetMode::Update(foreign)).await.map(drop), ErrorKind::NotFound, absent),
        (store.set(&here, &write, SetMode::Update(foreign)).await.map(drop), ErrorKind::Conflict, here),
        (store.set(&here, &large, SetMode::Replace).await.map(drop), ErrorKind::TooLarge, here),
        (store.destroy_if(&here, foreign).await.map(drop), ErrorKind::Conflict, here),
        (store.import(&here, &large_record).await.map(drop), ErrorKind::TooLarge, here),
        (store.rotate(&here, &here, &write, None).await.map(drop), ErrorKind::InvalidInput, here),
        (store.rotate(&absent, &here, &write, None).await.map(drop), ErrorKind::NotFound, absent),
        (store.rotate(&here, &absent, &write, Some(foreign)).await.map(drop), ErrorKind::Conflict, here),
        (store.rotate(&here, &other, &write, None).await.map(drop), ErrorKind::AlreadyExists, other),
    ];
    let mut refusals = Vec::new();
    for (answer, kind, key) in answers {
        let what = format!("the refusal {kind}");
        let Err(error) = answer else { return Err(fail(format!("expected {what}, and it succeeded"))) };
        same(&error.kind(), &kind, &what)?;
        refusals.push((error, key));
    }
    Ok(refusals)
}

async fn a_refusal_is_final_and_its_outcome_is_known(cx: Arc<Context>) -> Outcome {
    for (error, _) in refusals(&*cx.store().await?).await? {
        ensure(!error.is_transient(), || format!("{} is called transient", error.kind()))?;
        ensure(!error.outcome_unknown(), || format!("the outcome of {} is called unknown", error.kind()))?;
    }
    Ok(())
}

async fn a_refusal_names_its_record(cx: Arc<Context>) -> Outcome {
    use ErrorKind::{AlreadyExists, Conflict, NotFound};
    for (error, key) in refusals(&*cx.store().await?).await? {
        if matches!(error.kind(), AlreadyExists | NotFound | Conflict) {
            let named = error.key().map(SessionKey::to_text);
            same(&named, &Some(key.to_text()), &format!("the key that {} is about", error.kind()))?;
        }
    }
    Ok(())
}

/// Where a store has no index of users it says so; where it has one, it never says so.
async fn what_is_not_supported_is_refused(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let lacking = cx.harness().lacks().contains(&Capability::UserIndex).then_some(ErrorKind::Unsupported);
    let listed = store.list_by_user(&alice, &Page::first(1)?).await;
    let what = "with or without `Capability::UserIndex` in `Harness::lacks`, the failure of";
    same(&kind_of(&listed), &lacking, &format!("{what} list_by_user"))?;
    same(&kind_of(&store.destroy_by_user(&alice, None).await), &lacking, &format!("{what} destroy_by_user"))
}

/// The text has nothing of the session in any form that a text would have it in.
fn shows_nothing(text: &str, keys: &[SessionKey], what: &str) -> Outcome {
    let text = text.to_lowercase();
    let mut secrets = vec![DATA.to_owned(), USER.to_owned()];
    for key in keys {
        let digits = key.to_text().split_off("k1_".len());
        secrets.push(digits.chars().take(16).collect());
        // As the debug text of an array, and as an escaped string.
        secrets.push(key.as_bytes().iter().take(6).map(u8::to_string).collect::<Vec<_>>().join(", "));
        secrets.push(key.as_bytes().iter().take(6).map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat());
    }
    secrets.push(DATA.bytes().take(6).map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
    for secret in secrets {
        ensure(!text.contains(&secret), || format!("{what} shows a secret"))?;
    }
    Ok(())
}

fn error_shows_nothing(error: &Error, key: SessionKey) -> Outcome {
    let mut texts = vec![format!("{error:?}"), format!("{error:#?}"), error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.extend([format!("{cause:?}"), cause.to_string()]);
        source = cause.source();
    }
    texts.iter().try_for_each(|text| shows_nothing(text, &[key], &format!("the error {}", error.kind())))
}

async fn no_refusal_shows_a_secret(cx: Arc<Context>) -> Outcome {
    for (error, key) in refusals(&*cx.store().await?).await? {
        error_shows_nothing(&error, key)?;
    }
    Ok(())
}

async fn no_debug_text_shows_a_secret(cx: Arc<Context>) -> Outcome {
    let (store, key, user): (_, _, UserId) = (cx.store().await?, key()?, user(USER)?);
    let write = owned(DATA, &user)?;
    store.set(&key, &write, SetMode::Create).await?;
    let record = live(&*store, &key, "after create").await?;
    let entries = entries(&*store, &user, 10).await?;
    let (page, answer) = (store.scan(None, 100).await?, store.get_if_changed(&key, Version::generate()?).await?);
    for (text, what) in [
        (format!("{store:?} {store:#?}"), "the store's debug text"),
        (format!("{record:?}"), "a record's debug text"),
        (format!("{entries:?}"), "a list's debug text"),
        (format!("{page:?}"), "the debug text of a page of a scan"),
        (format!("{answer:?}"), "the debug text of an answer of get_if_changed"),
    ] {
        shows_nothing(&text, &[key], what)?;
    }
    Ok(())
}

async fn a_corrupt_record_shows_no_secret(cx: Arc<Context>) -> Outcome {
    let (store, key, user) = (cx.store().await?, key()?, user(USER)?);
    store.set(&key, &owned(DATA, &user)?, SetMode::Create).await?;
    cx.harness().plant_corrupt(cx.namespace(), &key, &user).await?;
    let answers: [Result<()>; 5] = [
        store.get(&key).await.map(drop),
        store.get_if_changed(&key, Version::generate()?).await.map(drop),
        store.destroy_if(&key, Version::generate()?).await.map(drop),
        store.touch(&key, HOUR).await.map(drop),
        store.set(&key, &write(DATA)?, SetMode::Replace).await.map(drop),
    ];
    for error in answers.into_iter().filter_map(Result::err) {
        error_shows_nothing(&error, key)?;
    }
    Ok(())
}
