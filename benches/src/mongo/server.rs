//! The server that all subjects share.

use conformance_tests::servers::MongoServer;
use session_store_core::{SessionId, SessionKey};
use session_store_mongo::mongodb::bson::doc;
use session_store_mongo::mongodb::options::{ClientOptions, WriteConcern};
use session_store_mongo::mongodb::{Client, Database};

use super::POOL;
use crate::measure::Result;

/// A server, and databases of this run's own in it.
pub(super) struct Server {
    url: String,
    database: Database,
    /// Ends with this program.
    own: Option<MongoServer>,
}

/// Large enough for all sessions, as that of a server of one's own is.
const CACHE: [&str; 2] = ["--wiredTigerCacheSizeGB", "2"];

/// How every write is acknowledged, as is the store's rule.
fn concern() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern
}

impl Server {
    /// The one of this URL, else one of this program's own.
    pub(super) async fn find_or_start(named: Option<&str>) -> Result<Self> {
        let own = if named.is_none() { Some(MongoServer::start(&CACHE).await?) } else { None };
        let url = named.map(str::to_owned).or_else(|| own.as_ref().map(MongoServer::url)).unwrap_or_default();
        let mut options = ClientOptions::parse(&url).await?;
        options.max_pool_size = Some(POOL);
        options.write_concern = Some(concern());
        let random = SessionKey::from(&SessionId::generate()?);
        let name =
            random.as_bytes().iter().take(6).fold("benches_".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        Ok(Self { url, database: Client::with_options(options)?.database(&name), own })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// For the peer, whose collection is always called `sessions`.
    pub(super) fn peers_database(&self) -> String {
        format!("{}_peer", self.database.name())
    }

    /// Which MongoDB it is, and whose.
    pub(super) async fn release(&self) -> Result<String> {
        let info = self.database.run_command(doc! { "buildInfo": 1 }).await?;
        let hello = self.database.run_command(doc! { "hello": 1 }).await?;
        let kind = if hello.contains_key("setName") { "replica set" } else { "standalone" };
        let whose = if self.own.is_some() { "started for this run" } else { "named by its URL" };
        Ok(format!("MongoDB {}, {kind}, {whose}; writes with w: majority, j: true", info.get_str("version")?))
    }

    /// Removes the databases with all that is in them.
    pub(super) async fn remove(&self) -> Result {
        self.database.client().database(&self.peers_database()).drop().await?;
        Ok(self.database.drop().await?)
    }
}
