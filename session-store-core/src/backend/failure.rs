//! What a database's error means.

use std::borrow::Cow;

use crate::{Error, ErrorKind};

/// What an error of a backend means: how the store reports it, and whether it sends the statement again.
///
/// # Example
///
/// ```
/// use session_store_core::ErrorKind;
/// use session_store_core::backend::{Failure, Retry};
///
/// fn classify(code: &str) -> Failure {
///     match code {
///         "busy" => Failure::new(ErrorKind::Unavailable, "the database is busy").with_retry(Retry::UntilDeadline),
///         "cut" => Failure::new(ErrorKind::Unavailable, "the connection broke").ambiguous(),
///         _ => Failure::new(ErrorKind::Internal, "the database refused a statement of the store"),
///     }
///     .with_source("server", code.to_owned())
/// }
/// # classify("cut");
/// ```
#[derive(Clone, Debug)]
pub struct Failure {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<DatabaseError>,
    transient: Option<bool>,
    pub(super) retry: Retry,
    pub(super) is_ambiguous: bool,
    is_of_record: Option<bool>,
}

/// Whether a statement that failed is sent again.
///
/// The store sends a write again only if it was certainly not executed, whatever this says (clause K3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Not at all.
    Never,
    /// After a pause, so many times.
    Times(u32),
    /// After a pause, until the deadline.
    UntilDeadline,
}

/// The class and the code of a database's error. Its text may hold keys and values, so it is not passed on (clause E2).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}, code {code}")]
struct DatabaseError {
    class: Cow<'static, str>,
    code: Cow<'static, str>,
}

impl Failure {
    /// Creates a failure that is reported so. `message` says what failed and what to do, and shows no value.
    ///
    /// It is not retried, its statement was not executed, and it may be about one record of a batch unless it is transient.
    /// The methods below say otherwise.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            transient: None,
            retry: Retry::Never,
            is_ambiguous: false,
            is_of_record: None,
        }
    }

    /// Sets class and code, which the error shows as its source. Neither may contain a value.
    #[must_use]
    pub fn with_source(self, class: impl Into<Cow<'static, str>>, code: impl Into<Cow<'static, str>>) -> Self {
        Self { source: Some(DatabaseError { class: class.into(), code: code.into() }), ..self }
    }

    /// Sets whether the statement is sent again.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Sets whether the same call may succeed later. Defaults to the kind's own.
    #[must_use]
    pub fn with_transient(self, transient: bool) -> Self {
        Self { transient: Some(transient), ..self }
    }

    /// Marks that the statement may have been executed, if it was sent.
    #[must_use]
    pub fn ambiguous(self) -> Self {
        Self { is_ambiguous: true, ..self }
    }

    /// Marks that the failure is about no single record: a missing right, a missing table, a server that is read-only.
    /// Every caller of a batch gets it at once; otherwise the store halves a batch that was refused, so that one record
    /// does not fail the others.
    #[must_use]
    pub fn of_statement(self) -> Self {
        Self { is_of_record: Some(false), ..self }
    }

    /// Marks that the failure is about one record of a batch although it is transient, so that the batch is halved.
    #[must_use]
    pub fn of_record(self) -> Self {
        Self { is_of_record: Some(true), ..self }
    }

    /// Returns whether the failure may be about one record of a batch.
    #[must_use]
    pub fn may_be_of_record(&self) -> bool {
        let is_transient = self.transient.unwrap_or(matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout));
        self.is_of_record.unwrap_or(!is_transient)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether the statement may have been executed, if it was sent.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// Returns whether the statement is sent again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// Returns the error that callers get.
    #[must_use]
    pub fn into_error(self) -> Error {
        let error = Error::new(self.kind, self.message);
        let error = match self.transient {
            Some(transient) => error.with_transient(transient),
            None => error,
        };
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}
