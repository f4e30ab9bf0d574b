//! Walks through all keys of a namespace.

use std::collections::VecDeque;
use std::sync::Arc;

use redis::{Cmd, Value};

use super::parse;
use crate::error::Error;
use crate::identifiers::{Keys, Kind};

/// How many keys the server looks at in one step: about a millisecond.
pub(crate) const STEP: u32 = 1_000;

/// Looks at about `count` keys, and returns those of a kind.
pub(crate) fn scan(keys: &Keys, kind: Kind, cursor: u64, count: u32) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(keys.pattern(kind)).arg("COUNT").arg(count);
    command
}

/// Reads where SCAN goes on, 0 at the end, and the keys that it found.
pub(crate) fn scanned(answer: Value) -> Result<(u64, Vec<Vec<u8>>), Error> {
    parse(answer)
}

/// A walk over all keys of a kind, between two of its steps. A key that is there throughout is found once at the least.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    /// The servers whose keys are left, by their addresses, and where SCAN goes on.
    pub(crate) left: VecDeque<(Option<String>, u64)>,
    /// The keys that the last steps found, and how many of them are done.
    found: Arc<[Vec<u8>]>,
    done: usize,
    /// Where to go on within the first of the others; nothing at its beginning.
    pub(crate) after: Vec<u8>,
}

impl Walk {
    /// Adds what one server answered to SCAN.
    pub(crate) fn add(&mut self, node: Option<String>, answer: Value, found: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        let (cursor, keys) = scanned(answer)?;
        if cursor != 0 {
            self.left.push_back((node, cursor));
        }
        found.extend(keys);
        Ok(())
    }

    /// The same walk with these keys to do next.
    pub(crate) fn with_found(self, found: Vec<Vec<u8>>) -> Self {
        Self { found: found.into(), done: 0, after: Vec::new(), ..self }
    }

    /// Returns the keys that are to be done before the next step.
    pub(crate) fn found(&self) -> &[Vec<u8>] {
        self.found.get(self.done..).unwrap_or_default()
    }

    /// Moves on by so many keys.
    pub(crate) fn advance(&mut self, keys: usize) {
        self.done += keys;
        self.after.clear();
    }

    /// Returns the walk unless it has ended.
    pub(crate) fn unless_over(self) -> Option<Self> {
        (!self.left.is_empty() || !self.found().is_empty()).then_some(self)
    }
}

/// Where a `scan` goes on: what is in its cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ScanPosition {
    /// Where SCAN goes on.
    pub(crate) cursor: u64,
    /// On a Cluster, at which master.
    pub(crate) master: Option<Master>,
}

/// One of the masters of a Cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Master {
    /// A hash of the masters and their slots: what the scan began with.
    pub(crate) topology: u64,
    /// Its number among the masters, by their IDs.
    pub(crate) number: u16,
}

impl ScanPosition {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self.master {
            None => self.cursor.to_string(),
            Some(Master { topology, number }) => format!("{}@{topology:016x}@{number}", self.cursor),
        }
        .into_bytes()
    }

    /// Reads what `encode` writes, and nothing else.
    pub(crate) fn decode(bytes: &[u8], is_cluster: bool) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.split('@');
        let cursor = parts.next()?.parse().ok()?;
        let master = match (parts.next(), parts.next()) {
            (Some(topology), Some(number)) => {
                Some(Master { topology: u64::from_str_radix(topology, 16).ok()?, number: number.parse().ok()? })
            }
            _ => None,
        };
        let position = Self { cursor, master };
        // One server's walk has ended at 0. The comparison refuses other forms of the same numbers.
        let is_right = master.is_some() == is_cluster && (is_cluster || cursor != 0);
        (is_right && position.encode() == bytes).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let one = ScanPosition { cursor: u64::MAX, master: None };
        let of_cluster = ScanPosition { cursor: 0, master: Some(Master { topology: 10, number: 2 }) };
        assert_eq!(one.encode(), b"18446744073709551615");
        assert_eq!(of_cluster.encode(), b"0@000000000000000a@2");
        for (position, is_cluster) in [(one, false), (of_cluster, true)] {
            assert_eq!(ScanPosition::decode(&position.encode(), is_cluster), Some(position));
            assert_eq!(ScanPosition::decode(&position.encode(), !is_cluster), None);
        }
        for bad in ["", "0", "01", "+1", "-1", "1 ", "1@", "18446744073709551616", "x", "\u{661}"] {
            assert_eq!(ScanPosition::decode(bad.as_bytes(), false), None, "{bad}");
        }
        let bad = ["1", "1@a@2", "1@000000000000000A@2", "1@000000000000000a@02", "1@000000000000000a@2@", "1@+0@2"];
        for bad in bad.into_iter().chain(["1@000000000000000a@65536", "01@000000000000000a@2", "1@000000000000000a"]) {
            assert_eq!(ScanPosition::decode(bad.as_bytes(), true), None, "{bad}");
        }
        assert_eq!(ScanPosition::decode(&[0xff], false), None);
    }

    #[test]
    fn a_walk_ends_when_all_servers_and_all_keys_are_done() {
        let answer = |cursor: &str, key: &str| {
            let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            Value::Array(vec![bulk(cursor), Value::Array(vec![bulk(key)])])
        };
        let (mut walk, mut found) = (Walk::default(), Vec::new());
        walk.add(Some("a:1".to_owned()), answer("0", "k"), &mut found).unwrap();
        walk.add(Some("b:1".to_owned()), answer("7", "l"), &mut found).unwrap();
        assert!(walk.add(None, answer("x", "m"), &mut found).is_err());
        let mut walk = walk.with_found(found);
        assert_eq!(walk.found(), [b"k", b"l"]);
        assert_eq!(walk.left.pop_front(), Some((Some("b:1".to_owned()), 7)));
        walk.after = b"x".to_vec();
        walk.advance(1);
        assert_eq!((walk.found(), walk.after.len()), (&[b"l".to_vec()][..], 0));
        let mut walk = walk.unless_over().unwrap();
        walk.advance(1);
        assert!(walk.unless_over().is_none());
    }
}
