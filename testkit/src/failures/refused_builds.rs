//! Builds that fail: in time, with a clear error that shows no password.

use std::fmt::Debug;
use std::time::Duration;

use session_store_core::{Error, ErrorKind, Result};

use super::common::{SLACK, all_text, timed};

/// The connect timeout of stores that cannot connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A password that no error may show, be it right or wrong.
pub const PASSWORD: &str = "opensesame";

/// Returns the error of a build. Panics if it succeeds, exceeds its limit, or shows the password.
pub async fn refusal<Store: Debug>(
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

/// Panics unless the error is of this kind and its text contains the advice.
pub fn assert_refused(error: &Error, kind: ErrorKind, advice: &str) {
    assert_eq!((error.kind(), error.is_transient()), (kind, kind == ErrorKind::Unavailable), "{error:?}");
    assert!(!error.outcome_unknown(), "{error:?}");
    assert!(error.to_string().contains(advice), "{error}");
}
