//! A1 to A3: walking through all sessions of a namespace.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store_core::{Entry, ErrorKind, Page, ScanCursor, SessionKey, SessionStore, SetMode};

use crate::case::{
    Context, HOUR, Outcome, SHORT, create_all, fail, key, key_beside, keys, owned, random_name, timed, user, write,
};
use crate::check::{ensure, gone, live, refused, same, scans, walk};

cases! {
    "A1":
        a_scan_returns_exactly_the_live_sessions,
        a_scan_returns_what_get_returns,
        a_scan_of_an_empty_namespace_ends,
        walks_of_every_limit_return_every_session,
        many_dead_sessions_end_no_walk,
        steady_sessions_are_returned_while_others_come_and_go,
        sessions_that_rotate_during_a_walk_are_not_lost,
        scanning_does_not_keep_a_session_alive;
    "A2":
        another_handle_continues_from_the_text_of_a_cursor,
        text_that_is_no_cursor_is_refused,
        a_cursor_of_another_kind_of_store_is_refused,
        a_changed_cursor_is_refused,
        a_cursor_shows_no_secret;
    "A3":
        a_page_is_not_much_larger_than_its_limit,
        sessions_of_other_namespaces_hold_up_no_page;
    "I1":
        a_scan_out_of_bounds_is_refused;
}

/// Sessions of several users and of nobody.
async fn sessions(store: &dyn SessionStore, count: usize) -> Outcome<Vec<SessionKey>> {
    let keys = keys(count)?;
    for (n, key) in keys.iter().enumerate() {
        let write = if n % 3 == 0 { write("data")? } else { owned("data", &user(&format!("user {}", n % 3))?)? };
        store.set(key, &write, SetMode::Create).await?;
    }
    Ok(keys)
}

