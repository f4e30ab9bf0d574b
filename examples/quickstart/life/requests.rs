//! What the requests of a visitor do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_store::sessions::Login;
use session_store::{ErrorKind, Sessions, UserId};
use tokio::task::JoinSet;

use super::{Step, Visitor, ensure_as_expected, loaded, metas};
use crate::check::{Result, ensure};
use crate::session::Session;

pub(super) async fn create(sessions: &Sessions<Session>, corpus: &[Session]) -> Result<(Step, Vec<Visitor>)> {
    ensure(sessions.store().count().await? == 0, "the store is empty at the beginning")?;
    let mut visitors = Vec::with_capacity(corpus.len());
    let start = Instant::now();
    for data in corpus.iter().cloned() {
        visitors.push(Visitor::of(match data.user_id {
            Some(number) => sessions.login(Login::new(UserId::new(number.to_string())?, data)).await?,
            None => sessions.create(data).await?,
        }));
    }
    let step = Step::since(start, "create", visitors.len());

    ensure(sessions.store().count().await? == visitors.len() as u64, "the store counts every session")?;
    let users: Vec<_> = visitors.iter().filter_map(|visitor| visitor.user.as_ref()).collect();
    let (owned, anonymous) = (users.len(), visitors.len() - users.len());
    let users = users.into_iter().collect::<BTreeSet<_>>().len();
    Ok((step.shows(format!("{owned} belong to {users} users, {anonymous} to nobody yet")), visitors))
}

pub(super) async fn load(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result<Step> {
    let start = Instant::now();
    for visitor in visitors {
        loaded(sessions, visitor).await?;
    }
    let step = Step::since(start, "load", visitors.len());

    ensure_as_expected(sessions, visitors).await?;
    let untouched = metas(sessions, visitors).await?.iter().all(|meta| meta.last_seen_at == meta.created_at);
    ensure(untouched, "a load writes nothing so soon")?;
    Ok(step.shows("every field as it was stored; so soon, nothing is written"))
}

/// A load touches by itself when that is due. Here it always is.
pub(super) async fn touch(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result<Step> {
    let eager = Sessions::builder(Arc::clone(sessions.store())).touch_after(Duration::ZERO).build()?;
    let before = metas(sessions, visitors).await?;
    // Times are whole milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let start = Instant::now();
    for visitor in visitors {
        loaded(&eager, visitor).await?;
    }
    let step = Step::since(start, "touch", visitors.len());

    for (before, after) in before.into_iter().zip(metas(sessions, visitors).await?) {
        ensure(after.expires_at > before.expires_at, "a load that touches moves the expiry")?;
        ensure((after.deadline, after.version) == (before.deadline, before.version), "it changes nothing else")?;
    }
    Ok(step.shows("a load when a touch is due: the idle time begins anew"))
}

/// Two requests of each visitor, and those of all visitors, at once.
pub(super) async fn update(sessions: &Sessions<Session>, visitors: &mut [Visitor]) -> Result<Step> {
    let mut requests = JoinSet::new();
    let start = Instant::now();
    for visitor in &*visitors {
        for path in ["/first-tab", "/second-tab"] {
            let (sessions, id, mut tries) = (sessions.clone(), visitor.id.clone(), 0);
            requests.spawn(async move {
                let change = |session: &mut Session| {
                    session.visit(path);
                    tries += 1;
                    tries
                };
                sessions.update(&id, change).await
            });
        }
    }
    let mut again = 0;
    let count = requests.len();
    while let Some(tries) = requests.join_next().await {
        again += tries??.ok_or("a live session can be updated")? - 1;
    }
    let step = Step::since(start, "update", count);

    for visitor in visitors {
        let before = visitor.session.visited_pages.len();
        visitor.session = loaded(sessions, visitor).await?.data;
        let both = visitor.session.has_visited("/first-tab") && visitor.session.has_visited("/second-tab");
        ensure(both && visitor.session.visited_pages.len() == before + 2, "both changes are in the session, once")?;
    }
    Ok(step.shows(format!("two of each session at once: none is lost, after {again} retries")))
}

pub(super) async fn conflict(sessions: &Sessions<Session>, visitors: &mut [Visitor]) -> Result<Step> {
    let start = Instant::now();
    for visitor in &mut *visitors {
        let (mut first, mut second) = (loaded(sessions, visitor).await?, loaded(sessions, visitor).await?);
        first.data.visit("/first-save");
        ensure(sessions.save(&mut first).await?, "a live session can be saved")?;
        second.data.visit("/second-save");
        let refused = sessions.save(&mut second).await.is_err_and(|error| error.kind() == ErrorKind::Conflict);
        ensure(refused, "the second save of what was loaded at the same time is refused")?;
        visitor.session = first.data;
    }
    let step = Step::since(start, "conflict", visitors.len());

    ensure_as_expected(sessions, visitors).await?;
    Ok(step.shows("two load, both save: the second is refused, and overwrites nothing"))
}
