//! How a statement is sent, and sent again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use session_store_core::{Error, ErrorKind, Pauses, Result, Timeouts};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use tokio::time::timeout_at;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::error::{Remedy, closed, from_sqlx, remedy};
use crate::pool::{Lease, Pool};
use crate::sql::Statement;
use crate::value::{Value, written};

/// Whether a statement changes anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Read,
    Write,
}

/// How often a statement is run that finds a key that another one has inserted meanwhile, which happens once at most.
const RACES: usize = 3;

/// The way to the database.
pub(crate) struct Link {
    pub(crate) pool: Pool,
    pub(crate) is_closed: AtomicBool,
    /// Whether a pooler gives each transaction another session of the server. Then statements carry their values, and
    /// are not prepared.
    pub(crate) is_pooled: bool,
    pub(crate) timeouts: Timeouts,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_pooled", &self.is_pooled).finish_non_exhaustive()
    }
}

impl Link {
    /// Takes no more statements, also where the pool goes on.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Runs a statement for as many sessions as its values are for.
    pub(crate) async fn sized(
        &self,
        statement: &Statement,
        values: Vec<Value<'_>>,
        effect: Effect,
    ) -> Result<Vec<PgRow>> {
        let deadline = self.timeouts.deadline();
        match values.iter().map(Value::single).collect::<Option<Vec<_>>>() {
            Some(values) => self.rows(&statement.one, &values, effect, deadline).await,
            None => self.rows(&statement.many, &values, effect, deadline).await,
        }
    }

    /// Runs a statement, and gives its rows. What has changed nothing for certain is run again, within the deadline
    /// (clause K3).
    pub(crate) async fn rows(
        &self,
        sql: &Arc<str>,
        values: &[Value<'_>],
        effect: Effect,
        deadline: Instant,
    ) -> Result<Vec<PgRow>> {
        let (mut pauses, mut races) = (Pauses::until(deadline), 0);
        loop {
            if self.is_closed.load(Ordering::Relaxed) {
                return Err(closed());
            }
            let mut lease = self.pool.lease(&self.timeouts, deadline).await?;
            let Ok(answer) = timeout_at(deadline.into(), self.run(&mut lease, sql, values)).await else {
                let error = Error::new(ErrorKind::Timeout, "no answer from the PostgreSQL server in time");
                return Err(if effect == Effect::Write { error.with_outcome_unknown() } else { error });
            };
            let error = match answer {
                Ok(rows) => {
                    lease.keep();
                    return Ok(rows);
                }
                Err(error) => error,
            };
            let remedy = remedy(&error);
            if matches!(remedy, Remedy::Again | Remedy::AgainIfRaced | Remedy::None) {
                lease.keep();
            }
            races += usize::from(remedy == Remedy::AgainIfRaced);
            let is_vague_write = remedy == Remedy::Vague && effect == Effect::Write;
            let is_final = is_vague_write || races == RACES || matches!(remedy, Remedy::Elsewhere | Remedy::None);
            if is_final || pauses.are_over() {
                let converted = from_sqlx(&error);
                return Err(if is_vague_write { converted.with_outcome_unknown() } else { converted });
            }
            pauses.pause().await;
        }
    }

    async fn run(&self, lease: &mut Lease, sql: &Arc<str>, values: &[Value<'_>]) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = lease.connection()?;
        if self.is_pooled {
            // One message: it needs nothing that is kept in a session, and no transaction waits for us to go on. The
            // driver logs statements, and this one has its values in it (clause E2).
            let statement = sqlx::raw_sql(AssertSqlSafe(written(sql, values)));
            return statement.fetch_all(connection).with_subscriber(NoSubscriber::default()).await;
        }
        let query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
        values.iter().fold(query, |query, value| value.bind(query)).fetch_all(connection).await
    }
}
