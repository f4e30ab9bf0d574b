//! A small web shop whose sessions are kept by `session-store`: what an application does with cookies, forms, logins
//! and a page "your devices" around `Sessions`.
//!
//! [`app`] makes the application on a store, and [`serve`] lets it answer. The program adds what is read from the command
//! line; the tests start the same application on a port that is free.

mod accounts;
mod arguments;
mod cookie;
mod device;
mod guard;
mod local;
mod numbers;
mod pages;
mod passwords;
mod post;
mod query;
mod refusal;
mod serve;
mod shop;
mod state;
mod times;
mod token;
mod visit;

use std::sync::Arc;

use axum::Router;
use session_store::observed::Observed;
use session_store::{Result, SessionStore};

pub use self::arguments::{Arguments, Asked, USAGE};
pub use self::serve::serve;
use self::state::App;

/// The application, with its sessions in this store, which metrics know by this name.
///
/// It takes over the metrics of the process, of which there is one recorder: two applications in one process count
/// into the same numbers.
///
/// # Errors
///
/// `Config` where a policy is out of its bounds; none is.
pub fn app(store: Arc<dyn SessionStore>, name: &'static str) -> Result<Router> {
    numbers::begin();
    let app = App::new(Arc::new(Observed::new(store, name)), name)?;
    Ok(guard::guarded(pages::routes()).with_state(app))
}
