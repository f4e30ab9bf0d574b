//! Forms that visitors send.

use axum::extract::{FromRequest, FromRequestParts as _, RawForm, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use session_store::Session;

use crate::local::Local;
use crate::refusal::Refusal;
use crate::shop::Shop;
use crate::state::App;
use crate::visit::{Admin, LoggedIn, Visit};

/// What a form has in its fields.
pub(crate) trait Form: DeserializeOwned {
    /// Whether it is worth something without the session that the browser believes to have.
    const OUTLIVES_SESSION: bool = false;
}

/// A form that was filled in on a page of this site: where the visitor has a session, the form has brought its token.
///
/// [`from_here`](crate::guard::from_here) has looked before at where it comes from, which protects those who have no
/// session yet, and the login.
pub(crate) struct Post<F> {
    pub(crate) session: Option<Session<Shop>>,
    pub(crate) form: F,
}

/// The field that every form has.
#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    token: String,
}

impl<F: Form> FromRequest<App> for Post<F> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let session = match Visit::from_request_parts(&mut parts, app).await {
            Ok(visit) => visit.session,
            Err(Refusal::Ended(_)) if F::OUTLIVES_SESSION => None,
            Err(refusal) => return Err(refusal),
        };
        let read = RawForm::from_request(Request::from_parts(parts, body), app).await;
        let RawForm(bytes) = read.map_err(|rejection| Refusal::Unreadable(rejection.status()))?;
        let Signed { token } = serde_urlencoded::from_bytes(&bytes).map_err(|_| Refusal::unreadable())?;
        if session.as_ref().is_some_and(|session| !session.data.token.is(&token)) {
            return Err(Refusal::Forged);
        }
        let form = serde_urlencoded::from_bytes(&bytes).map_err(|_| Refusal::unreadable())?;
        Ok(Self { session, form })
    }
}

impl<F> Post<F> {
    pub(crate) fn logged_in(self) -> Result<(LoggedIn, F), Refusal> {
        let logged_in = LoggedIn::with(self.session).ok_or_else(|| Refusal::LoginFirst(Local::start()))?;
        Ok((logged_in, self.form))
    }

    pub(crate) fn admin(self) -> Result<(Admin, F), Refusal> {
        let (logged_in, form) = self.logged_in()?;
        Ok((logged_in.into_admin()?, form))
    }
}

/// A form that is nothing but its button.
#[derive(Deserialize)]
pub(crate) struct Button {}

impl Form for Button {}
