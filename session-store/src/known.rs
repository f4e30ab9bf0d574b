//! The parameters that there are.

use crate::scheme::Backend::{self, Memory, Mongo, Postgres, Redis};

/// What the names of all begin with.
pub(crate) const PREFIX: &str = "session_";

/// A parameter.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// What it takes, for an error.
    pub(crate) takes: &'static str,
    pub(crate) of: &'static [Backend],
}

const fn known(name: &'static str, takes: &'static str, of: &'static [Backend]) -> Known {
    Known { name, takes, of }
}

const NAME: &str = "a name of 1 to 40 bytes";
const TEXT: &str = "a text that is not empty";
const FLAG: &str = "`true` or `false`";
const TIME: &str = "a time such as `500ms`, `5s` or `2m`, from 1 millisecond to 24 hours";
const BYTES: &str = "a number of bytes, from 1";
const COUNT: &str = "a whole number, from 1";
const COUNT_OR_NONE: &str = "a whole number, from 0";

const ALL_STORES: &[Backend] = &[Memory, Redis, Postgres, Mongo];
const SERVERS: &[Backend] = &[Redis, Postgres, Mongo];
const POOLED: &[Backend] = &[Postgres, Mongo];

pub(crate) const NAMESPACE: Known = known("session_namespace", NAME, SERVERS);
pub(crate) const SCHEMA: Known = known("session_schema", TEXT, &[Postgres]);
pub(crate) const SETUP: Known = known("session_setup", FLAG, POOLED);
pub(crate) const UNLOGGED: Known = known("session_unlogged", FLAG, &[Postgres]);
pub(crate) const DATA_LIMIT: Known = known("session_data_limit", BYTES, ALL_STORES);
pub(crate) const OPERATION_TIMEOUT: Known = known("session_operation_timeout", TIME, SERVERS);
pub(crate) const CONNECT_TIMEOUT: Known = known("session_connect_timeout", TIME, SERVERS);
pub(crate) const SWEEP_TIMEOUT: Known = known("session_sweep_timeout", TIME, SERVERS);
pub(crate) const CONNECTIONS: Known = known("session_connections", COUNT, POOLED);
pub(crate) const BATCH_SIZE: Known = known("session_batch_size", COUNT, SERVERS);
pub(crate) const BATCHES_IN_FLIGHT: Known = known("session_batches_in_flight", COUNT, SERVERS);
pub(crate) const TRANSACTION_POOLER: Known = known("session_transaction_pooler", FLAG, &[Postgres]);
pub(crate) const WAIT_REPLICAS: Known = known("session_wait_replicas", COUNT_OR_NONE, &[Redis]);
pub(crate) const ALLOW_EVICTION: Known = known("session_allow_eviction", FLAG, &[Redis]);
pub(crate) const CLUSTER: Known = known("session_cluster", FLAG, &[Redis]);
pub(crate) const SENTINEL: Known = known("session_sentinel", "the name of a master", &[Redis]);
pub(crate) const SENTINEL_USER: Known = known("session_sentinel_user", TEXT, &[Redis]);
pub(crate) const SENTINEL_PASSWORD: Known = known("session_sentinel_password", TEXT, &[Redis]);
pub(crate) const PRUNE_EVERY: Known = known("session_prune_every", TIME, &[Memory]);

/// All of them, in the order of the README's table.
pub(crate) const ALL: [&Known; 19] = [
    &NAMESPACE,
    &SCHEMA,
    &SETUP,
    &UNLOGGED,
    &DATA_LIMIT,
    &OPERATION_TIMEOUT,
    &CONNECT_TIMEOUT,
    &SWEEP_TIMEOUT,
    &CONNECTIONS,
    &BATCH_SIZE,
    &BATCHES_IN_FLIGHT,
    &TRANSACTION_POOLER,
    &WAIT_REPLICAS,
    &ALLOW_EVICTION,
    &CLUSTER,
    &SENTINEL,
    &SENTINEL_USER,
    &SENTINEL_PASSWORD,
    &PRUNE_EVERY,
];

/// The names of those that a store has, for an error.
pub(crate) fn names_of(backend: Backend) -> String {
    let of_backend = ALL.into_iter().filter(|known| known.of.contains(&backend));
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
        assert_eq!(rows.len(), ALL.len());
        for (row, known) in rows.iter().zip(ALL) {
            assert_eq!(row[1], format!("`{}`", known.name));
            let marks: Vec<_> = ALL_STORES.iter().map(|backend| known.of.contains(backend)).collect();
            let shown: Vec<_> = row[2..6].iter().map(|cell| !cell.is_empty()).collect();
            assert_eq!(shown, marks, "{}", known.name);
        }
    }

    #[test]
    fn each_is_named_once_and_by_the_prefix() {
        for (at, known) in ALL.iter().enumerate() {
            assert!(known.name.starts_with(PREFIX));
            assert!(ALL[..at].iter().all(|other| other.name != known.name));
        }
    }
}
