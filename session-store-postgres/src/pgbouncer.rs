//! Detects a pooler that gives each transaction another session of the server.

use sqlx::PgConnection;

use crate::error::Error;
use crate::record::value;

/// How often the connections are queried.
const ROUNDS: usize = 20;

/// Returns whether there is such a pooler. Without one, each of two connections has a process of the server to itself,
/// and keeps it. Behind a pooler they share one or, if it is busy, encounter another each time.
pub(crate) async fn is_there(one: &mut PgConnection, other: &mut PgConnection) -> Result<bool, Error> {
    let (first, second) = (process(one).await?, process(other).await?);
    if first == second {
        return Ok(true);
    }
    for _ in 1..ROUNDS {
        if process(one).await? != first || process(other).await? != second {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn process(connection: &mut PgConnection) -> Result<i32, Error> {
    // A simple query, which every pooler passes on.
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await.map_err(Error::Statement)?;
    value(&row, 0)
}
