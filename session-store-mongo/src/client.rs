//! Where a store's client and database come from.

use std::fmt;

use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use session_store_core::{Error, Result, Timeouts};

use crate::error::from_mongo;

/// The MongoDB deployment of a store: a server, a replica set or a sharded cluster.
///
/// It is made of a URL, of a [`Client`] or of a [`Database`]. `Debug` shows no address and no password.
pub struct Server(Source);

enum Source {
    Url(String),
    Client(Client),
    Database(Database),
}

impl From<&str> for Server {
    fn from(url: &str) -> Self {
        url.to_owned().into()
    }
}

impl From<String> for Server {
    fn from(url: String) -> Self {
        Self(Source::Url(url))
    }
}

impl From<Client> for Server {
    fn from(client: Client) -> Self {
        Self(Source::Client(client))
    }
}

impl From<Database> for Server {
    fn from(database: Database) -> Self {
        Self(Source::Database(database))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Url(_) => "Server(URL)",
            Source::Client(_) => "Server(Client)",
            Source::Database(_) => "Server(Database)",
        })
    }
}

impl Server {
    /// The database, and the client where it is made here. `named` is the database's name, where it was set.
    pub(crate) async fn database(
        &self,
        named: Option<&str>,
        connections: u32,
        timeouts: &Timeouts,
    ) -> Result<(Database, Option<Client>)> {
        let (client, own) = match &self.0 {
            Source::Database(database) => {
                return Ok((with_name(database.client(), named.unwrap_or(database.name()))?, None));
            }
            Source::Client(client) => (client.clone(), None),
            Source::Url(url) => {
                let client = connect(url, connections, timeouts).await?;
                (client.clone(), Some(client))
            }
        };
        let of_url = client.default_database();
        let name = named.or(of_url.as_ref().map(Database::name)).ok_or_else(|| {
            Error::config("no database is named; add it to the URL, as in mongodb://host/database, or set it")
        })?;
        Ok((with_name(&client, name)?, own))
    }
}

/// What the URL says goes before the settings.
async fn connect(url: &str, connections: u32, timeouts: &Timeouts) -> Result<Client> {
    install_tls_provider();
    let mut options = ClientOptions::parse(url).await.map_err(|error| from_mongo(&error))?;
    options.max_pool_size.get_or_insert(connections);
    options.connect_timeout.get_or_insert(timeouts.connect);
    // So that an operation that finds no primary ends by that, and not by its own timeout: nothing was sent.
    options.server_selection_timeout.get_or_insert(timeouts.connect.min(timeouts.operation * 3 / 4));
    Client::with_options(options).map_err(|error| from_mongo(&error))
}

/// The database of this name. The driver takes any, and the server's refusal would come later.
fn with_name(client: &Client, name: &str) -> Result<Database> {
    let is_refused = |character: char| "/\\. \"$*<>:|?\0".contains(character);
    if !(1..=63).contains(&name.len()) || name.chars().any(is_refused) {
        return Err(Error::config(
            "a MongoDB database's name has 1 to 63 bytes, and none of /\\. \"$*<>:|? and NUL in it; choose another name",
        ));
    }
    Ok(client.database(name))
}

/// With TLS, rustls panics where the process has no provider by default and two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails where the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
