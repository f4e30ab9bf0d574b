//! How sessions end, and stay ended.

use std::time::{Duration, Instant};

use session_store_core::{ErrorKind, Owner, SessionId, SessionKey, SetMode, UserId, Write};

use super::Step;
use crate::check::{Result, ensure, ensure_refused};
use crate::shop::{Shop, Visitor};

/// The newcomers log out while another request of theirs is still at work and saves afterwards.
pub(super) async fn log_out(shop: &Shop<'_>, visitors: &mut Vec<Visitor>) -> Result<[Step; 2]> {
    let (leaving, staying): (Vec<_>, Vec<_>) =
        visitors.drain(..).partition(|visitor| visitor.session.user_id.is_none());
    *visitors = staying;
    let mut held = Vec::with_capacity(leaving.len());
    for visitor in &leaving {
        held.push((visitor.key(), shop.load(&visitor.key()).await?));
    }

    let start = Instant::now();
    for (key, _) in &held {
        ensure(shop.store.destroy(key).await?, "a live session can be ended")?;
    }
    let log_out = Step::since(start, "log out", held.len());

    let start = Instant::now();
    for (key, late) in &held {
        let saved = shop.save(key, &late.session, SetMode::Update(late.version)).await;
        ensure_refused(saved, ErrorKind::NotFound, "a save after the logout is refused")?;
    }
    let late = Step::since(start, "late save", held.len());

    for (key, late) in &held {
        let saved = shop.save(key, &late.session, SetMode::Replace).await;
        ensure_refused(saved, ErrorKind::NotFound, "a save after the logout is refused, also without a version")?;
        ensure(!shop.is_live(key).await?, "what was logged out stays so")?;
    }
    Ok([
        log_out.shows("while another request still holds the session"),
        late.shows("that request saves, and is refused: what was ended stays ended"),
    ])
}

/// Sessions that nobody comes back to, among `living` others.
pub(super) async fn expire(shop: &Shop<'_>, living: usize) -> Result<[Step; 2]> {
    const SESSIONS: usize = 100;
    const IDLE: Duration = Duration::from_millis(50);
    let user = Owner::User(UserId::new("a visitor who never comes back")?);
    let write = Write::new("a basket", IDLE, Duration::from_hours(1))?.with_owner(user);
    let mut keys = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        let key = SessionKey::from(&SessionId::generate()?);
        shop.store.set(&key, &write, SetMode::Create).await?;
        keys.push(key);
    }
    tokio::time::sleep(2 * IDLE).await;

    let start = Instant::now();
    for key in &keys {
        ensure(!shop.is_live(key).await?, "a session dies when nobody comes back")?;
        ensure(!shop.store.touch(key, IDLE).await?, "a touch does not bring it back")?;
    }
    let expire = Step::since(start, "expire", SESSIONS);
    ensure(shop.store.count().await? == living as u64, "what has expired is not counted")?;
    Ok([
        expire.shows("100 more, idle too long: not read, not counted, no touch revives them"),
        prune(shop, living).await?,
    ])
}

async fn prune(shop: &Shop<'_>, living: usize) -> Result<Step> {
    const LIMIT: u32 = 40;
    let (mut removed, mut calls, mut more) = (0, 0, true);
    let start = Instant::now();
    while more {
        let pruned = shop.store.prune(LIMIT).await?;
        ensure(pruned.removed <= u64::from(LIMIT), "a prune removes no more than it may")?;
        removed += pruned.removed;
        calls += 1;
        more = pruned.more;
    }
    let step = Step::since(start, "prune", usize::try_from(removed)?);
    ensure(shop.store.count().await? == living as u64, "a prune leaves the living alone")?;
    Ok(step.shows(format!("what is left of the expired is removed, at most {LIMIT} a call: {calls} calls")))
}

pub(super) async fn clear(shop: &Shop<'_>, living: usize) -> Result<Step> {
    let start = Instant::now();
    let ended = shop.store.clear().await?;
    let step = Step::since(start, "clear", usize::try_from(ended)?);
    ensure(ended == living as u64, "all the others have lived until the end")?;
    ensure(shop.store.count().await? == 0, "the store is empty at the end")?;
    Ok(step.shows("those that lived until now; the store is empty again"))
}