async fn a_scan_returns_exactly_the_live_sessions(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let mut steady = sessions(&*one, 12).await?;
    let (expired, destroyed, from) = (key()?, key()?, key()?);
    let to = key_beside(&*one, &from)?;
    one.set(&expired, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    for key in [destroyed, from] {
        one.set(&key, &write("data")?, SetMode::Create).await?;
    }
    one.destroy(&destroyed).await?;
    one.rotate(&from, &to, &write("rotated")?, None).await?;
    steady.push(to);
    cx.pass(2 * SHORT).await;
    scans(&*one, &steady, "the live sessions").await?;
    scans(&*two, &steady, "the live sessions, on another handle").await?;
    one.set(&expired, &write("again")?, SetMode::Create).await?;
    steady.push(expired);
    scans(&*two, &steady, "with a session created again").await?;
    one.clear().await?;
    scans(&*two, &[], "after clear").await
}

async fn a_scan_returns_what_get_returns(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let keys = sessions(&*store, 6).await?;
    let Some(touched) = keys.first() else { return Err(fail("no keys")) };
    store.touch(touched, 2 * HOUR).await?;
    for Entry { key, meta } in walk(&*store, 100).await? {
        same(&meta, &live(&*store, &key, "a session that a scan returns").await?.meta, "what the scan returns")?;
    }
    scans(&*store, &keys, "the live sessions").await
}

async fn a_scan_of_an_empty_namespace_ends(cx: Arc<Context>) -> Outcome {
    scans(&*cx.store().await?, &[], "an empty namespace").await
}

async fn walks_of_every_limit_return_every_session(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let keys: HashSet<_> = cx.create_all(&alice, 250).await?.into_iter().collect();
    for limit in [50, 249, 250, 251, Page::MAX_LIMIT] {
        let found: HashSet<_> = walk(&*store, limit).await?.into_iter().map(|entry| entry.key).collect();
        same(&(found == keys), &true, &format!("whether a walk by {limit} returns all sessions"))?;
    }
    Ok(())
}

/// A page without entries is not the last one if it has a cursor.
async fn many_dead_sessions_end_no_walk(cx: Arc<Context>) -> Outcome {
    let (store, alice) = (cx.store().await?, user("alice")?);
    let (mut steady, mut keys) = (Vec::new(), keys(120)?);
    keys.sort();
    for (n, key) in keys.into_iter().enumerate() {
        let lasts = n % 40 == 39;
        store.set(&key, &timed(&alice, if lasts { HOUR } else { SHORT }, HOUR)?, SetMode::Create).await?;
        steady.extend(lasts.then_some(key));
    }
    cx.pass(2 * SHORT).await;
    let found: HashSet<_> = walk(&*store, 20).await?.into_iter().map(|entry| entry.key).collect();
    same(&found, &steady.into_iter().collect(), "a walk where 39 of 40 expired")
}

async fn steady_sessions_are_returned_while_others_come_and_go(cx: Arc<Context>) -> Outcome {
    let (one, two) = (cx.store().await?, cx.store().await?);
    let steady = sessions(&*one, 60).await?;
    let churn = (0..3).map(|n| {
        let store = Arc::clone(&two);
        tokio::spawn(async move {
            for _ in 0..30 {
                let some = keys(3)?;
                for key in &some {
                    store.set(key, &write("data")?, SetMode::Create).await?;
                }
                // Different pauses, so that the walk reads in every state.
                for _ in 0..=n {
                    tokio::task::yield_now().await;
                }
                for key in &some {
                    same(&store.destroy(key).await?, &true, "destroy of a live session")?;
                }
                tokio::task::yield_now().await;
            }
            Outcome::Ok(())
        })
    });
    let churn: Vec<_> = churn.collect();
    let mut rounds = 0;
    while rounds < 3 || churn.iter().any(|task| !task.is_finished()) {
        let (mut found, mut cursor) = (HashSet::new(), None);
        loop {
            let page = one.scan(cursor.as_ref(), 20).await?;
            found.extend(page.entries.iter().map(|entry| entry.key));
            cursor = page.next;
            tokio::task::yield_now().await;
            if cursor.is_none() {
                break;
            }
        }
        let missing = steady.iter().filter(|key| !found.contains(key)).count();
        same(&missing, &0, "the steady sessions that a walk misses")?;
        rounds += 1;
    }
    for task in churn {
        task.await.map_err(|error| fail(error.to_string()))??;
    }
    scans(&*two, &steady, "after the others have gone").await
}

/// A walk returns a session that rotates under its old key, its new key, or both. It may miss a session whose new key
/// lies in the part that the walk has passed. These rotate after the first page, so the walk must return most.
async fn sessions_that_rotate_during_a_walk_are_not_lost(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let mut sessions: HashMap<SessionKey, usize> = HashMap::new();
    let from = cx.create_all(&alice, 150).await?;
    sessions.extend(from.iter().copied().zip(0..));
    let page = one.scan(None, 10).await?;
    let mut found: HashSet<_> = page.entries.iter().filter_map(|entry| sessions.get(&entry.key)).copied().collect();
    for (n, from) in from.iter().enumerate() {
        let to = key_beside(&*two, from)?;
        two.rotate(from, &to, &write("rotated")?, None).await?;
        sessions.insert(to, n);
    }
    let mut cursor = page.next;
    while let Some(from) = cursor {
        let page = one.scan(Some(&from), 100).await?;
        found.extend(page.entries.iter().filter_map(|entry| sessions.get(&entry.key)));
        cursor = page.next;
    }
    ensure(found.len() >= 75, || format!("of 150 sessions that rotated, the walk found {} only", found.len()))?;
    let after: HashSet<_> = walk(&*one, 100).await?.iter().filter_map(|entry| sessions.get(&entry.key)).collect();
    same(&after.len(), &150, "the sessions that the next walk finds")
}

async fn scanning_does_not_keep_a_session_alive(cx: Arc<Context>) -> Outcome {
    let (store, key) = (cx.store().await?, key()?);
    store.set(&key, &timed(&user("alice")?, SHORT, HOUR)?, SetMode::Create).await?;
    cx.until("a session that is scanned all the time expires", async || Ok(walk(&*store, 1_000).await?.is_empty()))
        .await?;
    gone(&*store, &key, "after it left the walk").await
}

/// Two handles read the pages in turn, and pass the cursor on as text.
async fn another_handle_continues_from_the_text_of_a_cursor(cx: Arc<Context>) -> Outcome {
    let (one, two, alice) = (cx.store().await?, cx.store().await?, user("alice")?);
    let keys = cx.create_all(&alice, 250).await?;
    let (mut found, mut text, mut stores) = (HashSet::new(), None::<String>, [one, two]);
    loop {
        let cursor = text.map(ScanCursor::new);
        let [store, _] = &stores;
        let page = store.scan(cursor.as_ref(), 50).await?;
        found.extend(page.entries.iter().map(|entry| entry.key));
        text = page.next.map(|next| next.to_string());
        stores.reverse();
        if text.is_none() {
            break;
        }
    }
    let missing = keys.iter().filter(|key| !found.contains(key)).count();
    same(&missing, &0, "the sessions that a walk on two handles misses")
}

/// Returns the cursor of the first page of many sessions.
async fn cursor(cx: &Context, store: &dyn SessionStore) -> Outcome<ScanCursor> {
    cx.create_all(&user(USER)?, 320).await?;
    store.scan(None, 10).await?.next.ok_or_else(|| fail("a page of 10 has all of 320 sessions"))
}

async fn is_refused(store: &dyn SessionStore, text: String, what: &str) -> Outcome {
    refused(store.scan(Some(&ScanCursor::new(text)), 10).await, ErrorKind::InvalidInput, what)
}

async fn text_that_is_no_cursor_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let cursor = cursor(&cx, &*store).await?.to_string();
    for text in ["", "0", "-", " ", "null", "x", "AAAA", "\0", "\u{1f600}", "../..", "17592186044416"] {
        is_refused(&*store, text.to_owned(), &format!("the cursor {text:?}")).await?;
    }
    let kind = cursor.split_once('-').map(|(kind, _)| format!("{kind}-"));
    is_refused(&*store, kind.unwrap_or_default(), "a cursor without its position").await?;
    for text in [format!("{cursor}A"), format!("{cursor}AAAA"), format!("{cursor} "), format!(" {cursor}")] {
        is_refused(&*store, text, "a cursor with something added").await?;
    }
    is_refused(&*store, key()?.to_text(), "a key as a cursor").await?;
    is_refused(&*store, "x".repeat(100_000), "a long text as a cursor").await
}

