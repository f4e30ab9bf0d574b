//! The store's protocol: which statements an operation is, and what their answers mean.

use std::fmt;

use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Failure, Group, ListPage, Lookup, Rotate, ScannedPage, StoreOptions,
    Verdict,
};
use session_store_core::{IfChanged, SessionKey, UserId, async_trait};
use sqlx::sqlite::SqliteConnection;

use crate::connection::Connections;
use crate::error::{Error, classify};
use crate::protocol::change::Sessions;
use crate::protocol::{LARGEST_BATCH, Statements, bulk, read};

/// The protocol of a [`SqliteStore`](crate::SqliteStore): statements and connections.
pub struct SqliteBackend {
    connections: Connections,
    statements: Statements,
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl SqliteBackend {
    pub(crate) fn new(connections: Connections, statements: Statements) -> Self {
        Self { connections, statements }
    }

    /// Decides and writes changes in one transaction.
    async fn change(&self, call: &Call, changes: &[Change]) -> Result<Vec<Verdict>, Error> {
        let mut writer = self.connections.transaction().await?;
        let changed = self.change_with(writer.connection()?, call, changes).await;
        writer.end(changed.as_ref().err()).await;
        changed
    }

    async fn change_with(
        &self,
        connection: &mut SqliteConnection,
        call: &Call,
        changes: &[Change],
    ) -> Result<Vec<Verdict>, Error> {
        let mut sessions = Sessions::begin(&mut *connection, &self.statements, changes).await?;
        let verdicts = changes.iter().map(|change| sessions.change(change)).collect();
        let has_held = sessions.commit(connection, &self.statements, || call.mark_sent()).await?;
        Ok(if has_held { verdicts } else { changes.iter().map(|_| Verdict::Busy).collect() })
    }
}

/// The batches of the options, as far as one statement can serve them.
fn group(options: &StoreOptions) -> Group {
    Group::batched(options).with_batch_size_at_most(LARGEST_BATCH)
}

#[async_trait]
impl Backend for SqliteBackend {
    const NAME: &'static str = "sqlite";
    /// A transaction holds the lock of the whole file, and may have several changes of a session.
    const ONE_CHANGE_PER_KEY: bool = false;

    type Error = Error;
    type Cursor = SessionKey;

    fn classify(&self, error: &Error) -> Failure {
        classify(error)
    }

    fn read_group(&self, options: &StoreOptions) -> Group {
        group(options)
    }

    /// One transaction at a time: there is one connection that writes.
    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        vec![group(options).with_in_flight(1)]
    }

    async fn read(&self, _call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, Error>>, Error> {
        read::read(&mut self.connections.reader().await?.sqlite, &self.statements, lookups).await
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, Error>>, Error> {
        Ok(self.change(call, changes).await?.into_iter().map(Ok).collect())
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict, Error> {
        let verdicts = self.change(call, &[Change::Rotate(rotate.clone())]).await?;
        verdicts.into_iter().next().ok_or(Error::UnexpectedAnswer)
    }

    async fn list_page(
        &self,
        _call: &Call,
        user: &UserId,
        after: Option<&SessionKey>,
        cursor: Option<&SessionKey>,
        limit: u32,
    ) -> Result<ListPage<SessionKey>, Error> {
        let after = cursor.or(after).map(|key| &key.as_bytes()[..]);
        bulk::list(&mut self.connections.reader().await?.sqlite, &self.statements, user, after, limit).await
    }

    async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        _cursor: Option<&SessionKey>,
    ) -> Result<BulkPage<SessionKey>, Error> {
        let mut writer = self.connections.writer().await?;
        call.mark_sent();
        bulk::destroy_by_user(&mut writer.sqlite, &self.statements, user, except).await
    }

    async fn prune_page(
        &self,
        call: &Call,
        _cursor: Option<&SessionKey>,
        limit: u32,
    ) -> Result<BulkPage<SessionKey>, Error> {
        let mut writer = self.connections.writer().await?;
        call.mark_sent();
        let page = bulk::prune(&mut writer.sqlite, &self.statements, limit).await?;
        if page.removed > 0 {
            // What was pruned is gone, whatever becomes of this.
            let _ = bulk::shrink(&mut writer.sqlite).await;
        }
        Ok(page)
    }

    async fn count_page(&self, _call: &Call, cursor: Option<&SessionKey>) -> Result<CountPage<SessionKey>, Error> {
        bulk::count_live(&mut self.connections.reader().await?.sqlite, &self.statements, cursor).await
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&SessionKey>) -> Result<BulkPage<SessionKey>, Error> {
        let mut writer = self.connections.writer().await?;
        call.mark_sent();
        bulk::clear(&mut writer.sqlite, &self.statements, cursor).await
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        bytes.len() == SessionKey::LEN
    }

    async fn scan_page(&self, _call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage, Error> {
        bulk::scan(&mut self.connections.reader().await?.sqlite, &self.statements, from, limit).await
    }

    async fn ping(&self, _call: &Call) -> Result<(), Error> {
        bulk::ping(&mut self.connections.reader().await?.sqlite, &self.statements).await
    }

    async fn close(&self, call: &Call) {
        self.connections.close(call.deadline()).await;
    }
}
