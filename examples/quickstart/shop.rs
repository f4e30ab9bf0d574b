//! The application: it keeps a typed session for each visitor, in whatever store it is given.

use std::time::Duration;

use session_store_core::codec::Codec;
use session_store_core::{Owner, Record, SessionId, SessionKey, SessionStore, SetMode, UserId, Version, Write};

use crate::check::Result;
use crate::session::Session;

const IDLE: Duration = Duration::from_mins(30);
const ABSOLUTE: Duration = Duration::from_hours(12);

/// A browser: the cookie that it sends, who is logged in with it, and what its session should hold.
pub(crate) struct Visitor {
    pub(crate) id: SessionId,
    pub(crate) user: Option<UserId>,
    pub(crate) session: Session,
}

impl Visitor {
    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::from(&self.id)
    }

    pub(crate) fn owner(&self) -> Owner {
        self.user.clone().map_or(Owner::Anonymous, Owner::User)
    }
}

pub(crate) struct Shop<'a> {
    pub(crate) store: &'a dyn SessionStore,
    pub(crate) codec: Codec,
}

/// What a request holds: the session, and the version that it was read at.
pub(crate) struct Held {
    pub(crate) session: Session,
    pub(crate) version: Version,
}

impl Shop<'_> {
    /// What a request begins with.
    pub(crate) async fn load(&self, key: &SessionKey) -> Result<Held> {
        let Record { meta, data, .. } = self.record(key).await?;
        Ok(Held { session: self.codec.decode(&data)?, version: meta.version })
    }

    /// What a request ends with. The owner stays.
    pub(crate) async fn save(
        &self,
        key: &SessionKey,
        session: &Session,
        mode: SetMode,
    ) -> session_store_core::Result<Version> {
        self.store.set(key, &self.write(session)?, mode).await
    }

    /// The record of a session that must be live.
    pub(crate) async fn record(&self, key: &SessionKey) -> Result<Record> {
        Ok(self.store.get(key).await?.ok_or("a session is not live that should be")?)
    }

    pub(crate) async fn is_live(&self, key: &SessionKey) -> Result<bool> {
        Ok(self.store.get(key).await?.is_some())
    }

    pub(crate) fn write(&self, session: &Session) -> session_store_core::Result<Write> {
        Write::new(self.codec.encode(session)?, IDLE, ABSOLUTE)
    }
}
