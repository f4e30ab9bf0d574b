//! What shows that a form is this session's own.

use serde::{Deserialize, Serialize};
use session_store::{Result, SessionId};
use subtle::ConstantTimeEq as _;

/// A secret that a session and its forms share: another site can send a form in a visitor's name, but cannot read it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Token(String);

impl Token {
    /// As hard to guess as a session ID.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self(SessionId::generate()?.expose_secret().to_owned()))
    }

    /// For a hidden field, and for nothing else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// In constant time, so that nobody finds it character by character.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
