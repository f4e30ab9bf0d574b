//! `Sessions<T>` over stores whose clock, answers and interruptions a test decides: one scenario a file.
#![cfg(feature = "sessions")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[cfg(feature = "encryption")]
#[path = "../rings/mod.rs"]
mod rings;
#[path = "../stage/mod.rs"]
mod stage;
#[path = "../told/mod.rs"]
mod told;

mod applications_change_their_data;
mod audits_that_panic_break_nothing;
mod events_of_sessions_are_told;
mod failed_logins_leave_no_session;
mod gone_sessions_are_ordinary_answers;
mod limits_hold_when_logins_race;
mod lists_outlive_what_they_cannot_read;
#[cfg(feature = "encryption")]
mod loads_encrypt_anew;
mod loads_touch_when_it_is_due;
mod logins_make_new_sessions;
#[cfg(feature = "encryption")]
mod nothing_secret_is_told;
mod peppers_change_without_downtime;
mod policies_of_logins_are_obeyed;
mod saves_lose_no_change;
mod sessions_tell_what_they_could_not_do;
mod settings_of_sessions_are_checked;
mod updates_are_retried_on_conflict;
mod users_end_only_their_own_sessions;
mod users_have_so_many_sessions_at_the_most;
