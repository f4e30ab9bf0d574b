//! What the owners of sessions do.

use std::collections::BTreeMap;
use std::time::Instant;

use session_store_core::{Owner, Page, SessionId, SessionKey, UserId};

use super::Step;
use crate::check::{Result, ensure};
use crate::shop::{Shop, Visitor};

const PER_PAGE: u32 = 3;

/// Each user's sessions, in the order of lists.
fn by_user(visitors: &[Visitor]) -> BTreeMap<UserId, Vec<SessionKey>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for visitor in visitors {
        if let Some(user) = &visitor.user {
            users.entry(user.clone()).or_default().push(visitor.key());
        }
    }
    for keys in users.values_mut() {
        keys.sort();
    }
    users
}

pub(super) async fn list(shop: &Shop<'_>, visitors: &[Visitor]) -> Result<Step> {
    let users = by_user(visitors);
    let mut lists = Vec::with_capacity(users.len());
    let start = Instant::now();
    for user in users.keys() {
        lists.push(pages(shop, user).await?);
    }
    let sessions = users.values().map(Vec::len).sum();
    let step = Step::since(start, "list", sessions);

    let listed = lists.iter().map(|pages| pages.concat());
    ensure(listed.eq(users.values().cloned()), "a user's list has that user's sessions, each once")?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    Ok(step.shows(format!("by user, {PER_PAGE} to a page, up to {longest} pages; each session once")))
}

async fn pages(shop: &Shop<'_>, user: &UserId) -> Result<Vec<Vec<SessionKey>>> {
    let mut pages = Vec::new();
    let mut page = Page::first(PER_PAGE)?;
    loop {
        let keys: Vec<_> = shop.store.list_by_user(user, &page).await?.iter().map(|entry| entry.key).collect();
        let next = keys.last().map(|last| page.following(*last));
        let is_last = keys.len() < PER_PAGE as usize;
        pages.push(keys);
        match next {
            Some(next) if !is_last => page = next,
            _ => return Ok(pages),
        }
    }
}

/// The anonymous visitors log in: each session gets an owner, and a new ID that nobody can have seen.
pub(super) async fn log_in(shop: &Shop<'_>, visitors: &mut [Visitor]) -> Result<Step> {
    let mut created = Vec::new();
    let start = Instant::now();
    for visitor in visitors.iter_mut().filter(|visitor| visitor.user.is_none()) {
        let name = format!("newcomer-{}", created.len() + 1);
        let user = UserId::new(name.as_str())?;
        let old = visitor.key();
        let before = shop.record(&old).await?.meta;

        visitor.id = SessionId::generate()?;
        visitor.session.log_in(&name);
        let write = shop.write(&visitor.session)?.with_owner(Owner::User(user.clone()));
        shop.store.rotate(&old, &visitor.key(), &write, Some(before.version)).await?;
        visitor.user = Some(user);
        created.push((old, visitor.key(), before.created_at));
    }
    let step = Step::since(start, "rotate", created.len());

    for (old, new, created_at) in created {
        let record = shop.record(&new).await?;
        ensure(!shop.is_live(&old).await?, "after a rotation the old ID is dead")?;
        ensure(record.meta.created_at == created_at, "a rotation keeps the time of creation")?;
    }
    for (user, keys) in by_user(visitors) {
        ensure(pages(shop, &user).await?.concat() == keys, "the session is listed under the user who logged in")?;
    }
    Ok(step.shows("login: a new ID and an owner; the old ID is dead"))
}

/// "Log out everywhere else", of every user who is logged in more than once.
pub(super) async fn end_others(shop: &Shop<'_>, visitors: &mut Vec<Visitor>) -> Result<Step> {
    let users = by_user(visitors);
    let several: Vec<_> = users.iter().filter(|(_, keys)| keys.len() > 1).collect();
    let mut ended = 0;
    let start = Instant::now();
    for &(user, keys) in &several {
        let others = shop.store.destroy_by_user(user, keys.first()).await?;
        ensure(others == keys.len() as u64 - 1, "all sessions of the user but one are ended")?;
        ended += keys.len() - 1;
    }
    let step = Step::since(start, "end others", ended);

    let kept = |visitor: &Visitor| users.values().any(|keys| keys.first() == Some(&visitor.key()));
    for visitor in &*visitors {
        ensure(shop.is_live(&visitor.key()).await? == kept(visitor), "the one session stays, and no other")?;
    }
    visitors.retain(kept);
    Ok(step.shows(format!("{} users end all of theirs but the one in use", several.len())))
}
