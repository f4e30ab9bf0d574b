//! Where a store's client and database come from.

use std::fmt;
use std::time::Duration;

use mongodb::options::{ClientOptions, DatabaseOptions, WriteConcern};
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

/// The way to a database.
pub(crate) struct Connected {
    pub(crate) database: Database,
    /// The client, where it is the store's own.
    pub(crate) own: Option<Client>,
    /// How many connections there may be.
    pub(crate) connections: u32,
}

impl Server {
    /// The settings count where neither the URL nor a given client or database says otherwise.
    pub(crate) async fn connected(
        &self,
        named: Option<&str>,
        connections: Option<u32>,
        timeouts: &Timeouts,
    ) -> Result<Connected> {
        let of_given = connections.unwrap_or(OF_DRIVER);
        let (client, own, connections) = match &self.0 {
            Source::Database(database) => {
                let database = match named {
                    None => database.clone(),
                    Some(name) => with_name(database.client(), name, database.write_concern())?,
                };
                return Ok(Connected { database, own: None, connections: of_given });
            }
            Source::Client(client) => (client.clone(), None, of_given),
            Source::Url(url) => {
                let (client, connections) = connect(url, connections.unwrap_or(OF_OWN), timeouts).await?;
                (client.clone(), Some(client), connections)
            }
        };
        let of_url = client.default_database();
        let name = named.or(of_url.as_ref().map(Database::name)).ok_or_else(|| {
            Error::config("no database is named; add it to the URL, as in mongodb://host/database, or set it")
        })?;
        Ok(Connected { database: with_name(&client, name, client.write_concern())?, own, connections })
    }
}

/// Unless set, and unless the URL says, a client has so many connections.
const OF_OWN: u32 = 16;
/// One that the driver makes by itself has so many.
const OF_DRIVER: u32 = 10;

/// How often the driver looks after its servers; unless told, it does so every 10 seconds, and as long may connections
/// stay dead that nobody answers.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What the URL says goes before the settings.
async fn connect(url: &str, connections: u32, timeouts: &Timeouts) -> Result<(Client, u32)> {
    install_tls_provider();
    let mut options = ClientOptions::parse(url).await.map_err(|error| from_mongo(&error))?;
    let connections = options.max_pool_size.unwrap_or(connections);
    if connections == 0 {
        return Err(Error::config("a store has 1 connection at least; set another `maxPoolSize` in the URL"));
    }
    // The store itself sees to the number, so that nobody waits inside the driver: not for a connection, and not for
    // others to be made. There are more only while dead ones are found out.
    options.max_pool_size = Some(u32::MAX);
    options.max_connecting = Some(u32::MAX);
    options.connect_timeout.get_or_insert(timeouts.connect);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    // So that an operation that finds no primary ends by that, and not by its own timeout: nothing was sent.
    options.server_selection_timeout.get_or_insert(timeouts.connect.min(timeouts.operation * 3 / 4));
    let client = Client::with_options(options).map_err(|error| from_mongo(&error))?;
    Ok((client, connections))
}

/// The database of this name. The driver takes any, and the server's refusal would come later.
fn with_name(client: &Client, name: &str, concern: Option<&WriteConcern>) -> Result<Database> {
    let is_refused = |character: char| "/\\. \"$*<>:|?\0".contains(character);
    if !(1..=63).contains(&name.len()) || name.chars().any(is_refused) {
        return Err(Error::config(
            "a MongoDB database's name has 1 to 63 bytes, and none of /\\. \"$*<>:|? and NUL in it; choose another name",
        ));
    }
    let options = DatabaseOptions::builder().write_concern(concern.cloned()).build();
    Ok(client.database_with_options(name, options))
}

/// With TLS, rustls panics where the process has no provider by default and two to choose from.
fn install_tls_provider() {
    #[cfg(feature = "tls")]
    {
        // It fails where the application has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
