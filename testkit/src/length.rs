//! How long tests run.

use std::env;

/// `scripts/test --long` sets it.
const VARIABLE: &str = "SESSION_STORE_TEST_LONG";

/// Returns whether this is a long run: the environment variable `SESSION_STORE_TEST_LONG` is `1`.
#[must_use]
pub fn is_long() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| value == "1")
}

/// Returns the second value in a long run, and the first one in an ordinary run.
///
/// Load, fault and history tests take their durations and counts from here, so that an ordinary run stays within the
/// time that CI has.
#[must_use]
pub fn scaled<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}
