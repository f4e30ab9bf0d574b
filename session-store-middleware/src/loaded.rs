//! What is remembered of a session between its load and its save.
//!
//! The middlewares hand over the data of a session and nothing else, neither what they were at the load nor, most of them,
//! whether there was one. So the adapter puts a note among the data that it gives, under a name of its own, and takes it
//! out again before they are stored.

use session_store_core::SessionKey;

/// The name of the note, which an application does not use.
pub(crate) const LOADED: &str = "session-store.loaded";

/// A session as it was loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) key: SessionKey,
    /// Of its data.
    pub(crate) print: [u8; 16],
    /// When it was to expire, in milliseconds on the clock of `operations`.
    pub(crate) expires: i64,
}

impl Loaded {
    pub(crate) fn to_text(self) -> String {
        let print = u128::from_le_bytes(self.print);
        format!("{} {print:032x} {}", self.key.to_text(), self.expires)
    }

    /// `None` where it is something else, or there is nothing.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (key, print, expires) = (parts.next()?, parts.next()?, parts.next()?);
        let print = u128::from_str_radix(print, 16).ok()?.to_le_bytes();
        Some(Self { key: key.parse().ok()?, print, expires: expires.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back() {
        let loaded = Loaded { key: SessionKey::from_bytes([7; 32]), print: [9; 16], expires: 1_790_000_000_123 };
        assert_eq!(Loaded::from_text(&loaded.to_text()), Some(loaded));
        for other in ["", "k1_ 0 0", "a b", "something else entirely"] {
            assert_eq!(Loaded::from_text(other), None, "{other}");
        }
    }
}
