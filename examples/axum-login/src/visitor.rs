//! The user who asks, and the session in which he does.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use session_store::{SessionKey, UserId};
use session_store_middleware::Adapter;

use crate::refusal::Refusal;
use crate::users::{AuthSession, User};

/// Who is not logged in is sent to the login.
pub(crate) struct Visitor {
    pub(crate) auth: AuthSession,
    pub(crate) user: User,
    /// The user as the store knows him.
    pub(crate) owner: UserId,
    /// This session as the store knows it.
    pub(crate) key: SessionKey,
}

impl FromRequestParts<Adapter> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, adapter: &Adapter) -> Result<Self, Refusal> {
        let auth = AuthSession::from_request_parts(parts, adapter).await.map_err(|(_, why)| Refusal::failed(why))?;
        let (Some(user), Some(id)) = (auth.user.clone(), auth.session.id()) else { return Err(Refusal::LoginFirst) };
        let owner = UserId::new(user.id.to_string())?;
        let key = adapter.key(&id.to_string())?;
        Ok(Self { auth, user, owner, key })
    }
}
