//! What the requests of a visitor do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use session_store_core::{ErrorKind, SetMode};

use super::Step;
use crate::check::{Result, ensure, ensure_refused};
use crate::shop::{Shop, Visitor};

pub(super) async fn create(shop: &Shop<'_>, visitors: &[Visitor]) -> Result<Step> {
    ensure(shop.store.count().await? == 0, "the store is empty at the beginning")?;
    let start = Instant::now();
    for visitor in visitors {
        let write = shop.write(&visitor.session)?.with_owner(visitor.owner());
        shop.store.set(&visitor.key(), &write, SetMode::Create).await?;
    }
    let step = Step::since(start, "create", visitors.len());

    ensure(shop.store.count().await? == visitors.len() as u64, "the store counts every session")?;
    for visitor in visitors {
        let again = shop.save(&visitor.key(), &visitor.session, SetMode::Create).await;
        ensure_refused(again, ErrorKind::AlreadyExists, "a live session is not created again")?;
    }
    let users: BTreeSet<_> = visitors.iter().filter_map(|visitor| visitor.user.as_ref()).collect();
    let anonymous = visitors.iter().filter(|visitor| visitor.user.is_none()).count();
    let (owned, users) = (visitors.len() - anonymous, users.len());
    Ok(step.shows(format!("{owned} belong to {users} users, {anonymous} to nobody yet")))
}

pub(super) async fn read(shop: &Shop<'_>, visitors: &[Visitor]) -> Result<Step> {
    let mut sessions = Vec::with_capacity(visitors.len());
    let start = Instant::now();
    for visitor in visitors {
        sessions.push(shop.load(&visitor.key()).await?.session);
    }
    let step = Step::since(start, "read", sessions.len());

    let stored = visitors.iter().map(|visitor| &visitor.session);
    ensure(sessions.iter().eq(stored), "every session reads as it was stored")?;
    Ok(step.shows("every field as it was stored"))
}

pub(super) async fn touch(shop: &Shop<'_>, visitors: &[Visitor]) -> Result<Step> {
    const HOUR: Duration = Duration::from_hours(1);
    let mut before = Vec::with_capacity(visitors.len());
    for visitor in visitors {
        before.push(shop.record(&visitor.key()).await?);
    }
    let start = Instant::now();
    for visitor in visitors {
        ensure(shop.store.touch(&visitor.key(), HOUR).await?, "a live session can be touched")?;
    }
    let step = Step::since(start, "touch", visitors.len());

    for (visitor, before) in visitors.iter().zip(before) {
        let after = shop.record(&visitor.key()).await?;
        ensure(after.meta.expires_at > before.meta.expires_at, "a touch for longer moves the expiry")?;
        ensure(after.meta.version == before.meta.version, "a touch keeps the version")?;
        ensure(after.data == before.data, "a touch keeps the data")?;
    }
    Ok(step.shows("each lives for another hour; data and version stay"))
}

pub(super) async fn update(shop: &Shop<'_>, visitors: &mut [Visitor]) -> Result<Step> {
    let start = Instant::now();
    for visitor in &mut *visitors {
        let key = visitor.key();
        let mut held = shop.load(&key).await?;
        held.session.visit("/checkout");
        let version = shop.save(&key, &held.session, SetMode::Update(held.version)).await?;
        ensure(version != held.version, "every save gives a new version")?;
        visitor.session.visit("/checkout");
    }
    let step = Step::since(start, "update", visitors.len());

    for visitor in &*visitors {
        let saved = shop.load(&visitor.key()).await?.session;
        ensure(saved == visitor.session, "the page view is in the session")?;
    }
    Ok(step.shows("a page view: read, changed, saved at the version read"))
}

/// Two requests of one visitor at the same time.
pub(super) async fn conflict(shop: &Shop<'_>, visitors: &mut [Visitor]) -> Result<Step> {
    let start = Instant::now();
    for visitor in &mut *visitors {
        let key = visitor.key();
        let (mut first, mut second) = (shop.load(&key).await?, shop.load(&key).await?);
        first.session.visit("/from-first-tab");
        shop.save(&key, &first.session, SetMode::Update(first.version)).await?;
        second.session.visit("/from-second-tab");
        let late = shop.save(&key, &second.session, SetMode::Update(second.version)).await;
        ensure_refused(late, ErrorKind::Conflict, "the second save from the same version is refused")?;

        second = shop.load(&key).await?;
        second.session.visit("/from-second-tab");
        shop.save(&key, &second.session, SetMode::Update(second.version)).await?;
        visitor.session = second.session;
    }
    let step = Step::since(start, "conflict", visitors.len());

    for visitor in &*visitors {
        let saved = shop.load(&visitor.key()).await?.session;
        let both = saved.has_visited("/from-first-tab") && saved.has_visited("/from-second-tab");
        ensure(both, "the changes of both requests are in the session")?;
    }
    Ok(step.shows("two saves at once: the second is refused and reads again"))
}
