//! Builds that fail: with a clear error, in time, that shows no password.

use std::fmt::Debug;
use std::time::Duration;

use session_store_core::{Error, ErrorKind, Result};

use crate::common::{SLACK, all_text, timed};

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Neither the right one nor a wrong one.
pub(crate) const PASSWORD: &str = "opensesame";

/// The error of a build that has this time, and whose builder shows no password either.
pub(crate) async fn refusal<Store: Debug>(
    builder: String,
    limit: Duration,
    build: impl Future<Output = Result<Store>>,
) -> Error {
    assert!(!builder.contains(PASSWORD));
    let (answer, took) = timed(build).await;
    let error = answer.expect_err(&builder);
    assert!(!all_text(&error).contains(PASSWORD), "{}", all_text(&error));
    assert!(took < limit + SLACK, "it took {took:?}");
    error
}

pub(crate) fn is(error: &Error, kind: ErrorKind, advice: &str) {
    assert_eq!((error.kind(), error.is_transient()), (kind, kind == ErrorKind::Unavailable), "{error:?}");
    assert!(!error.outcome_unknown(), "{error:?}");
    assert!(error.to_string().contains(advice), "{error}");
}
