//! The store's protocol: which statement an operation is, and what its answer means.

use std::fmt;
use std::sync::Arc;

use session_store_core::backend::{
    Backend, BulkPage, Call, Change, CountPage, Failure, Group, ListPage, Lookup, Rotate, ScannedPage, StoreOptions,
    Verdict,
};
use session_store_core::{IfChanged, SessionKey, UserId, async_trait};
use sqlx::postgres::PgRow;

use crate::connection::Connections;
use crate::error::{CANCELLED, DUPLICATE_KEY, Error, LOCK_TIMEOUT, classify};
use crate::protocol::{Statement, Statements, bulk, change, read};
use crate::value::{LOCK_MARGIN, Value};

/// The protocol of a [`PostgresStore`](crate::PostgresStore): statements and connections.
pub struct PostgresBackend {
    connections: Connections,
    statements: Statements,
}

/// The groups of changes that share statements.
const SETS: usize = 0;
const TOUCHES: usize = 1;
const DESTROYS: usize = 2;
const IMPORTS: usize = 3;
const GROUPS: usize = 4;

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBackend").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl PostgresBackend {
    pub(crate) fn new(connections: Connections, statements: Statements) -> Self {
        Self { connections, statements }
    }

    /// Runs a statement for as many sessions as its arrays have elements.
    async fn rows(&self, call: &Call, statement: &Statement, values: &[Value<'_>]) -> Result<Vec<PgRow>, Error> {
        match values.iter().map(Value::single).collect::<Option<Vec<_>>>() {
            Some(values) => self.connections.rows(call, &statement.one, &values).await,
            None => self.connections.rows(call, &statement.many, values).await,
        }
    }

    /// Runs a statement that returns one row.
    async fn row(&self, call: &Call, sql: &Arc<str>, values: &[Value<'_>]) -> Result<PgRow, Error> {
        let rows = self.connections.rows(call, sql, values).await?;
        rows.into_iter().next().ok_or(Error::UnexpectedAnswer)
    }
}

/// Returns whether a statement about one session waits for its row. In the last moments before the deadline it does
/// not: the lock timeout would be a server error, after which no time is left.
fn waits(call: &Call) -> bool {
    call.may_wait() && call.remaining() > LOCK_MARGIN + LOCK_MARGIN / 2
}

/// Returns whether a statement about one session gave up because somebody else holds its row.
fn is_held(error: &Error, waits: bool) -> bool {
    // A `statement_timeout` of the role's may end the wait before the lock timeout does.
    error.has_code(LOCK_TIMEOUT) || (waits && error.has_code(CANCELLED))
}

fn bytes(bytes: &(impl AsRef<[u8]> + ?Sized)) -> Value<'_> {
    Value::Bytes(Some(bytes.as_ref()))
}

/// Returns the key to begin after: the cursor's, or before all keys.
fn after(cursor: Option<&Vec<u8>>) -> Value<'_> {
    Value::Bytes(Some(cursor.map_or(&[][..], |key| key)))
}

fn rows_at_most(count: u32) -> Value<'static> {
    Value::Int(i64::from(count))
}

#[async_trait]
impl Backend for PostgresBackend {
    const NAME: &'static str = "postgres";
    const ONE_CHANGE_PER_KEY: bool = true;

    type Error = Error;
    /// The last key of a page, which may be of any length if the row is corrupt.
    type Cursor = Vec<u8>;

