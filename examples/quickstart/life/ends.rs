//! How sessions end, and stay ended.

use std::time::{Duration, Instant};

use session_store::sessions::Login;
use session_store::{Policy, Sessions, UserId};

use super::{Step, Visitor, keep, loaded};
use crate::check::{Result, ensure};
use crate::session::Session;

/// The newcomers log out while another request of theirs is still at work and saves afterwards.
pub(super) async fn log_out(sessions: &Sessions<Session>, visitors: &mut Vec<Visitor>) -> Result<[Step; 2]> {
    let leaves = |visitor: &Visitor| visitor.session.user_id.is_none();
    let mut held = Vec::new();
    for visitor in visitors.iter().filter(|visitor| leaves(visitor)) {
        held.push(loaded(sessions, visitor).await?);
    }

    let start = Instant::now();
    for session in &held {
        ensure(sessions.destroy(session.id()).await?, "a live session can be ended")?;
    }
    let log_out = Step::since(start, "log out", held.len());

    let start = Instant::now();
    for late in &mut held {
        ensure(!sessions.save(late).await?, "a save after the logout is refused")?;
    }
    let late = Step::since(start, "late save", held.len());

    for late in &mut held {
        ensure(sessions.update(late.id(), |_| ()).await?.is_none(), "an update after the logout does nothing")?;
        ensure(!sessions.rotate(late).await?, "a rotation after the logout is refused")?;
    }
    keep(sessions, visitors, |visitor| !leaves(visitor)).await?;
    Ok([
        log_out.shows("while another request still holds the session"),
        late.shows("that request saves, and is refused: what was ended stays ended"),
    ])
}

/// Sessions that nobody comes back to, among others that live.
pub(super) async fn expire(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result<[Step; 2]> {
    const IDLE: Duration = Duration::from_millis(50);
    let policy = Policy::new(IDLE, Duration::from_hours(1))?;
    let user = UserId::new("a visitor who never comes back")?;
    let mut idle = Vec::new();
    for visitor in visitors.iter().cycle().take(100) {
        idle.push(sessions.login(Login::new(user.clone(), visitor.session.clone()).policy(policy)).await?);
    }
    tokio::time::sleep(2 * IDLE).await;

    let start = Instant::now();
    for session in &mut idle {
        ensure(sessions.load(session.id()).await?.is_none(), "a session dies when nobody comes back")?;
        ensure(!sessions.save(session).await?, "a save does not bring it back")?;
    }
    let expire = Step::since(start, "expire", idle.len());
    ensure(sessions.store().count().await? == visitors.len() as u64, "what has expired is not counted")?;
    Ok([
        expire.shows("more, of a short policy, idle too long: not read, not saved, not counted"),
        prune(sessions, visitors.len()).await?,
    ])
}

async fn prune(sessions: &Sessions<Session>, living: usize) -> Result<Step> {
    const LIMIT: u32 = 40;
    let (mut removed, mut calls, mut more) = (0, 0, true);
    let start = Instant::now();
    while more {
        let pruned = sessions.store().prune(LIMIT).await?;
        ensure(pruned.removed <= u64::from(LIMIT), "a prune removes no more than it may")?;
        removed += pruned.removed;
        calls += 1;
        more = pruned.more;
    }
    let step = Step::since(start, "prune", usize::try_from(removed)?);
    ensure(sessions.store().count().await? == living as u64, "a prune leaves the living alone")?;
    Ok(step.shows(format!("what is left of the expired is removed, at most {LIMIT} a call: {calls} calls")))
}

pub(super) async fn clear(sessions: &Sessions<Session>, living: usize) -> Result<Step> {
    let start = Instant::now();
    let ended = sessions.store().clear().await?;
    let step = Step::since(start, "clear", usize::try_from(ended)?);
    ensure(ended == living as u64, "all the others have lived until the end")?;
    ensure(sessions.store().count().await? == 0, "the store is empty at the end")?;
    Ok(step.shows("those that lived until now; the store is empty again"))
}
