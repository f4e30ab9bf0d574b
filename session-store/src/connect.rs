//! A store by its URL.

use std::sync::Arc;

use session_store_core::{Result, SessionStore};

use crate::scheme::{Backend, lacks};

/// The store that a URL names, connected and checked.
///
/// The crate's page lists the [schemes](crate#schemes) and the [parameters](crate#parameters). What it sends, so that
/// the server has answered when it returns:
///
/// - `memory:` nothing;
/// - `sqlite:` opens the file, and creates it and the table, unless `session_setup=false`;
/// - `redis:` the login, `INFO`, and `TIME`; to every master of a Cluster; to Sentinels `SENTINEL MASTERS` first;
/// - `postgres:` the login, on two connections that are asked whether a pooler is in between, unless
///   `session_transaction_pooler` says so; what makes the table, unless `session_setup=false`; one query about the
///   server, the table and the rights;
/// - `mongodb:` the login, `hello`; `createIndexes`, unless `session_setup=false`; `listIndexes`.
///
/// # Errors
///
/// - `Config` when the URL has no scheme or an unknown one, when a parameter that begins with `session_` is unknown or
///   not one of this store, is given twice or cannot be read; and when the store's own `build` says so: a setting is out
///   of its bounds, the address or the password is wrong, the server will not do, a table or an index is not there, the
///   user lacks rights;
/// - `Unsupported` when it needs a feature of this crate that is off: its text names the feature;
/// - `Unavailable` or `Timeout` when the server cannot be reached.
///
/// No part of the URL is in a text of an error, as it may hold a password, but the name of a parameter.
///
/// # Example
///
/// ```
/// use session_store::{ErrorKind, connect};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> session_store::Result<()> {
/// let store = connect("memory:?session_data_limit=65536").await?;
/// store.ping().await?;
///
/// let error = connect("memory:?session_data_limit=lots").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(error.to_string().contains("`session_data_limit`"));
/// # Ok(())
/// # }
/// ```
#[cfg_attr(
    not(any(feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(clippy::unused_async, reason = "the embedded store connects to nothing")
)]
#[cfg_attr(
    not(any(feature = "memory", feature = "mongo", feature = "postgres", feature = "redis", feature = "sqlite")),
    allow(unused_variables, reason = "there is no store that reads it")
)]
pub async fn connect(url: &str) -> Result<Arc<dyn SessionStore>> {
    let (backend, url) = Backend::of(url)?;
    match backend {
        #[cfg(feature = "memory")]
        Backend::Memory => crate::backends::memory(&url),
        #[cfg(feature = "sqlite")]
        Backend::Sqlite => crate::backends::sqlite(&url).await,
        #[cfg(feature = "redis")]
        Backend::Redis => crate::backends::redis(&url).await,
        #[cfg(feature = "postgres")]
        Backend::Postgres => crate::backends::postgres(&url).await,
        #[cfg(feature = "mongo")]
        Backend::Mongo => crate::backends::mongo(&url).await,
        #[allow(unreachable_patterns, reason = "with every feature there is no other")]
        other => Err(lacks(&format!("a {} URL", other.scheme()), other.feature())),
    }
}

#[cfg(test)]
mod tests {
    use session_store_core::ErrorKind;

    use super::*;
    use crate::known::all;

    fn is_on(backend: Backend) -> bool {
        match backend {
            Backend::Memory => cfg!(feature = "memory"),
            Backend::Sqlite => cfg!(feature = "sqlite"),
            Backend::Redis => cfg!(feature = "redis"),
            Backend::Postgres => cfg!(feature = "postgres"),
            Backend::Mongo => cfg!(feature = "mongo"),
        }
    }

    /// Nobody listens there.
    fn url_of(backend: Backend) -> &'static str {
        match backend {
            Backend::Memory => "memory:",
            Backend::Sqlite => "sqlite::memory:",
            Backend::Redis => "redis://:hunter2@127.0.0.1:1/",
            Backend::Postgres => "postgres://me:hunter2@127.0.0.1:1/app",
            Backend::Mongo => "mongodb://me:hunter2@127.0.0.1:1/app",
        }
    }

    #[tokio::test]
    async fn each_store_reads_each_of_its_parameters() {
        for known in all() {
            for backend in known.of.iter().filter(|backend| is_on(**backend)) {
                let error = connect(&format!("{}?{}=", url_of(*backend), known.name)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                let text = format!("the value of `{}` cannot be read; it takes {}", known.name, known.takes);
                assert_eq!(error.to_string(), text);
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_is_not_built_in_is_named_with_its_feature() {
        for backend in [Backend::Memory, Backend::Sqlite, Backend::Redis, Backend::Postgres, Backend::Mongo] {
            // Said first, whatever else is wrong.
            let Err(error) = connect(&format!("{}?session_nonsense=hunter2#", url_of(backend))).await else {
                panic!("it is to be refused");
            };
            let kind = if is_on(backend) { ErrorKind::Config } else { ErrorKind::Unsupported };
            assert_eq!(error.kind(), kind);
            let named = error.to_string().contains(&format!("the feature `{}`", backend.feature()));
            assert_eq!(named, !is_on(backend), "{error}");
        }
    }
}
