//! Builds that fail: in time, with a clear error that shows no password.

use std::fmt::Debug;
use std::time::Duration;

use session_store_core::{Error, ErrorKind, Result};

use super::common::{SLACK, all_text, timed};

/// The connect timeout of stores that cannot connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// A password that no error may show, be it right or wrong.
pub const PASSWORD: &str = "opensesame";

/// Settings that every store refuses, each in a builder of its own, with what the error names. `$builder` is an expression
/// that makes a builder, and `$largest_data` the largest data limit.
#[macro_export]
macro_rules! settings_out_of_bounds {
    ($builder:expr, $largest_data:expr) => {{
        use ::std::time::Duration;
        const LONGEST: Duration = Duration::from_hours(24);
        [
            ($builder.data_limit(0), "data_limit"),
            ($builder.data_limit($largest_data + 1), "data_limit"),
            ($builder.data_limit(usize::MAX), "data_limit"),
            ($builder.batch_size(0), "batch_size must be between 1 and 10,000"),
            ($builder.batch_size(10_001), "batch_size must be between 1 and 10,000"),
            ($builder.batches_in_flight(0), "batches_in_flight"),
            ($builder.operation_timeout(Duration::ZERO), "operation_timeout"),
            ($builder.operation_timeout(Duration::from_micros(999)), "operation_timeout"),
            ($builder.operation_timeout(LONGEST + Duration::from_millis(1)), "operation_timeout"),
            ($builder.operation_timeout(Duration::MAX), "operation_timeout"),
            ($builder.connect_timeout(Duration::ZERO), "connect_timeout"),
            ($builder.connect_timeout(Duration::MAX), "connect_timeout"),
            ($builder.bulk_timeout(Duration::ZERO), "bulk_timeout"),
            ($builder.bulk_timeout(Duration::MAX), "bulk_timeout"),
        ]
    }};
}

/// The first and the last settings that every store accepts.
#[macro_export]
macro_rules! settings_at_bounds {
    ($builder:expr, $largest_data:expr) => {
        [
            $builder.data_limit(1),
            $builder.data_limit($largest_data),
            $builder.batch_size(10_000),
            $builder.batches_in_flight(usize::MAX),
            $builder.operation_timeout(::std::time::Duration::from_hours(24)),
            $builder.bulk_timeout(::std::time::Duration::from_millis(1)),
        ]
    };
}

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
