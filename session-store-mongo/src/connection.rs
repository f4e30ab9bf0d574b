//! How a command is sent, and sent again.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::StreamExt as _;
use mongodb::bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf};
use mongodb::error::Error as Driver;
use mongodb::raw_batch_cursor::RawBatch;
use mongodb::{Client, Database};
use session_store_core::{Error, ErrorKind, Pauses, Result, Timeouts};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::command::Commands;
use crate::error::{Remedy, closed, from_code, from_mongo, from_write_concern, remedy, unexpected};
use crate::reply::{refusals, removed, write_concern_error};

/// Whether a command changes anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Read,
    Write,
}

const NO_PERMIT: &str = "no connection to the MongoDB server came free in time; give the store more connections";

/// The way to the collection.
pub(crate) struct Link {
    pub(crate) database: Database,
    /// The client, where it is the store's own.
    pub(crate) own: Option<Client>,
    pub(crate) commands: Commands,
    /// As many as there are connections: nobody is to wait for one in the driver, which forgets who has gone away, and
    /// does not tell whether a command was sent.
    pub(crate) permits: Semaphore,
    pub(crate) is_closed: AtomicBool,
    pub(crate) timeouts: Timeouts,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

impl Link {
    /// Takes no more commands, also where the client goes on; the store's own ends.
    pub(crate) async fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        if let Some(client) = &self.own {
            let end = client.clone().shutdown().immediate(true);
            // It has no time of its own.
            let _ = timeout_at(self.timeouts.deadline().into(), end.into_future()).await;
        }
    }

    /// Runs a command that gives one reply, in which a part of it may have been refused.
    pub(crate) async fn reply(&self, command: RawDocumentBuf, effect: Effect, deadline: Instant) -> Result<Document> {
        let reply =
            self.repeat(effect, deadline, || self.database.run_raw_command(command.clone()).into_future()).await?;
        match write_concern_error(&reply) {
            Some(code) => Err(from_write_concern(code)),
            None => Ok(reply),
        }
    }

    /// Runs a command that removes documents, and tells how many.
    pub(crate) async fn remove(&self, command: RawDocumentBuf, deadline: Instant) -> Result<u64> {
        let reply = self.reply(command, Effect::Write, deadline).await?;
        if let Some(refusal) = refusals(&reply)?.first() {
            // Of many documents, some may be gone already.
            return Err(from_code(refusal.code).with_outcome_unknown());
        }
        removed(&reply)
    }

    /// Runs a command that gives documents.
    pub(crate) async fn read(&self, command: RawDocumentBuf, deadline: Instant) -> Result<Documents> {
        self.repeat(Effect::Read, deadline, || self.documents(command.clone())).await.map(Documents)
    }

    async fn documents(&self, command: RawDocumentBuf) -> Result<Vec<RawBatch>, Driver> {
        let mut cursor = self.database.run_raw_cursor_command(command).batch().await?;
        let mut batches = Vec::new();
        while let Some(batch) = cursor.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Sends a command, once more where it has changed nothing for certain, within the deadline (clause K3).
    pub(crate) async fn repeat<T, Running>(
        &self,
        effect: Effect,
        deadline: Instant,
        command: impl Fn() -> Running + Send + Sync,
    ) -> Result<T>
    where
        Running: Future<Output = Result<T, Driver>> + Send,
    {
        let mut pauses = Pauses::until(deadline);
        loop {
            if self.is_closed.load(Ordering::Relaxed) {
                return Err(closed());
            }
            let Ok(permit) = timeout_at(deadline.into(), self.permits.acquire()).await else {
                return Err(Error::new(ErrorKind::Timeout, NO_PERMIT));
            };
            // The driver may log commands, and these have keys in them (clause E2).
            let running = command().with_subscriber(NoSubscriber::default());
            let answer = timeout_at(deadline.into(), running).await;
            drop(permit);
            let Ok(answer) = answer else {
                let error = Error::new(ErrorKind::Timeout, "no answer from the MongoDB server in time");
                return Err(if effect == Effect::Write { error.with_outcome_unknown() } else { error });
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let remedy = remedy(&error);
            let is_vague_write = remedy == Remedy::Vague && effect == Effect::Write;
            if is_vague_write || remedy == Remedy::None || pauses.are_over() {
                let converted = from_mongo(&error);
                return Err(if is_vague_write { converted.with_outcome_unknown() } else { converted });
            }
            pauses.pause().await;
        }
    }
}

/// What a read gave.
pub(crate) struct Documents(Vec<RawBatch>);

impl Documents {
    /// All of them, in their order.
    pub(crate) fn all(&self) -> Result<Vec<&RawDocument>> {
        let mut all = Vec::new();
        for batch in &self.0 {
            for document in batch.doc_slices().map_err(|_| unexpected())? {
                all.push(document.ok().and_then(RawBsonRef::as_document).ok_or_else(unexpected)?);
            }
        }
        Ok(all)
    }
}
