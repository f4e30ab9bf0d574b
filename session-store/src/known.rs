//! The parameters that there are.

use std::borrow::Cow;
use std::sync::LazyLock;

use session_store_core::backend::StoreOptions;

use crate::scheme::Backend::{self, Memory, Mongo, Postgres, Redis, Sqlite};

/// What the names of all begin with.
pub(crate) const PREFIX: &str = "session_";

/// A parameter.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: Cow<'static, str>,
    /// What it takes, for an error.
    pub(crate) takes: &'static str,
    pub(crate) of: &'static [Backend],
}

const fn known(name: &'static str, takes: &'static str, of: &'static [Backend]) -> Known {
    Known { name: Cow::Borrowed(name), takes, of }
}

impl Known {
    /// Returns the name of the option in [`StoreOptions`], if the parameter is one.
    pub(crate) fn option(&self) -> Option<&str> {
        let name = self.name.strip_prefix(PREFIX)?;
        StoreOptions::NAMES.iter().any(|(option, _)| *option == name).then_some(name)
    }
}

const NAME: &str = "a name of 1 to 40 bytes";
const TEXT: &str = "a text that is not empty";
const FLAG: &str = "`true` or `false`";
const TIME: &str = "a time such as `500ms`, `5s` or `2m`, from 1 millisecond to 24 hours";
const COUNT: &str = "a whole number, from 1";
const COUNT_OR_NONE: &str = "a whole number, from 0";

const ALL_STORES: &[Backend] = &[Memory, Sqlite, Redis, Postgres, Mongo];
const DATABASES: &[Backend] = &[Sqlite, Redis, Postgres, Mongo];
const POOLED: &[Backend] = &[Sqlite, Postgres, Mongo];

pub(crate) static NAMESPACE: Known = known("session_namespace", NAME, DATABASES);
pub(crate) static SCHEMA: Known = known("session_schema", TEXT, &[Postgres]);
pub(crate) static SETUP: Known = known("session_setup", FLAG, POOLED);
pub(crate) static UNLOGGED: Known = known("session_unlogged", FLAG, &[Postgres]);
pub(crate) static CONNECTIONS: Known = known("session_connections", COUNT, POOLED);
pub(crate) static TRANSACTION_POOLER: Known = known("session_transaction_pooler", FLAG, &[Postgres]);
pub(crate) static WAIT_REPLICAS: Known = known("session_wait_replicas", COUNT_OR_NONE, &[Redis]);
pub(crate) static ALLOW_EVICTION: Known = known("session_allow_eviction", FLAG, &[Redis]);
pub(crate) static CLUSTER: Known = known("session_cluster", FLAG, &[Redis]);
pub(crate) static SENTINEL: Known = known("session_sentinel", "the name of a master", &[Redis]);
pub(crate) static SENTINEL_USER: Known = known("session_sentinel_user", TEXT, &[Redis]);
pub(crate) static SENTINEL_PASSWORD: Known = known("session_sentinel_password", TEXT, &[Redis]);
pub(crate) static SYNCHRONOUS: Known = known("session_synchronous", "`full`, `normal` or `off`", &[Sqlite]);
pub(crate) static PRUNE_EVERY: Known = known("session_prune_every", TIME, &[Memory]);

/// The parameters that every store on a database has: they are passed on to its [`StoreOptions`], which is where a new one
/// is added. The store in memory has the limit of data alone.
static OPTIONS: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let option = |(name, takes)| {
        let of = if name == DATA_LIMIT { ALL_STORES } else { DATABASES };
        Known { name: Cow::Owned(format!("{PREFIX}{name}")), takes, of }
    };
    StoreOptions::NAMES.into_iter().map(option).collect()
});

/// The option that the store in memory has as well.
pub(crate) const DATA_LIMIT: &str = "data_limit";

static OTHERS: [&Known; 14] = [
    &NAMESPACE,
    &SCHEMA,
    &SETUP,
    &UNLOGGED,
    &CONNECTIONS,
    &TRANSACTION_POOLER,
    &WAIT_REPLICAS,
    &ALLOW_EVICTION,
    &CLUSTER,
    &SENTINEL,
    &SENTINEL_USER,
    &SENTINEL_PASSWORD,
    &SYNCHRONOUS,
    &PRUNE_EVERY,
];

/// Returns all parameters, in the order of the README's table.
pub(crate) fn all() -> impl Iterator<Item = &'static Known> {
    OTHERS.into_iter().chain(OPTIONS.iter())
}

/// The names of those that a store has, for an error.
pub(crate) fn names_of(backend: Backend) -> String {
    let of_backend = all().filter(|known| known.of.contains(&backend));
    of_backend.map(|known| format!("`{}`", known.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_page_is_this_one() {
        let row = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let rows: Vec<_> =
            include_str!("../README.md").lines().filter(|line| line.starts_with("| `session_")).map(row).collect();
        assert_eq!(rows.len(), all().count());
        for (row, known) in rows.iter().zip(all()) {
            assert_eq!(row[1], format!("`{}`", known.name));
            let marks: Vec<_> = ALL_STORES.iter().map(|backend| known.of.contains(backend)).collect();
            let shown: Vec<_> = row[2..7].iter().map(|cell| !cell.is_empty()).collect();
            assert_eq!(shown, marks, "{}", known.name);
        }
    }

    #[test]
    fn each_is_named_once_and_by_the_prefix() {
        let names: Vec<_> = all().map(|known| &known.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.starts_with(PREFIX));
            assert!(!names[..at].contains(name), "{name}");
        }
    }
}
