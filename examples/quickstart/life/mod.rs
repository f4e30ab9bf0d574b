//! The life of the sessions, step by step. Each step checks what it claims.

mod ends;
mod logins;
mod requests;

use std::time::{Duration, Instant};

use session_store::{Meta, SessionId, SessionKey, Sessions, UserId};

use crate::check::{Result, ensure};
use crate::session::Session;

/// A browser: the cookie that it sends, who is logged in with it, and what its session should hold.
struct Visitor {
    id: SessionId,
    user: Option<UserId>,
    session: Session,
}

impl Visitor {
    fn of(session: session_store::Session<Session>) -> Self {
        Self { id: session.id().clone(), user: session.user().cloned(), session: session.data }
    }

    fn key(&self) -> SessionKey {
        SessionKey::from(&self.id)
    }
}

/// One line of the report.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) took: Duration,
    pub(crate) shows: String,
}

impl Step {
    /// A step that began at `start` and ends here; what follows is checked outside its time.
    fn since(start: Instant, name: &'static str, count: usize) -> Self {
        Self { name, count, took: start.elapsed(), shows: String::new() }
    }

    fn shows(self, shows: impl Into<String>) -> Self {
        Self { shows: shows.into(), ..self }
    }
}

/// All steps, on a store that is empty before and afterwards.
pub(crate) async fn live(sessions: &Sessions<Session>, corpus: &[Session]) -> Result<Vec<Step>> {
    let (create, mut visitors) = requests::create(sessions, corpus).await?;
    let mut steps = vec![
        create,
        requests::load(sessions, &visitors).await?,
        requests::touch(sessions, &visitors).await?,
        requests::update(sessions, &mut visitors).await?,
        requests::conflict(sessions, &mut visitors).await?,
        logins::log_in(sessions, &mut visitors).await?,
        logins::rotate(sessions, &mut visitors).await?,
        logins::list(sessions, &visitors).await?,
        logins::end_one(sessions, &mut visitors).await?,
        logins::limit(sessions, &mut visitors).await?,
        logins::end_others(sessions, &mut visitors).await?,
    ];
    steps.extend(ends::log_out(sessions, &mut visitors).await?);
    steps.extend(ends::expire(sessions, &visitors).await?);
    steps.push(ends::clear(sessions, visitors.len()).await?);
    Ok(steps)
}

/// A session that must be live.
async fn loaded(sessions: &Sessions<Session>, visitor: &Visitor) -> Result<session_store::Session<Session>> {
    Ok(sessions.load(&visitor.id).await?.ok_or("a session is gone that should be live")?)
}

/// What the store knows of each session.
async fn metas(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result<Vec<Meta>> {
    let mut metas = Vec::with_capacity(visitors.len());
    for visitor in visitors {
        let record = sessions.store().get(&visitor.key()).await?;
        metas.push(record.ok_or("a session is gone that should be live")?.meta);
    }
    Ok(metas)
}

async fn ensure_as_expected(sessions: &Sessions<Session>, visitors: &[Visitor]) -> Result {
    for visitor in visitors {
        let session = loaded(sessions, visitor).await?;
        ensure(session.data == visitor.session, "every session reads as it was stored")?;
        ensure(session.user() == visitor.user.as_ref(), "every session belongs to whoever has logged in")?;
    }
    Ok(())
}

/// Those are live that `stay`, and no others, who are forgotten.
async fn keep(sessions: &Sessions<Session>, visitors: &mut Vec<Visitor>, stays: impl Fn(&Visitor) -> bool) -> Result {
    for visitor in &*visitors {
        let is_live = sessions.load(&visitor.id).await?.is_some();
        ensure(is_live == stays(visitor), "those sessions end that should, and no others")?;
    }
    visitors.retain(stays);
    Ok(())
}
