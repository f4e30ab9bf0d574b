//! Whether there is a pooler in between that gives each transaction another session of the server.

use session_store_core::Result;
use sqlx::PgConnection;

use crate::error::from_sqlx;
use crate::record::value;

/// How often the connections are asked.
const ROUNDS: usize = 20;

/// Each of two connections has a process of the server to itself, and keeps it. Behind such a pooler they share one
/// or, where it is busy, meet another each time.
pub(crate) async fn is_there(one: &mut PgConnection, other: &mut PgConnection) -> Result<bool> {
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

async fn process(connection: &mut PgConnection) -> Result<i32> {
    // A simple query, which every pooler passes on.
    let row = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await;
    value(&row.map_err(|error| from_sqlx(&error))?, 0)
}
