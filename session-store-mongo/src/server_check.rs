//! What `build` requires of the server and the collection.

use mongodb::Database;
use mongodb::bson::{Document, doc, rawdoc};
use session_store_core::backend::{Deadline, retry};

use crate::connection::documents;
use crate::error::{Error, classify};
use crate::record::number;
use crate::schema;

/// The wire version of MongoDB 5.0.
const WIRE_VERSION: i32 = 13;

/// Refuses a server that is too old.
pub(crate) async fn check_server(database: &Database, deadline: Deadline) -> Result<(), Error> {
    let hello = run(database, &doc! { "hello": 1 }, deadline).await?;
    let version = hello.get("maxWireVersion").and_then(number);
    if version.is_some_and(|version| version >= WIRE_VERSION) { Ok(()) } else { Err(Error::TooOld) }
}

/// Creates the indexes, and the collection, if they are not there.
pub(crate) async fn ensure_indexes(database: &Database, collection: &str, deadline: Deadline) -> Result<(), Error> {
    run(database, &schema::creation(collection), deadline).await.map(drop)
}

/// Refuses a collection that lacks an index of the store's, or has another one in its place.
pub(crate) async fn check_indexes(database: &Database, collection: &str, deadline: Deadline) -> Result<(), Error> {
    let list = || documents(database, rawdoc! { "listIndexes": collection });
    let listed = repeat(deadline, list).await?;
    let listed = listed.all()?.into_iter().map(|index| Document::try_from(index).map_err(|_| Error::UnexpectedAnswer));
    schema::compare(&listed.collect::<Result<Vec<_>, _>>()?)
}

async fn run(database: &Database, command: &Document, deadline: Deadline) -> Result<Document, Error> {
    repeat(deadline, || async { database.run_command(command.clone()).await.map_err(Error::Driver) }).await
}

/// Repeats a step if the given client has a dead connection. Each step does nothing the second time.
async fn repeat<T, Running>(deadline: Deadline, step: impl Fn() -> Running) -> Result<T, Error>
where
    Running: Future<Output = Result<T, Error>>,
{
    retry(deadline, classify, step).await?.ok_or(Error::NoPrimary)
}