    fn classify(&self, error: &Error) -> Failure {
        classify(error)
    }

    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        vec![Group::batched(options); GROUPS]
    }

    fn group(&self, change: &Change) -> usize {
        match change {
            Change::Set(_) => SETS,
            Change::Touch(_) => TOUCHES,
            Change::Destroy(_) => DESTROYS,
            Change::Import(_) | Change::Rotate(_) => IMPORTS,
        }
    }

    /// A quarter of the connections. A store that has only one cannot spare it.
    fn lone_statements(&self) -> usize {
        match self.connections.max_size() {
            0 | 1 => 0,
            connections => (connections / 4).max(1),
        }
    }

    async fn read(&self, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, Error>>, Error> {
        let (statement, values) = read::statement(&self.statements, lookups);
        read::answers(lookups, &self.rows(call, statement, &values).await?)
    }

    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, Error>>, Error> {
        let Some((forms, values)) = change::statement(&self.statements, changes) else {
            return Err(Error::UnexpectedAnswer);
        };
        let waits = waits(call) && changes.len() == 1;
        let rows = if waits {
            let values = values.iter().filter_map(Value::single).collect();
            let values = change::with_lock_timeout(values, call.deadline());
            self.connections.rows(call, &forms.waiting, &values).await
        } else {
            self.rows(call, &forms.skipping, &values).await
        };
        match rows {
            // Of a batch, it is an error, which has the batch halved, so that its neighbours do not wait.
            Err(error) if changes.len() == 1 && is_held(&error, waits) => Ok(vec![Ok(Verdict::Busy)]),
            rows => change::verdicts(changes, &rows?),
        }
    }

    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict, Error> {
        let (values, waits) = (change::rotate_values(rotate), waits(call));
        let row = if waits {
            let values = change::with_lock_timeout(values, call.deadline());
            self.row(call, &self.statements.rotate_waiting, &values).await
        } else {
            self.row(call, &self.statements.rotate, &values).await
        };
        match row {
            Ok(row) => change::verdict(&row, 0),
            Err(error) if is_held(&error, waits) => Ok(Verdict::Busy),
            Err(Error::Statement(error)) if crate::error::has_code(&error, DUPLICATE_KEY) => Err(Error::Raced(error)),
            Err(error) => Err(error),
        }
    }

    async fn list_page(
        &self,
        call: &Call,
        user: &UserId,
        after: Option<&SessionKey>,
        cursor: Option<&Vec<u8>>,
        limit: u32,
    ) -> Result<ListPage<Vec<u8>>, Error> {
        let after = cursor.map(Vec::as_slice).or(after.map(|key| &key.as_bytes()[..])).unwrap_or_default();
        let values = [bytes(user.as_str()), bytes(after), rows_at_most(limit)];
        bulk::list_page(&self.connections.rows(call, &self.statements.list, &values).await?, limit)
    }

    async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        _cursor: Option<&Vec<u8>>,
    ) -> Result<BulkPage<Vec<u8>>, Error> {
        let except = except.map_or(&[][..], |key| key.as_bytes());
        let values = [bytes(user.as_str()), bytes(except), rows_at_most(bulk::PIECE)];
        bulk::destroy_page(&self.row(call, &self.statements.destroy_by_user, &values).await?)
    }

    async fn prune_page(&self, call: &Call, _cursor: Option<&Vec<u8>>, limit: u32) -> Result<BulkPage<Vec<u8>>, Error> {
        let values = [rows_at_most(limit.min(bulk::PIECE))];
        bulk::prune_page(&self.row(call, &self.statements.prune, &values).await?)
    }

    async fn count_page(&self, call: &Call, cursor: Option<&Vec<u8>>) -> Result<CountPage<Vec<u8>>, Error> {
        let values = [after(cursor), rows_at_most(bulk::COUNTED_PIECE)];
        bulk::count_page(&self.row(call, &self.statements.count, &values).await?)
    }

    async fn clear_page(&self, call: &Call, cursor: Option<&Vec<u8>>) -> Result<BulkPage<Vec<u8>>, Error> {
        let values = [after(cursor), rows_at_most(bulk::PIECE)];
        bulk::clear_page(&self.row(call, &self.statements.clear, &values).await?)
    }

    fn is_scan_cursor(&self, bytes: &[u8]) -> bool {
        bytes.len() == SessionKey::LEN
    }

    async fn scan_page(&self, call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage, Error> {
        let values = [bytes(from.unwrap_or_default()), rows_at_most(limit)];
        bulk::scan_page(&self.connections.rows(call, &self.statements.scan, &values).await?, limit)
    }

    async fn ping(&self, call: &Call) -> Result<(), Error> {
        // A query on the table, which also finds that it exists and may be read.
        self.connections.rows(call, &self.statements.get.one, &[bytes("")]).await.map(drop)
    }

    async fn close(&self, call: &Call) {
        self.connections.close(call.deadline()).await;
    }
}
