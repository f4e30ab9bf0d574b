//! The address of a server, or an existing pool.

use std::fmt;
use std::str::FromStr as _;

use session_store_core::backend::StoreOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use crate::connection::{Connections, connect};
use crate::error::Error;

/// The PostgreSQL server of a store.
///
/// It is made of a URL, of [`PgConnectOptions`] (for example for certificates of your own), or of a [`PgPool`]. `Debug`
/// shows no address and no password.
pub struct PostgresEndpoint(Source);

#[allow(clippy::large_enum_variant, reason = "there is one, while a store is built")]
enum Source {
    Options(PgConnectOptions),
    Pool(PgPool),
    NotValid,
}

impl From<&str> for PostgresEndpoint {
    fn from(url: &str) -> Self {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        // The driver accepts any.
        if !matches!(scheme.as_deref(), Some("postgres" | "postgresql")) {
            return Self(Source::NotValid);
        }
        let Ok(options) = PgConnectOptions::from_str(url) else { return Self(Source::NotValid) };
        // The driver would look up the brackets of an IPv6 address with it.
        let address = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
        Self(Source::Options(match address {
            Some(address) => options.host(&address),
            None => options,
        }))
    }
}

impl From<String> for PostgresEndpoint {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<PgConnectOptions> for PostgresEndpoint {
    fn from(options: PgConnectOptions) -> Self {
        Self(Source::Options(options))
    }
}

impl From<PgPool> for PostgresEndpoint {
    fn from(pool: PgPool) -> Self {
        Self(Source::Pool(pool))
    }
}

impl fmt::Debug for PostgresEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Options(_) | Source::NotValid => "PostgresEndpoint(one)",
            Source::Pool(_) => "PostgresEndpoint(PgPool)",
        })
    }
}

impl PostgresEndpoint {
    fn options(&self) -> Result<PgConnectOptions, Error> {
        match &self.0 {
            // No floats are read, and poolers do not pass this on.
            Source::Options(options) => Ok(options.clone().extra_float_digits(None).disable_statement_logging()),
            Source::Pool(pool) => Ok(pool.connect_options().as_ref().clone()),
            Source::NotValid => Err(Error::Address),
        }
    }

    /// Creates a connection outside the pool.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        connect(&self.options()?).await
    }

    /// Creates the connections of a store.
    pub(crate) fn connections(
        &self,
        max_size: usize,
        timeouts: &StoreOptions,
        is_pooled: bool,
    ) -> Result<Connections, Error> {
        match &self.0 {
            Source::Pool(pool) => Ok(Connections::given(pool.clone(), timeouts, is_pooled)),
            _ => Connections::own(self.options()?, max_size, timeouts, is_pooled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case P3: the brackets of an IPv6 address are no part of it.
    #[test]
    fn every_form_of_a_host_is_read() {
        let table = [
            ("postgres://user@localhost:5433/db", "localhost", 5433),
            ("postgresql://user@db.example.com/db", "db.example.com", 5432),
            ("POSTGRES://user@127.0.0.1/db", "127.0.0.1", 5432),
            ("postgres://user@[::1]:5433/db", "::1", 5433),
            ("postgres://[2001:db8::1]/db", "2001:db8::1", 5432),
            ("postgres://user@localhost/db?host=%5B::1%5D", "::1", 5432),
        ];
        for (url, host, port) in table {
            let options = PostgresEndpoint::from(url).options().unwrap_or_else(|error| panic!("{url}: {error:?}"));
            assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
        }
        let socket = PostgresEndpoint::from("postgres://user@%2Frun%2Fpostgresql/db").options().unwrap();
        assert_eq!(socket.get_socket(), Some(&std::path::PathBuf::from("/run/postgresql")));
    }
}
