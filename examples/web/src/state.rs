//! What every handler has at hand.

use std::sync::Arc;
use std::time::Duration;

use session_store::{Policy, Result, Session, SessionStore, Sessions};

use crate::passwords::Passwords;
use crate::shop::Shop;

const DAY: Duration = Duration::from_hours(24);

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) sessions: Sessions<Shop>,
    /// For logins that ask to be remembered.
    pub(crate) remember_me: Policy,
    pub(crate) passwords: Passwords,
    /// What metrics call the store.
    pub(crate) store: &'static str,
}

impl App {
    pub(crate) fn new(store: Arc<dyn SessionStore>, name: &'static str) -> Result<Self> {
        let sessions = Sessions::builder(store)
            .policy(Policy::NIST_AAL2)
            // So that "last seen" is right to a minute; the default would be 6, and spare the database more.
            .touch_after(Duration::from_mins(1))
            .build()?;
        let remember_me = Policy::new(14 * DAY, 90 * DAY)?;
        Ok(Self { sessions, remember_me, passwords: Passwords::new(), store: name })
    }

    /// Changes the visitor's session, and begins one where there is none yet, which is given: the answer has to set its
    /// cookie. `Err` where the session is gone.
    pub(crate) async fn change(
        &self,
        session: Option<&Session<Shop>>,
        mut change: impl FnMut(&mut Shop) + Send,
    ) -> Result<Result<Option<Session<Shop>>, Gone>> {
        if let Some(session) = session {
            // Of any number of clicks at once, none is lost.
            return Ok(self.sessions.update(session.id(), change).await?.map(|()| None).ok_or(Gone));
        }
        let mut shop = Shop::new()?;
        change(&mut shop);
        Ok(Ok(Some(self.sessions.create(shop).await?)))
    }
}

/// The session has ended while the request was under way.
#[derive(Debug)]
pub(crate) struct Gone;
