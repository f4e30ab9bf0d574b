//! The sessions of a real application.

use serde_json::Value;

use crate::measure::Result;

const LINES: &str = include_str!("../../examples/data/express-sessions.jsonl");

/// One session, encoded before anything is measured.
pub(crate) struct Session {
    pub(crate) json: String,
    pub(crate) messagepack: Vec<u8>,
}

pub(crate) fn sessions() -> Result<Vec<Session>> {
    LINES.lines().map(session).collect()
}

fn session(line: &str) -> Result<Session> {
    let line: Value = serde_json::from_str(line)?;
    let session = line.get("session").ok_or("a line of the corpus has no session")?;
    Ok(Session { json: session.to_string(), messagepack: rmp_serde::to_vec_named(session)? })
}
