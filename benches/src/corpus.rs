//! The sessions of a real application.

use serde_json::Value;

use crate::measure::Result;

const LINES: &str = include_str!("../../examples/data/express-sessions.jsonl");

/// One session, encoded before anything is measured.
pub(crate) struct Session {
    pub(crate) json: String,
    pub(crate) messagepack: Vec<u8>,
}

/// The same sessions as the application's own struct.
pub(crate) fn typed() -> session_store_core::Result<Vec<crate::shop::Session>> {
    let parsed = LINES.lines().map(|line| {
        let line: Value = serde_json::from_str(line)?;
        serde_json::from_value(line.get("session").cloned().unwrap_or_default())
    });
    parsed
        .collect::<std::result::Result<_, serde_json::Error>>()
        .map_err(|error| session_store_core::Error::config("the corpus does not fit its struct").with_source(error))
}

pub(crate) fn sessions() -> Result<Vec<Session>> {
    LINES.lines().map(session).collect()
}

fn session(line: &str) -> Result<Session> {
    let line: Value = serde_json::from_str(line)?;
    let session = line.get("session").ok_or("a line of the corpus has no session")?;
    Ok(Session { json: session.to_string(), messagepack: rmp_serde::to_vec_named(session)? })
}
