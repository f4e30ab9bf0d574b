//! All keys of a namespace, a piece at a time.

use std::collections::VecDeque;
use std::time::Instant as Deadline;

use redis::{Cmd, Value};
use session_store_core::Result;

use crate::keys::Kind;
use crate::link::Node;
use crate::shared::Shared;
use crate::wire::parse;

/// How many keys the server looks at in one step: about a millisecond.
const STEP: usize = 1_000;

/// A walk over all keys of a kind. A key that is there throughout is met once at the least.
pub(crate) struct Scan<'a> {
    shared: &'a Shared,
    kind: Kind,
    left: VecDeque<Position>,
    started: bool,
}

/// Where the walk on one server goes on.
struct Position {
    node: Node,
    cursor: String,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(shared: &'a Shared, kind: Kind) -> Self {
        Self { shared, kind, left: VecDeque::new(), started: false }
    }

    /// The next keys, possibly none; `None` at the end.
    pub(crate) async fn next(&mut self, deadline: Deadline) -> Result<Option<Vec<Vec<u8>>>> {
        if !self.started {
            self.started = true;
            return self.start(deadline).await.map(Some);
        }
        let Some(Position { node, cursor }) = self.left.pop_front() else { return Ok(None) };
        let answer = self.shared.ask(&node, &self.command(&cursor), deadline).await?;
        self.take(node, answer).map(Some)
    }

    async fn start(&mut self, deadline: Deadline) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for (node, answer) in self.shared.ask_all(&self.command("0"), deadline).await? {
            keys.extend(self.take(node, answer)?);
        }
        Ok(keys)
    }

    fn command(&self, cursor: &str) -> Cmd {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(self.shared.keys.pattern(self.kind)).arg("COUNT").arg(STEP);
        command
    }

    fn take(&mut self, node: Node, answer: Value) -> Result<Vec<Vec<u8>>> {
        let (cursor, keys): (String, Vec<Vec<u8>>) = parse(answer)?;
        if cursor != "0" {
            self.left.push_back(Position { node, cursor });
        }
        Ok(keys)
    }
}
