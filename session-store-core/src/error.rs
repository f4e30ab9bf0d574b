//! The error that every store returns.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::SessionKey;

/// A result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an [`Error`] takes as its source: any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an operation failed.
///
/// It is matched by [`kind`](Self::kind), and never by its text. No session ID, key, user, payload or
/// password is in its `Display`, its `Debug` or its sources (clause E2); the key that an error is
/// about is to be had by [`key`](Self::key) alone.
///
/// # Example: telling a refusal from a failure
///
/// ```
/// use session_store_core::{Error, ErrorKind};
///
/// fn answer(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::NotFound => 401,
///         ErrorKind::Conflict | ErrorKind::AlreadyExists => 409,
///         _ if error.is_transient() => 503,
///         _ => 500,
///     }
/// }
///
/// assert_eq!(answer(&Error::new(ErrorKind::Timeout, "no answer in 5 s")), 503);
/// ```
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    transient: bool,
    outcome_unknown: bool,
    key: Option<SessionKey>,
    // Shared by the callers of a batch that failed as a whole.
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key that was to be created is live.
    AlreadyExists,
    /// The session is not live, so nothing could be replaced, updated or rotated.
    NotFound,
    /// The record has changed since the expected version.
    Conflict,
    /// The user has as many sessions as there may be. Only `Sessions::login` says so, and never a store.
    LimitReached,
    /// An argument is outside its bounds. Nothing was sent.
    InvalidInput,
    /// The data is over the configured limit. Nothing was sent.
    TooLarge,
    /// The database holds bytes that this project did not write, or data that does not fit the type it is
    /// decoded into.
    Corrupt,
    /// The database cannot be reached, or refuses to serve now.
    Unavailable,
    /// No answer came within the operation timeout.
    Timeout,
    /// The configuration, or the database's own, must be changed first.
    Config,
    /// This store, or this build of it, cannot do what was asked.
    Unsupported,
    /// A fault in the store or the driver.
    Internal,
}

impl ErrorKind {
    /// A short name in snake case: for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already_exists",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::LimitReached => "limit_reached",
            Self::InvalidInput => "invalid_input",
            Self::TooLarge => "too_large",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Config => "config",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Inner {
    /// The cause itself and not the pointer to it, so that it can be had by its type.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_deref()?)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("transient", &self.transient)
            .field("outcome_unknown", &self.outcome_unknown)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Error {
    /// An error of this kind. `message` says what was wrong and what to do, without showing a value.
    ///
    /// `Unavailable` and `Timeout` are transient unless [`with_transient`](Self::with_transient) says
    /// otherwise; nothing else is.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            transient: matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout),
            outcome_unknown: false,
            key: None,
            source: None,
        }))
    }

    /// The refusal of S1 and R2: `key` is live.
    #[must_use]
    pub fn already_exists(key: &SessionKey) -> Self {
        Self::new(ErrorKind::AlreadyExists, "a live session has this key").with_key(*key)
    }

    /// The refusal of S2 and R2: `key` is not live.
    #[must_use]
    pub fn not_found(key: &SessionKey) -> Self {
        Self::new(ErrorKind::NotFound, "the session is not live; it was never created, has expired or was ended")
            .with_key(*key)
    }

    /// The refusal of S3 and R2: the record of `key` is not at the expected version.
    #[must_use]
    pub fn conflict(key: &SessionKey) -> Self {
        Self::new(ErrorKind::Conflict, "the session has changed since it was read; read it again and repeat the change")
            .with_key(*key)
    }

    /// The refusal of Z1: the record of `key` cannot be read.
    #[must_use]
    pub fn corrupt(key: &SessionKey, why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Corrupt, why).with_key(*key)
    }

    /// The refusal of R2: both keys of a rotation are the same.
    #[must_use]
    pub fn same_key(key: &SessionKey) -> Self {
        Self::invalid_input("a rotation needs two different keys; generate a new session ID").with_key(*key)
    }

    /// An `InvalidInput` error.
    #[must_use]
    pub fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A `Config` error.
    #[must_use]
    pub fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// The same error with its cause: the driver's class and code, never its text (clause E2).
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// The same error about one record.
    #[must_use]
    pub fn with_key(mut self, key: SessionKey) -> Self {
        self.0.key = Some(key);
        self
    }

    /// The same error, worth or not worth repeating later.
    #[must_use]
    pub fn with_transient(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    /// The same error of a write that may have happened.
    #[must_use]
    pub fn with_outcome_unknown(mut self) -> Self {
        self.0.outcome_unknown = true;
        self
    }

    /// The same error, for another of those whom it concerns.
    #[cfg(feature = "backend")]
    pub(crate) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call may succeed later, with nothing changed but the state of the database.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether the write may have happened although it failed: the connection broke, or the time ran
    /// out, between the command and its answer.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// The record that the error is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&SessionKey> {
        self.0.key.as_ref()
    }
}
