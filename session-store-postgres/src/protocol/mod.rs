//! The statements on one table, and how their answers are read.
//!
//! Each statement decides and changes in one step, by the server's clock. A change reads the clock after its rows are
//! locked (clauses T2 and X1), and a read before it looks (K1).
//!
//! Each change has three forms:
//!
//! - `many` takes arrays. It skips a row that another transaction holds, and answers `busy` for it, so that one held
//!   row delays nobody else and two nodes cannot deadlock. All that it may wait for, and not for long, is another
//!   transaction that is just inserting the same key. It changes rows at the place at which they were locked (`ctid`),
//!   without a second look into the index.
//! - `one` is the same for one session, which is faster.
//! - `waiting` is for one session, and waits for its row. After a wait, the place of the row in the statement's
//!   snapshot is stale, and an update by `ctid` would change nothing. So it changes the row by key: PostgreSQL then
//!   follows the row to its newest version.
//!
//! Rows are looked up one by one in a `LATERAL`, so that a plan made while the table was small is no full scan when it
//! is large. Arrays come out of a `SELECT`, so that the server does not see how long they are, and keeps one plan for
//! all.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod read;

use std::sync::Arc;

use crate::identifiers::Names;

/// The statements on one table.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) get: Statement,
    pub(crate) get_if_changed: Statement,
    /// For any mode.
    pub(crate) set: Forms,
    /// For those modes that create no session.
    pub(crate) save: Forms,
    pub(crate) touch: Forms,
    pub(crate) destroy: Forms,
    pub(crate) import: Forms,
    pub(crate) rotate: Arc<str>,
    pub(crate) rotate_waiting: Arc<str>,
    pub(crate) list: Arc<str>,
    pub(crate) destroy_by_user: Arc<str>,
    pub(crate) prune: Arc<str>,
    pub(crate) count: Arc<str>,
    pub(crate) clear: Arc<str>,
    pub(crate) scan: Arc<str>,
}

/// A statement for many sessions, whose values are arrays, and the same for one session, which is faster.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) many: Arc<str>,
    pub(crate) one: Arc<str>,
}

/// The forms of a change.
#[derive(Debug)]
pub(crate) struct Forms {
    /// Skips rows that another transaction holds.
    pub(crate) skipping: Statement,
    /// Waits for the row of one session. Its last value is the lock timeout.
    pub(crate) waiting: Arc<str>,
}

impl Statements {
    pub(crate) fn new(names: &Names) -> Self {
        let table = names.table();
        let fill = |text: &str, own: &[(&str, &str)]| -> Arc<str> {
            let parts = [
                ("{clock}", CLOCK),
                ("{is_held}", IS_HELD),
                ("{now}", NOW),
                ("{began}", BEGAN),
                // Last, because a table may have any name.
                ("{table}", &table),
            ];
            let replace = |text: String, (place, part): &(&str, &str)| text.replace(place, part);
            let text = own.iter().fold(text.replace("{ended}", bulk::ENDED), replace);
            parts.iter().fold(change::with_unreadable(&text), replace).into()
        };
        let read = |many: &str, one: &str| Statement { many: fill(many, &[]), one: fill(one, &[]) };
        let brief = format!("{BRIEF_WAIT}, ");
        let change = |text: &str, values: &[(&str, &str)]| {
            let skipping = |want: &str| {
                fill(text, &[("{want}", want), ("{brief_wait}", &brief), ("{skip}", SKIP), ("{at}", BY_PLACE)])
            };
            let want = one(values, Some(&wait(values.len())));
            Forms {
                skipping: Statement { many: skipping(&many(values)), one: skipping(&one(values, None)) },
                waiting: fill(text, &[("{want}", &want), ("{brief_wait}", ""), ("{skip}", ""), ("{at}", BY_KEY)]),
            }
        };
        let rotate = |wait: &str, skip| fill(change::ROTATE, &[("{wait}", wait), ("{skip}", skip)]);
        Self {
            get: read(read::GET, read::GET_ONE),
            get_if_changed: read(read::GET_IF_CHANGED, read::GET_ONE_IF_CHANGED),
            set: change(&change::set_text(true), &change::SET_VALUES),
            save: change(&change::set_text(false), &change::SET_VALUES),
            touch: change(change::TOUCH, &change::TOUCH_VALUES),
            destroy: change(change::DESTROY, &change::DESTROY_VALUES),
            import: change(change::IMPORT, &change::IMPORT_VALUES),
            rotate: rotate(BRIEF_WAIT, SKIP),
            rotate_waiting: rotate(&wait(change::ROTATE_VALUES), ""),
            list: fill(bulk::LIST, &[]),
            destroy_by_user: fill(bulk::DESTROY_BY_USER, &[]),
            prune: fill(bulk::PRUNE, &[]),
            count: fill(bulk::COUNT, &[]),
            clear: fill(bulk::CLEAR, &[]),
            scan: fill(bulk::SCAN, &[]),
        }
    }
}

/// Returns one row for each element of the arrays.
fn many(values: &[(&str, &str)]) -> String {
    let arrays = values.iter().enumerate().map(|(n, (_, of))| format!("(SELECT ${}::{of}[])", n + 1));
    let names = values.iter().map(|(name, _)| *name);
    format!(
        "MATERIALIZED (SELECT * FROM unnest({}) AS w({}))",
        arrays.collect::<Vec<_>>().join(", "),
        names.collect::<Vec<_>>().join(", ")
    )
}

/// Returns the same for values that are no arrays. The statement cannot lock a row before it has this one, and so has
/// set its lock timeout before, if there is one.
fn one(values: &[(&str, &str)], wait: Option<&str>) -> String {
    let columns = values.iter().enumerate().map(|(n, (name, of))| format!("${}::{of} AS {name}", n + 1));
    let columns = columns.collect::<Vec<_>>().join(", ");
    match wait {
        // The planner then uses the values as they are, which takes a tenth less time.
        None => format!("NOT MATERIALIZED (SELECT {columns})"),
        Some(wait) => format!("MATERIALIZED (SELECT {columns} FROM {wait})"),
    }
}

/// How long a statement that skips held rows may be delayed by a transaction that is inserting one of its keys. A
/// setting of the transaction, so that nothing stays behind in a session that others share.
const BRIEF_WAIT: &str = "(SELECT set_config('lock_timeout', '50', true)) AS patience";

/// Returns the setting of a statement that waits for its row: the value after its other ones.
fn wait(values: usize) -> String {
    format!("(SELECT set_config('lock_timeout', ${}::bigint::text, true)) AS patience", values + 1)
}

const SKIP: &str = " SKIP LOCKED";
const BY_PLACE: &str = "t.ctid = j.place";
const BY_KEY: &str = "t.key = j.key AND j.place IS NOT NULL";

/// The server's clock in milliseconds, at this moment.
const NOW: &str = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The same when the statement came in, which is before it looks at any row.
const BEGAN: &str = "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint";

/// The time of a change. It is read when all rows are locked, because they are counted first.
const CLOCK: &str = "clock AS MATERIALIZED (
    SELECT {now} AS now, count(*) AS locked FROM locked
)";

/// Whether a row that could not be locked exists; by `OFFSET`, looked up for each key alone.
const IS_HELD: &str = "EXISTS (SELECT FROM {table} AS t WHERE t.key = want.key OFFSET 0)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_in_a_statement_is_left_open() {
        let statements = format!("{:?}", Statements::new(&Names::default()));
        let texts: Vec<_> = statements.split('"').filter(|text| text.contains("SELECT")).collect();
        assert!(texts.len() > 20, "{statements}");
        for text in texts {
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }
}
