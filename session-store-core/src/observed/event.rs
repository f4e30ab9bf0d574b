//! What happens to sessions.

use std::fmt::Debug;

use crate::{ErrorKind, SessionKey, UserId};

/// Something that happened to a session, or to several.
///
/// `Debug` shows no key and no user; code has both. Not all that happens is an event: a session that expires does so
/// in the database, where nobody sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session that belongs to nobody was created.
    Created {
        /// Its key.
        key: &'a SessionKey,
    },
    /// A session was created for a user. Where the login is refused or fails after that, this is told as well:
    /// `Refused` or `Ended`. One that gets its user later, by a rotation or a save, is not told as a login: a store
    /// is not told whose it was before.
    LoggedIn {
        /// Its key.
        key: &'a SessionKey,
        /// Whose it is.
        user: &'a UserId,
    },
    /// A session was written as a record of another store describes it.
    Imported {
        /// Its key.
        key: &'a SessionKey,
    },
    /// A session has a new ID.
    Rotated {
        /// The key that is dead now.
        from: &'a SessionKey,
        /// The key that it has now.
        to: &'a SessionKey,
    },
    /// A session was ended before its time.
    Ended {
        /// Its key.
        key: &'a SessionKey,
        /// Why.
        cause: Cause,
    },
    /// All sessions of a user were ended, or all but one.
    EndedAll {
        /// Whose they were.
        user: &'a UserId,
        /// The one that was left, if one was to be left.
        except: Option<&'a SessionKey>,
        /// How many were ended.
        count: u64,
    },
    /// All sessions of the namespace were ended.
    Cleared {
        /// How many were ended.
        count: u64,
    },
    /// Something was refused: `NotFound`, a save or a rotation of a session that is gone, as after a logout;
    /// `AlreadyExists`, a creation over a live session; `LimitReached`, a login beyond the sessions that a user may
    /// have.
    Refused {
        /// The session that it was about.
        key: &'a SessionKey,
        /// Why.
        kind: ErrorKind,
    },
    /// A save or a rotation met a change that another request had made meanwhile.
    Conflict {
        /// The session that it was about.
        key: &'a SessionKey,
    },
    /// Dead records were removed, or leftovers of an index.
    Pruned {
        /// How many.
        count: u64,
    },
}

impl Event<'_> {
    /// A short name in snake case: for metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::LoggedIn { .. } => "logged_in",
            Self::Imported { .. } => "imported",
            Self::Rotated { .. } => "rotated",
            Self::Ended { .. } | Self::EndedAll { .. } | Self::Cleared { .. } => "ended",
            Self::Refused { .. } => "refused",
            Self::Conflict { .. } => "conflict",
            Self::Pruned { .. } => "pruned",
        }
    }

    /// Why it happened, in snake case, and empty where there is one reason only: for metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Ended { cause, .. } => cause.as_str(),
            Self::EndedAll { except: None, .. } => "all_of_user",
            Self::EndedAll { except: Some(_), .. } => "others_of_user",
            Self::Cleared { .. } => "cleared",
            Self::Refused { kind, .. } => kind.as_str(),
            _ => "",
        }
    }

    /// How many sessions, or records, it is about.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match self {
            Self::EndedAll { count, .. } | Self::Cleared { count } | Self::Pruned { count } => *count,
            _ => 1,
        }
    }
}

/// Why one session was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// It was destroyed, as by a logout.
    Destroyed,
    /// Its user ended it from a list of sessions.
    EndedByUser,
    /// A login put a new one in its place.
    Replaced,
    /// Its user had more sessions than there may be.
    Surplus,
    /// The login that made it could not be completed, or had to begin anew.
    Abandoned,
}

impl Cause {
    /// A short name in snake case: for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destroyed => "destroyed",
            Self::EndedByUser => "ended_by_user",
            Self::Replaced => "replaced",
            Self::Surplus => "surplus",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What is told of each [`Event`]: a log of an application's own, for those who must show who was logged in when.
///
/// It hears of what is known to have happened. Of a write of [unknown outcome](crate::Error::outcome_unknown), of one
/// whose caller went away, and of a sweep that failed half-way, it hears nothing, though something may have happened.
///
/// # Example: a line for each login
///
/// ```
/// use std::sync::mpsc::Sender;
/// use session_store_core::observed::{Audit, Event};
///
/// #[derive(Debug)]
/// struct Logins(Sender<String>);
///
/// impl Audit for Logins {
///     fn record(&self, event: &Event<'_>) {
///         if let Event::LoggedIn { key, user } = event {
///             // To a thread that writes: this one has a request to answer.
///             let _ = self.0.send(format!("{} {}", user.as_str(), key.to_text()));
///         }
///     }
/// }
/// ```
pub trait Audit: Debug + Send + Sync + 'static {
    /// Takes note of an event that has happened. It is called on the task of the request, which goes on when it
    /// returns, so it must not wait. What it panics with ends here: the event has happened all the same.
    fn record(&self, event: &Event<'_>);
}
