//! Reads of sessions.

use session_store_core::backend::Lookup;
use session_store_core::{IfChanged, Record};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Statements, query};
use crate::error::Error;
use crate::record::{self, time, value};

/// G1: the live ones, each with its place among the keys.
pub(super) const GET: &str = "
WITH want(n, key) AS (VALUES {list})
SELECT want.n, {now}, {meta}, t.data FROM want CROSS JOIN {table} AS t ON t.key = want.key WHERE t.expires_at > {now}";

/// G5: the same with the version that the caller of each key holds. At that version, there is no data.
pub(super) const GET_IF_CHANGED: &str = "
WITH want(n, key, known) AS (VALUES {list})
SELECT want.n, {now}, {meta}, CASE WHEN t.version = want.known THEN NULL ELSE t.data END
FROM want CROSS JOIN {table} AS t ON t.key = want.key WHERE t.expires_at > {now}";

/// Returns what each lookup finds.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    statements: &Statements,
    lookups: &[Lookup],
) -> Result<Vec<Result<IfChanged, Error>>, Error> {
    let has_versions = lookups.iter().any(|lookup| lookup.known.is_some());
    let statement = if has_versions { &statements.get_if_changed } else { &statements.get };
    let (sql, wanted) = statement.padded(lookups)?;
    let mut query = query(sql);
    for lookup in wanted {
        query = query.bind(lookup.map(|lookup| lookup.key.as_bytes().to_vec()));
        if has_versions {
            query = query.bind(lookup.and_then(|lookup| lookup.known).map(|version| version.as_bytes().to_vec()));
        }
    }
    let mut answers: Vec<_> = lookups.iter().map(|_| Ok(IfChanged::Gone)).collect();
    for row in &query.fetch_all(connection).await.map_err(Error::Statement)? {
        let place = usize::try_from(value::<i64>(row, 0)?).map_err(|_| Error::UnexpectedAnswer)?;
        *answers.get_mut(place).ok_or(Error::UnexpectedAnswer)? = answer(row);
    }
    Ok(answers)
}

fn answer(row: &SqliteRow) -> Result<IfChanged, Error> {
    let (read_at, meta) = (time(row, 1)?, record::meta(row, 2)?);
    Ok(match record::data(row, 8)? {
        Some(data) => IfChanged::Changed(Record { meta, data, read_at }),
        None => IfChanged::Unchanged { meta, read_at },
    })
}
