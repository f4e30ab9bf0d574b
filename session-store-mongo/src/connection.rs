//! How a command is sent.

use std::fmt;

use futures_util::StreamExt as _;
use mongodb::bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf};
use mongodb::error::Error as Driver;
use mongodb::options::WriteConcern;
use mongodb::raw_batch_cursor::RawBatch;
use mongodb::{Client, Collection, Database};
use session_store_core::backend::Call;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::error::Error;
use crate::protocol::reply::{is_key_taken, read_refusals, read_removed, read_write_concern_error};

/// The connections to a collection.
pub(crate) struct Connection {
    database: Database,
    collection: Collection<Document>,
    write_concern: WriteConcern,
    /// The client, if the store made it.
    own: Option<Client>,
    /// As many as there are connections. Nobody must wait for one in the driver, which serves callers that have gone
    /// away, and does not report whether a command was sent.
    permits: Semaphore,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(
        database: Database,
        collection: &str,
        write_concern: WriteConcern,
        own: Option<Client>,
        connections: u32,
    ) -> Self {
        let permits = Semaphore::new(connections.try_into().unwrap_or(Semaphore::MAX_PERMITS));
        Self { collection: database.collection(collection), database, write_concern, own, permits }
    }

    async fn permit(&self, call: &Call) -> Result<SemaphorePermit<'_>, Error> {
        match call.deadline().limit(self.permits.acquire()).await {
            Some(Ok(permit)) => Ok(permit),
            _ => Err(Error::NoFreeConnection),
        }
    }

    /// Runs a command that writes. A part of it may have been refused.
    pub(crate) async fn write(&self, call: &Call, command: RawDocumentBuf) -> Result<Document, Error> {
        let _permit = self.permit(call).await?;
        call.mark_sent();
        let reply = unlogged(self.database.run_raw_command(command).into_future()).await?;
        match read_write_concern_error(&reply) {
            Some(code) => Err(Error::WriteConcern { code }),
            None => Ok(reply),
        }
    }

    /// Runs a command that removes documents. Returns how many.
    pub(crate) async fn remove(&self, call: &Call, command: RawDocumentBuf) -> Result<u64, Error> {
        let reply = self.write(call, command).await?;
        match read_refusals(&reply)?.first() {
            Some(refusal) => Err(Error::Removal { code: refusal.code }),
            None => read_removed(&reply),
        }
    }

    /// Updates one document by the driver's own method. Returns whether there was one, and its new key was free.
    ///
    /// The method makes it a retryable write: the server recognizes one that arrives twice, and a mongos requires one if a
    /// new key moves the document to another shard.
    pub(crate) async fn update_one(&self, call: &Call, filter: Document, stages: Vec<Document>) -> Result<bool, Error> {
        let _permit = self.permit(call).await?;
        call.mark_sent();
        let update = self.collection.update_one(filter, stages).write_concern(self.write_concern.clone());
        match unlogged(update.into_future()).await {
            Ok(done) => Ok(done.matched_count == 1),
            Err(Error::Driver(error)) if is_key_taken(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a command that returns documents.
    pub(crate) async fn read(&self, call: &Call, command: RawDocumentBuf) -> Result<Documents, Error> {
        let _permit = self.permit(call).await?;
        documents(&self.database, command).await
    }

    /// Closes the client, if the store made it.
    pub(crate) async fn close(&self) {
        if let Some(client) = &self.own {
            client.clone().shutdown().immediate(true).into_future().with_subscriber(NoSubscriber::default()).await;
        }
    }
}

/// Runs a command that returns documents.
pub(crate) async fn documents(database: &Database, command: RawDocumentBuf) -> Result<Documents, Error> {
    unlogged(async {
        let mut cursor = database.run_raw_cursor_command(command).batch().await?;
        let mut batches = Vec::new();
        while let Some(batch) = cursor.next().await {
            batches.push(batch?);
        }
        Ok(Documents(batches))
    })
    .await
}

/// Waits for the driver, which must not log: its commands contain keys (clause E2).
async fn unlogged<T>(running: impl Future<Output = Result<T, Driver>>) -> Result<T, Error> {
    running.with_subscriber(NoSubscriber::default()).await.map_err(Error::Driver)
}

/// The answer to a read.
pub(crate) struct Documents(Vec<RawBatch>);

impl Documents {
    /// Returns all documents, in their order.
    pub(crate) fn all(&self) -> Result<Vec<&RawDocument>, Error> {
        let mut all = Vec::new();
        for batch in &self.0 {
            for document in batch.doc_slices().map_err(|_| Error::UnexpectedAnswer)? {
                all.push(document.ok().and_then(RawBsonRef::as_document).ok_or(Error::UnexpectedAnswer)?);
            }
        }
        Ok(all)
    }
}
