//! The sessions that are stored.

use std::fmt::Write as _;

use serde_json::{Value, json};
use session_store_core::SessionKey;
use session_store_core::codec::Codec;

use crate::result::Result;

const LINES: &str = include_str!("../../examples/data/express-sessions.jsonl");

/// One session, in the form that each library keeps it in, encoded before anything is measured.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) json: String,
    pub(crate) messagepack: Vec<u8>,
    /// What `Sessions<T>` gives a store with its default settings.
    pub(crate) payload: Vec<u8>,
}

impl Session {
    fn of(value: &Value) -> Result<Self> {
        let payload = Codec::new().encode(&SessionKey::from_bytes([0; 32]), value)?.to_vec();
        Ok(Self { json: value.to_string(), messagepack: rmp_serde::to_vec_named(value)?, payload })
    }
}

/// The sessions of a real application.
pub(crate) fn sessions() -> Result<Vec<Session>> {
    values()?.iter().map(Session::of).collect()
}

/// The same as the application's own struct.
pub(crate) fn typed() -> Result<Vec<crate::shop::Session>> {
    values()?.into_iter().map(|value| Ok(serde_json::from_value(value)?)).collect()
}

fn values() -> Result<Vec<Value>> {
    let value =
        |line| Ok(serde_json::from_str::<Value>(line)?.get("session").cloned().ok_or("a line has no session")?);
    LINES.lines().map(value).collect()
}

/// Sessions whose JSON has so many bytes, of a text that no codec makes much shorter.
pub(crate) fn sized(bytes: usize) -> Result<Vec<Session>> {
    let sized = |seed: u64| Session::of(&json!({ "text": noise(bytes.saturating_sub(r#"{"text":""}"#.len()), seed) }));
    (1..=100).map(sized).collect()
}

/// Hexadecimal digits, by xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
fn noise(length: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Writing to a string does not fail.
        let _ = write!(text, "{state:016x}");
    }
    text.truncate(length);
    text
}
