//! Maps by session keys.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::SessionKey;

/// Hashes a session key by its first bytes: it is a hash already.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            // Spread also for keys that are no hashes, as in tests.
            self.0 = u64::from_le_bytes(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

pub(super) type KeyMap<V> = HashMap<SessionKey, V, BuildHasherDefault<KeyHasher>>;
