#![cfg_attr(feature = "sessions", doc = include_str!("../README.md"))]
// Without `Sessions` the README's example would not compile, and it is a test.
#![cfg_attr(not(feature = "sessions"), doc = "The contract of a web session store, built without `Sessions`.")]

mod entropy;
mod error;
mod forward;
mod id;
mod key;
mod namespace;
mod page;
#[cfg(feature = "codec")]
mod policy;
mod record;
mod report;
#[cfg(any(feature = "encryption", feature = "sessions"))]
mod secret;
mod store;
mod time;
#[cfg(any(feature = "backend", feature = "pruner"))]
mod unwind;
mod user;
mod version;
mod write;

#[cfg(feature = "backend")]
pub mod backend;
#[cfg(feature = "codec")]
pub mod codec;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "observed")]
pub mod observed;
#[cfg(feature = "pruner")]
pub mod pruner;
#[cfg(feature = "sessions")]
pub mod sessions;

pub use async_trait::async_trait;
pub use bytes::Bytes;

pub use crate::error::{BoxError, Error, ErrorKind, Result};
pub use crate::id::SessionId;
pub use crate::key::SessionKey;
pub use crate::namespace::Namespace;
pub use crate::page::{Page, Pruned, ScanCursor, ScanPage};
#[cfg(feature = "codec")]
pub use crate::policy::Policy;
pub use crate::record::{Entry, IfChanged, Meta, Record};
pub use crate::report::corrupt_record_skipped;
#[cfg(feature = "sessions")]
pub use crate::sessions::{Login, MaxPerUser, Session, Sessions};
pub use crate::store::SessionStore;
pub use crate::time::{MAX_TIMEOUT, MIN_TIMEOUT, Timestamp, timeout_millis};
pub use crate::user::UserId;
pub use crate::version::Version;
pub use crate::write::{DEFAULT_DATA_LIMIT, Owner, SetMode, Write};
