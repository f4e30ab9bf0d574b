//! The statements, and what their answers mean.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod read;

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite};

use crate::error::Error;
use crate::identifiers::Names;
use crate::record::META;

/// SQLite's clock, in milliseconds. All that one row of an answer is made of sees the same moment.
const NOW: &str = "CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER)";

/// The lists that statements take have 1, 2, 4 and so on elements, so that there are few statements to prepare.
const SIZES: usize = 10;

/// The longest list: the two keys of each change of a batch.
const LONGEST: usize = 1 << (SIZES - 1);

/// The most requests that one statement serves.
pub(crate) const LARGEST_BATCH: usize = LONGEST / 2;

/// A statement, for each size of the list that it takes.
#[derive(Debug)]
pub(crate) struct Sized([Arc<str>; SIZES]);

impl Sized {
    /// Replaces `{list}` by as many copies of `element` as the list has elements, and `{n}` by the number of each.
    fn new(template: &str, element: &str) -> Self {
        Self(std::array::from_fn(|size| {
            let elements = (0..1_usize << size).map(|n| element.replace("{n}", &n.to_string()));
            template.replace("{list}", &elements.collect::<Vec<_>>().join(", ")).into()
        }))
    }

    /// Returns the statement for a list of this length, and the values of the list: those of `all`, and `None` where the
    /// statement has more.
    fn padded<'a, T>(
        &self,
        all: &'a [T],
    ) -> Result<(&Arc<str>, impl Iterator<Item = Option<&'a T>> + use<'a, T>), Error> {
        let size = all.len().next_power_of_two();
        let place = usize::try_from(size.trailing_zeros()).map_err(|_| Error::UnexpectedAnswer)?;
        let statement = self.0.get(place).ok_or(Error::UnexpectedAnswer)?;
        Ok((statement, all.iter().map(Some).chain(std::iter::repeat(None)).take(size)))
    }
}

/// The statements of a table.
#[derive(Debug)]
pub(crate) struct Statements {
    get: Sized,
    get_if_changed: Sized,
    metas: Sized,
    put: Sized,
    update: Sized,
    remove: Sized,
    begin_write: Arc<str>,
    end_write: Arc<str>,
    list: Arc<str>,
    destroy_by_user: Arc<str>,
    postpone: Arc<str>,
    prune: Arc<str>,
    count: Arc<str>,
    clear: Arc<str>,
    scan: Arc<str>,
    ping: Arc<str>,
}

impl Statements {
    pub(crate) fn new(names: &Names) -> Self {
        let fill = |sql: &str| {
            sql.replace("{table}", &names.table())
                .replace("{clock}", change::CLOCK)
                .replace("{now}", NOW)
                .replace("{meta}", META)
        };
        let sized = |sql: &str, element: &str| Sized::new(&fill(sql), element);
        let one = |sql: &str| Arc::from(fill(sql));
        Self {
            get: sized(read::GET, "({n}, ?)"),
            get_if_changed: sized(read::GET_IF_CHANGED, "({n}, ?, ?)"),
            metas: sized(change::METAS, "({n}, ?)"),
            put: sized(change::PUT, "(?, ?, ?, ?, ?, ?, ?, ?, ?)"),
            update: sized(change::UPDATE, "(?, ?, ?, ?, ?, ?, ?)"),
            remove: sized(change::REMOVE, "?"),
            begin_write: one(change::BEGIN_WRITE),
            end_write: one(change::END_WRITE),
            list: one(bulk::LIST),
            destroy_by_user: one(bulk::DESTROY_BY_USER),
            postpone: one(bulk::POSTPONE),
            prune: one(bulk::PRUNE),
            count: one(bulk::COUNT),
            clear: one(bulk::CLEAR),
            scan: one(bulk::SCAN),
            ping: one(bulk::PING),
        }
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn query<'q>(sql: &Arc<str>) -> Query<'q> {
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_length_have_a_statement() {
        let sized = Sized::new("[{list}]", "{n}");
        for (length, size) in [(1, 1), (2, 2), (3, 4), (37, 64), (64, 64), (LONGEST, LONGEST)] {
            let all: Vec<usize> = (0..length).collect();
            let (sql, values) = sized.padded(&all).unwrap();
            let values: Vec<_> = values.collect();
            assert_eq!((sql.matches(',').count() + 1, values.len()), (size, size));
            assert_eq!(values.into_iter().flatten().copied().collect::<Vec<_>>(), all);
        }
        assert!(sized.padded(&[0; LONGEST + 1]).is_err());
    }
}
