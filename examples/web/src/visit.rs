//! Who asks.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use session_store::{ErrorKind, Session, UserId};

use crate::accounts;
use crate::cookie;
use crate::local::Local;
use crate::refusal::Refusal;
use crate::shop::Shop;
use crate::state::App;

/// A visitor, with his session if he has one. A store that fails is never taken for a visitor without one.
pub(crate) struct Visit {
    pub(crate) session: Option<Session<Shop>>,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Some(id) = cookie::read(&parts.headers) else { return Ok(Self { session: None }) };
        match app.sessions.load(&id).await {
            Ok(Some(session)) => Ok(Self { session: Some(session) }),
            Ok(None) => Err(Refusal::Ended(Local::wanted(parts))),
            // It would meet each request of this visitor. What this release cannot read another one may, so it stays.
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(Refusal::Ended(Local::wanted(parts))),
            Err(error) => Err(error.into()),
        }
    }
}

/// A visitor who is logged in.
pub(crate) struct LoggedIn {
    pub(crate) session: Session<Shop>,
    pub(crate) user: UserId,
}

impl LoggedIn {
    /// `None` where nobody is.
    pub(crate) fn with(session: Option<Session<Shop>>) -> Option<Self> {
        let session = session?;
        let user = session.user()?.clone();
        Some(Self { session, user })
    }

    /// The same with more rights.
    pub(crate) fn into_admin(self) -> Result<Admin, Refusal> {
        if accounts::is_admin(&self.user) { Ok(Admin(self)) } else { Err(Refusal::NotAllowed) }
    }
}

impl FromRequestParts<App> for LoggedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let visit = Visit::from_request_parts(parts, app).await?;
        Self::with(visit.session).ok_or_else(|| Refusal::LoginFirst(Local::wanted(parts)))
    }
}

/// A visitor who may see and end what is not his own.
pub(crate) struct Admin(pub(crate) LoggedIn);

impl FromRequestParts<App> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        LoggedIn::from_request_parts(parts, app).await?.into_admin()
    }
}
