//! Where a store's client and database come from.

use std::fmt;
use std::time::Duration;

use mongodb::options::{ClientOptions, DatabaseOptions, WriteConcern};
use mongodb::{Client, Database};
use session_store_core::backend::StoreOptions;
use session_store_core::{Error, Result};

use crate::error;
use crate::identifiers::check_database;

/// The MongoDB deployment of a store: a server, a replica set or a sharded cluster.
///
/// It is made of a URL, of a [`Client`] or of a [`Database`]. `Debug` shows no address and no password.
pub struct MongoEndpoint(Source);

enum Source {
    Url(String),
    Client(Client),
    Database(Database),
}

impl From<&str> for MongoEndpoint {
    fn from(url: &str) -> Self {
        url.to_owned().into()
    }
}

impl From<String> for MongoEndpoint {
    fn from(url: String) -> Self {
        Self(Source::Url(url))
    }
}

impl From<Client> for MongoEndpoint {
    fn from(client: Client) -> Self {
        Self(Source::Client(client))
    }
}

impl From<Database> for MongoEndpoint {
    fn from(database: Database) -> Self {
        Self(Source::Database(database))
    }
}

impl fmt::Debug for MongoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Url(_) => "MongoEndpoint(URL)",
            Source::Client(_) => "MongoEndpoint(Client)",
            Source::Database(_) => "MongoEndpoint(Database)",
        })
    }
}

/// A database, and the client to close with the store.
pub(crate) struct Opened {
    pub(crate) database: Database,
    /// The client, if the store made it.
    pub(crate) own: Option<Client>,
    /// How many connections the store may use at once.
    pub(crate) connections: u32,
}

/// How many connections a client of the store's own has, unless the builder or the URL sets another number.
const CONNECTIONS_OF_OWN: u32 = 16;
/// How many the driver gives a client.
const CONNECTIONS_OF_DRIVER: u32 = 10;

/// How often the driver checks its servers. Its default is 10 seconds: connections to a server that does not answer would
/// stay in use for as long.
const HEARTBEAT: Duration = Duration::from_secs(2);

impl MongoEndpoint {
    /// Opens the database. A setting of the URL, or of the given client or database, takes precedence.
    pub(crate) async fn open(
        &self,
        name: Option<&str>,
        connections: Option<u32>,
        options: &StoreOptions,
    ) -> Result<Opened> {
        let of_given = connections.unwrap_or(CONNECTIONS_OF_DRIVER);
        let (client, own, connections) = match &self.0 {
            Source::Database(database) => {
                let database = match name {
                    None => database.clone(),
                    Some(name) => database_of(database.client(), name, database.write_concern())?,
                };
                return Ok(Opened { database, own: None, connections: of_given });
            }
            Source::Client(client) => (client.clone(), None, of_given),
            Source::Url(url) => {
                let (client, connections) = connect(url, connections.unwrap_or(CONNECTIONS_OF_OWN), options).await?;
                (client.clone(), Some(client), connections)
            }
        };
        let of_url = client.default_database();
        let name = name.or(of_url.as_ref().map(Database::name)).ok_or_else(|| {
            Error::config("no database is named; add it to the URL, as in mongodb://host/database, or set it")
        })?;
        Ok(Opened { database: database_of(&client, name, client.write_concern())?, own, connections })
    }
}

async fn connect(url: &str, connections: u32, options: &StoreOptions) -> Result<(Client, u32)> {
    install_tls_provider();
    let mut settings = ClientOptions::parse(url).await.map_err(error::Error::Driver)?;
    let connections = settings.max_pool_size.unwrap_or(connections);
    if connections == 0 {
        return Err(Error::config("a store has 1 connection at least; set another `maxPoolSize` in the URL"));
    }
    // The store limits the number itself, so that nobody waits inside the driver: neither for a free connection nor for
    // new ones. There are more only until dead ones are detected.
    settings.max_pool_size = Some(u32::MAX);
    settings.max_connecting = Some(u32::MAX);
    settings.connect_timeout.get_or_insert(options.connect_timeout);
    settings.heartbeat_freq.get_or_insert(HEARTBEAT);
    // An operation that finds no primary then ends by this error and not by its own timeout: nothing was sent.
    let selection = options.connect_timeout.min(options.operation_timeout * 3 / 4);
    settings.server_selection_timeout.get_or_insert(selection);
    let client = Client::with_options(settings).map_err(error::Error::Driver)?;
    Ok((client, connections))
}

fn database_of(client: &Client, name: &str, concern: Option<&WriteConcern>) -> Result<Database> {
    check_database(name)?;
    let options = DatabaseOptions::builder().write_concern(concern.cloned()).build();
    Ok(client.database_with_options(name, options))
}

/// With TLS, rustls panics if the process has no default provider and two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails if the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
