//! What a database holds of a place, and the end of it.

use futures_util::TryStreamExt as _;
use redis::aio::MultiplexedConnection;
use session_store_mongo::mongodb::bson::{RawDocumentBuf, doc};
use session_store_mongo::mongodb::{Client, Collection};
use session_store_postgres::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection};

use crate::namespace_fixture::{DATABASE, Kind, NamespaceFixture};

impl NamespaceFixture {
    /// All that the database holds of it, as it holds it: keys and values, rows as text, documents.
    pub(crate) async fn dump(&self) -> Vec<Vec<u8>> {
        match self.kind {
            Kind::Memory => Vec::new(),
            Kind::Redis => self.redis_dump().await,
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                let rows = format!("SELECT row::text FROM {} AS row", self.namespace);
                let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
                rows.into_iter().map(String::into_bytes).collect()
            }
            Kind::Mongo => {
                let documents = self.collection().await.find(doc! {}).await.unwrap();
                let documents: Vec<_> = documents.try_collect().await.unwrap();
                documents.into_iter().map(RawDocumentBuf::into_bytes).collect()
            }
        }
    }

    pub(crate) async fn remove(&self) {
        match self.kind {
            Kind::Memory => {}
            Kind::Redis => {
                let mut connection = self.connection().await;
                for key in self.redis_keys(&mut connection).await {
                    redis::cmd("UNLINK").arg(key).query_async::<u64>(&mut connection).await.unwrap();
                }
            }
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                let drop = format!("DROP TABLE IF EXISTS {}", self.namespace);
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
            }
            Kind::Mongo => self.collection().await.drop().await.unwrap(),
        }
    }

    async fn collection(&self) -> Collection<RawDocumentBuf> {
        Client::with_uri_str(&self.url).await.unwrap().database(DATABASE).collection(&self.namespace)
    }

    async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn redis_keys(&self, connection: &mut MultiplexedConnection) -> Vec<Vec<u8>> {
        let (mut cursor, mut keys) = (0_u64, Vec::new());
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.namespace)).arg("COUNT").arg(10_000);
            let (next, some): (u64, Vec<Vec<u8>>) = scan.query_async(connection).await.unwrap();
            keys.extend(some);
            if next == 0 {
                return keys;
            }
            cursor = next;
        }
    }

    /// A record is a string, an index a sorted set.
    async fn redis_dump(&self) -> Vec<Vec<u8>> {
        let mut connection = self.connection().await;
        let mut all = Vec::new();
        for key in self.redis_keys(&mut connection).await {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
            let value: Vec<Vec<u8>> = match kind.as_str() {
                "string" => vec![redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap()],
                "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query_async(&mut connection).await.unwrap(),
                other => panic!("a {other}"),
            };
            all.push(key);
            all.extend(value);
        }
        all
    }
}
