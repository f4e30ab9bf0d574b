//! saysion 0.2, of Salvo 1.
//!
//! ```
//! use std::sync::Arc;
//! use salvo::session::SessionHandler;
//! use session_store_memory::MemoryStore;
//! use session_store_middleware::Adapter;
//!
//! let adapter = Adapter::new(Arc::new(MemoryStore::new())).user_at("/user_id");
//! let secret = b"a secret of at least sixty-four bytes, which nobody knows but you";
//! let handler = SessionHandler::builder(adapter.saysion(), secret).build()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - A session that was loaded is never created again. One that changes nothing but its expiry is touched.
//! - `Session::regenerate` is one rotation: the former ID ends in the same moment, although the trait does not name it, and
//!   the time that the session may live in all goes on.
//! - There is no place for a version: of two requests that change one session at the same time, the last one wins, with all
//!   of its data.
//! - There is an entry named `session-store.loaded` in a session while a request has it.

crate::async_session::async_session_store!(saysion, saysion, "saysion 0.2.");
