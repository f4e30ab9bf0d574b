//! The names of the keys.

use std::io::Write as _;

use redis::{Cmd, RedisWrite as _};
use session_store_core::{Namespace, SessionKey, UserId};

/// The two kinds of keys. A namespace has no NUL, so none begins with another's name and its NUL (N1).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Session,
    Index,
}

/// The keys of a namespace: its name, NUL, `s` or `u`, then the session's key or the user.
#[derive(Debug)]
pub(crate) struct Keys {
    sessions: Vec<u8>,
    indexes: Vec<u8>,
}

impl Keys {
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let prefix = |kind: &str| format!("{}\0{kind}", namespace.as_str()).into_bytes();
        Self { sessions: prefix("s"), indexes: prefix("u") }
    }

    pub(crate) fn prefix(&self, kind: Kind) -> &[u8] {
        match kind {
            Kind::Session => &self.sessions,
            Kind::Index => &self.indexes,
        }
    }

    pub(crate) fn session(&self, key: &SessionKey) -> Vec<u8> {
        [&self.sessions, key.as_bytes().as_slice()].concat()
    }

    /// Adds the name of a session's key to a command.
    pub(crate) fn add_session(&self, command: &mut Cmd, key: &SessionKey) {
        add_parts(command, &[&self.sessions, key.as_bytes()]);
    }

    pub(crate) fn index(&self, user: &UserId) -> Vec<u8> {
        self.index_of(user.as_str().as_bytes())
    }

    pub(crate) fn index_of(&self, user: &[u8]) -> Vec<u8> {
        [self.indexes.as_slice(), user].concat()
    }

    /// The session of a key in the database; `None` for a key that is none of ours.
    pub(crate) fn session_of(&self, key: &[u8]) -> Option<SessionKey> {
        session_key(key.strip_prefix(self.sessions.as_slice())?)
    }

    /// The pattern of SCAN that matches all keys of a kind and no others.
    pub(crate) fn pattern(&self, kind: Kind) -> Vec<u8> {
        let mut pattern = Vec::new();
        for byte in self.prefix(kind) {
            if b"*?[]\\".contains(byte) {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.push(b'*');
        pattern
    }
}

/// Adds one argument to a command that is made of these parts.
pub(crate) fn add_parts(command: &mut Cmd, parts: &[&[u8]]) {
    let mut argument = command.writer_for_next_arg();
    for part in parts {
        // Into memory, which does not fail.
        let _ = argument.write_all(part);
    }
}

/// A session's key, as an index names it.
pub(crate) fn session_key(bytes: &[u8]) -> Option<SessionKey> {
    Some(SessionKey::from_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_literal() {
        let keys = Keys::new(&Namespace::new("a*b?[c]\\").unwrap());
        assert_eq!(keys.pattern(Kind::Session), b"a\\*b\\?\\[c\\]\\\\\0s*");
    }

    #[test]
    fn a_session_is_read_out_of_its_key_and_nothing_out_of_others() {
        let keys = Keys::new(&Namespace::new("shop").unwrap());
        let key = SessionKey::from_bytes([b'}'; 32]);
        assert_eq!(keys.session_of(&keys.session(&key)), Some(key));
        assert_eq!(keys.session_of(b"shop\0sshort"), None);
        assert_eq!(keys.session_of(&keys.index(&UserId::new("u".repeat(32)).unwrap())), None);
    }
}
