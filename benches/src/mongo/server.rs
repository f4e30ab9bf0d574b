//! The server that all subjects share.

use session_store_mongo::mongodb::bson::{Bson, Document, doc};
use session_store_mongo::mongodb::options::{ClientOptions, WriteConcern};
use session_store_mongo::mongodb::{Client, Database};
use testkit::servers::MongoServer;

use super::POOL;
use crate::costs::Bytes;
use crate::meter::Meter;
use crate::result::Result;

pub(super) struct Server {
    own: MongoServer,
    url: String,
    client: Client,
}

/// Large enough for all sessions, and a journal as MongoDB has it.
const OPTIONS: [&str; 4] = ["--wiredTigerCacheSizeGB", "3", "--wiredTigerEngineConfigString", "log=(file_max=100MB)"];

/// How every write is acknowledged, as is the store's rule.
fn concern() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern
}

impl Server {
    pub(super) async fn start() -> Result<Self> {
        let own = MongoServer::start(&OPTIONS).await?;
        let url = own.url();
        let mut options = ClientOptions::parse(&url).await?;
        options.max_pool_size = Some(POOL);
        options.write_concern = Some(concern());
        Ok(Self { own, url, client: Client::with_options(options)? })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::of_server(self.own.folder())
    }

    pub(super) fn database(&self, name: &str) -> Database {
        self.client.database(name)
    }

    async fn ask(&self, command: Document) -> Result<Document> {
        Ok(self.database("admin").run_command(command).await?)
    }

    /// Which MongoDB it is.
    pub(super) async fn release(&self) -> Result<String> {
        let info = self.ask(doc! { "buildInfo": 1 }).await?;
        Ok(format!("MongoDB {}, standalone; writes with w: majority, j: true", info.get_str("version")?))
    }

    /// What is in a database, and its indexes.
    pub(super) fn size<'s>(&'s self, database: &'s str) -> Size<'s> {
        Size { server: self, database }
    }

    /// The journal.
    pub(super) fn log(&self) -> Log<'_> {
        Log(self)
    }
}

pub(super) struct Size<'s> {
    server: &'s Server,
    database: &'s str,
}

impl Bytes for Size<'_> {
    async fn bytes(&self) -> Result<f64> {
        // Its files are as long as they will be when all has been written there.
        self.server.ask(doc! { "fsync": 1 }).await?;
        let stats = self.server.database(self.database).run_command(doc! { "dbStats": 1 }).await?;
        Ok(number(&stats, "storageSize")? + number(&stats, "indexSize")?)
    }
}

pub(super) struct Log<'s>(&'s Server);

impl Bytes for Log<'_> {
    async fn bytes(&self) -> Result<f64> {
        let status = self.0.ask(doc! { "serverStatus": 1 }).await?;
        number(status.get_document("wiredTiger")?.get_document("log")?, "log bytes written")
    }
}

fn number(document: &Document, name: &str) -> Result<f64> {
    match document.get(name) {
        Some(Bson::Double(number)) => Ok(*number),
        Some(Bson::Int32(number)) => Ok(f64::from(*number)),
        Some(Bson::Int64(number)) => Ok(number.to_string().parse()?),
        _ => Err(format!("the server does not tell its {name}").into()),
    }
}
