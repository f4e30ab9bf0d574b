//! What the owners of sessions do.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::replace;
use std::sync::Arc;
use std::time::Instant;

use session_store::sessions::{Listed, Login, MaxPerUser};
use session_store::{Page, Sessions, UserId};

use super::{Step, Visitor, ensure_as_expected, keep, loaded, metas};
use crate::check::{Result, ensure};
use crate::session::Session;

const PER_PAGE: u32 = 3;

/// Each user's visitors, in the order of lists.
fn by_user(visitors: &[Visitor]) -> BTreeMap<&UserId, Vec<&Visitor>> {
    let mut users = BTreeMap::<_, Vec<_>>::new();
    for visitor in visitors {
        if let Some(user) = &visitor.user {
            users.entry(user).or_default().push(visitor);
        }
    }
    for of_user in users.values_mut() {
        of_user.sort_by_key(|visitor| visitor.key());
    }
    users
}

/// The users of several sessions: each with the first of them, and the others.
fn several(visitors: &[Visitor]) -> Vec<(&UserId, &Visitor, Vec<&Visitor>)> {
    let mut users = Vec::new();
    for (user, of_user) in by_user(visitors) {
        if let [first, others @ ..] = of_user.as_slice()
            && !others.is_empty()
        {
            users.push((user, *first, others.to_vec()));
        }
    }
    users
}

/// The anonymous visitors log in: each gets a new session, with what was in the old one.
pub(super) async fn log_in(sessions: &Sessions<Session>, visitors: &mut [Visitor]) -> Result<Step> {
    let mut former = Vec::new();
    let start = Instant::now();
    for visitor in visitors.iter_mut().filter(|visitor| visitor.user.is_none()) {
        let user = UserId::new(format!("newcomer-{}", former.len() + 1))?;
        let mut data = loaded(sessions, visitor).await?.data;
        data.log_in(user.as_str());
        let session = sessions.login(Login::new(user, data).replacing(&visitor.id)).await?;
        former.push(replace(visitor, Visitor::of(session)).id);
    }
    let step = Step::since(start, "log in", former.len());

    for id in former {
        ensure(sessions.load(&id).await?.is_none(), "after a login the old ID is dead")?;
    }
    ensure_as_expected(sessions, visitors).await?;
    Ok(step.shows("a new ID, an owner, and what was in the session; the old ID is dead"))
}

pub(super) async fn rotate(sessions: &Sessions<Session>, visitors: &mut [Visitor]) -> Result<Step> {
    let before = metas(sessions, visitors).await?;
    let mut former = Vec::with_capacity(visitors.len());
    let start = Instant::now();
    for visitor in &mut *visitors {
        let mut session = loaded(sessions, visitor).await?;
        ensure(sessions.rotate(&mut session).await?, "a live session can be rotated")?;
        former.push(replace(visitor, Visitor::of(session)).id);
    }
    let step = Step::since(start, "rotate", former.len());

    for id in former {
        ensure(sessions.load(&id).await?.is_none(), "after a rotation the old ID is dead")?;
    }
    ensure_as_expected(sessions, visitors).await?;
    let clocks = metas(sessions, visitors).await?.into_iter().map(|meta| (meta.created_at, meta.deadline));
    let same = clocks.eq(before.into_iter().map(|meta| (meta.created_at, meta.deadline)));
    ensure(same, "a rotation keeps the time of creation and the deadline")?;
    Ok(step.shows("more rights: a new ID for the same session, whose deadline stays"))
}

pub(super) async fn list(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result<Step> {
    let users = by_user(visitors);
    let mut lists = Vec::with_capacity(users.len());
    let start = Instant::now();
    for user in users.keys() {
        lists.push(pages(sessions, user).await?);
    }
    let step = Step::since(start, "list", users.values().map(Vec::len).sum());

    for (pages, expected) in lists.iter().zip(users.values()) {
        let listed = pages.iter().flatten().map(|listed| (listed.key, listed.data.as_ref().ok()));
        let is_whole = listed.eq(expected.iter().map(|visitor| (visitor.key(), Some(&visitor.session))));
        ensure(is_whole, "a user's list has that user's sessions, each once, with its data")?;
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    Ok(step.shows(format!("\"your devices\", {PER_PAGE} to a page, up to {longest} pages; each session once")))
}

async fn pages(sessions: &Sessions<Session>, user: &UserId) -> Result<Vec<Vec<Listed<Session>>>> {
    let mut pages = Vec::new();
    let mut next = Some(Page::first(PER_PAGE)?);
    while let Some(page) = next {
        let listing = sessions.list(user, &page).await?;
        pages.push(listing.sessions);
        next = listing.next;
    }
    Ok(pages)
}

/// Every user of several sessions ends one from the list.
pub(super) async fn end_one(sessions: &Sessions<Session>, visitors: &mut Vec<Visitor>) -> Result<Step> {
    let stranger = UserId::new("a stranger")?;
    let mut ended = BTreeSet::new();
    let users = several(visitors);
    let start = Instant::now();
    for (user, chosen, _) in users {
        let key = chosen.key();
        ensure(!sessions.end(&stranger, &key).await?, "nobody ends another's session")?;
        ensure(sessions.end(user, &key).await?, "a user can end a session from the list")?;
        ended.insert(key);
    }
    let step = Step::since(start, "end one", ended.len());

    keep(sessions, visitors, |visitor| !ended.contains(&visitor.key())).await?;
    Ok(step.shows("from the list, by its key; a stranger who has the key cannot"))
}

/// Every user of several sessions logs in once more, where there may be no more than two.
pub(super) async fn limit(sessions: &Sessions<Session>, visitors: &mut Vec<Visitor>) -> Result<Step> {
    const MAX: u32 = 2;
    let limited = Sessions::builder(Arc::clone(sessions.store())).max_per_user(MaxPerUser::EndOldest(MAX)).build()?;
    let (mut logins, mut ended) = (Vec::new(), BTreeSet::new());
    for (user, visitor, _) in several(visitors) {
        let mut oldest: Vec<_> = pages(sessions, user).await?.into_iter().flatten().collect();
        oldest.sort_by_key(|listed| (listed.meta.created_at, listed.key));
        oldest.truncate(oldest.len() + 1 - MAX as usize);
        ended.extend(oldest.iter().map(|listed| listed.key));
        logins.push(Login::new(user.clone(), visitor.session.clone()));
    }
    let count = logins.len();
    let start = Instant::now();
    for login in logins {
        visitors.push(Visitor::of(limited.login(login).await?));
    }
    let step = Step::since(start, "limit", count);

    keep(sessions, visitors, |visitor| !ended.contains(&visitor.key())).await?;
    Ok(step.shows(format!("logins beyond {MAX} sessions a user: the {} oldest end", ended.len())))
}

/// "Log out everywhere else", of every user who is logged in more than once.
pub(super) async fn end_others(sessions: &Sessions<Session>, visitors: &mut Vec<Visitor>) -> Result<Step> {
    let mut ended = BTreeSet::new();
    let users = several(visitors);
    let count = users.len();
    let start = Instant::now();
    for (_, used, others) in users {
        let session = loaded(sessions, used).await?;
        let count = sessions.destroy_others(&session).await?;
        ensure(count == others.len() as u64, "all sessions of the user but one are ended")?;
        ended.extend(others.into_iter().map(Visitor::key));
    }
    let step = Step::since(start, "end others", ended.len());

    keep(sessions, visitors, |visitor| !ended.contains(&visitor.key())).await?;
    Ok(step.shows(format!("{count} users end all of theirs but the one in use")))
}
