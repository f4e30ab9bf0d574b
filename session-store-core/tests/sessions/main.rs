//! `Sessions<T>` on a store whose clock, answers and faults a test decides. One scenario per file.
#![cfg(feature = "sessions")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../support/captured_telemetry.rs"]
mod captured_telemetry;
#[path = "../support/fault_store.rs"]
mod fault_store;
#[cfg(feature = "encryption")]
#[path = "../support/test_keys.rs"]
mod test_keys;

mod applications_change_their_data;
mod audits_that_panic_break_nothing;
mod events_of_sessions_are_recorded;
mod failed_logins_leave_no_session;
mod failures_in_the_background_are_logged;
mod gone_sessions_are_ordinary_answers;
mod limits_hold_when_logins_race;
mod lists_outlive_what_they_cannot_read;
#[cfg(feature = "encryption")]
mod loads_reencrypt;
mod loads_touch_when_it_is_due;
mod logins_make_new_sessions;
mod peppers_change_without_downtime;
mod policies_of_logins_are_obeyed;
mod saves_lose_no_change;
#[cfg(feature = "encryption")]
mod secrets_of_the_application_are_not_shown;
mod settings_of_sessions_are_checked;
#[cfg(feature = "encryption")]
mod telemetry_shows_no_secret;
mod updates_are_retried_on_conflict;
mod users_end_only_their_own_sessions;
mod users_have_a_session_limit;
