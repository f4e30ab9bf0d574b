//! Keys of encryption that tests know, and what must show nothing of them.
#![allow(dead_code, reason = "each test looks at a part of it")]

use session_store_core::SessionKey;
use session_store_core::codec::{Codec, EncryptionKey, KeyRing};

pub(crate) const KEY: SessionKey = SessionKey::from_bytes([7; 32]);

pub(crate) fn key(n: u8) -> EncryptionKey {
    EncryptionKey::from_bytes(&[n; 32])
}

pub(crate) fn ring(n: u8) -> KeyRing {
    KeyRing::new(key(n))
}

pub(crate) fn codec(ring: KeyRing) -> Codec {
    Codec::new().with_encryption(ring)
}