async fn a_cursor_of_another_kind_of_store_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let cursor = cursor(&cx, &*store).await?.to_string();
    let position = cursor.split_once('-').map_or(&*cursor, |(_, position)| position);
    for kind in ["", "-", "another-", "x"] {
        is_refused(&*store, format!("{kind}{position}"), "the position of a cursor under another kind").await?;
    }
    for position in [&[][..], &[0], &[0; 8], &[0; SessionKey::LEN], &[0xff; SessionKey::LEN]] {
        let foreign = ScanCursor::encode("another", position);
        refused(store.scan(Some(&foreign), 10).await, ErrorKind::InvalidInput, "a cursor of another kind of store")?;
    }
    Ok(())
}

async fn a_changed_cursor_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let cursor = cursor(&cx, &*store).await?.to_string();
    let count = cursor.chars().count();
    for n in 0..count {
        let replace = |(at, c)| {
            if at != n {
                c
            } else if c == 'A' {
                'B'
            } else {
                'A'
            }
        };
        let changed = cursor.chars().enumerate().map(replace).collect();
        is_refused(&*store, changed, &format!("a cursor of {count} characters, of which number {n} was changed"))
            .await?;
    }
    let without_last = cursor.chars().take(count - 1).collect();
    is_refused(&*store, without_last, "a cursor without its last character").await
}

const USER: &str = "user-of-these-sessions";

async fn a_cursor_shows_no_secret(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let mut cursor = Some(cursor(&cx, &*store).await?);
    for _ in 0..10 {
        let Some(next) = cursor else { break };
        let kind = next.as_str().split_once('-').map_or("", |(kind, _)| kind);
        let position = next.decode(kind).unwrap_or_default();
        for bytes in [next.as_str().as_bytes(), position.as_slice()] {
            // "data" is the payload of each.
            for secret in [USER.as_bytes(), b"data"] {
                let shown = bytes.windows(secret.len()).any(|some| some == secret);
                ensure(!shown, || "a cursor shows a user or a payload".to_owned())?;
            }
        }
        cursor = store.scan(Some(&next), 10).await?.next;
    }
    Ok(())
}

async fn a_page_is_not_much_larger_than_its_limit(cx: Arc<Context>) -> Outcome {
    const MOST: usize = 300;
    let (store, alice) = (cx.store().await?, user("alice")?);
    cx.create_all(&alice, 600).await?;
    let mut cursor = None;
    for _ in 0..30 {
        let page = store.scan(cursor.as_ref(), 10).await?;
        ensure(page.entries.len() <= MOST, || format!("a page of 10 has {} entries", page.entries.len()))?;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// The other namespace has a name that begins alike, and thousands of sessions.
async fn sessions_of_other_namespaces_hold_up_no_page(cx: Arc<Context>) -> Outcome {
    const LONGEST: Duration = Duration::from_secs(3);
    let (base, alice, key) = (random_name("n")?, user("alice")?, key()?);
    let (store, other) = (cx.open(&base).await?, cx.open(&format!("{base}x")).await?);
    create_all(&other, &alice, 2_000).await?;
    store.set(&key, &owned("data", &alice)?, SetMode::Create).await?;
    let (mut found, mut cursor, mut pages) = (HashSet::new(), None, 0_u32);
    loop {
        let begun = Instant::now();
        let page = store.scan(cursor.as_ref(), 100).await?;
        let taken = begun.elapsed();
        ensure(taken <= LONGEST, || format!("page {pages} took {taken:?}"))?;
        found.extend(page.entries.into_iter().map(|entry| entry.key));
        cursor = page.next;
        pages += 1;
        if cursor.is_none() {
            break;
        }
    }
    same(&found, &HashSet::from([key]), "the sessions of the namespace")
}

async fn a_scan_out_of_bounds_is_refused(cx: Arc<Context>) -> Outcome {
    let store = cx.store().await?;
    let cursor = cursor(&cx, &*store).await?;
    for limit in [0, Page::MAX_LIMIT + 1, u32::MAX] {
        for cursor in [None, Some(&cursor)] {
            let what = format!("a scan by {limit}");
            refused(store.scan(cursor, limit).await, ErrorKind::InvalidInput, &what)?;
        }
    }
    for limit in [1, Page::MAX_LIMIT] {
        store.scan(None, limit).await?;
    }
    Ok(())
}
