//! What a codec does where a feature is on, and in its place where it is off.

use bytes::Bytes;

use super::Codec;
use super::envelope::{Envelope, Head};
#[cfg(feature = "encryption")]
use super::{KeyRing, corrupt};
use crate::{Result, SessionKey};

#[cfg(feature = "compression")]
impl Codec {
    pub(super) fn decompress<A>(&self, envelope: &Envelope<'_>, read: impl FnOnce(&[u8]) -> Result<A>) -> Result<A> {
        self.compression.decompress(envelope, self.decoded_limit, read)
    }

    pub(super) fn basis(&self, envelope: &Envelope<'_>) -> Result<u32> {
        self.compression.basis_of(envelope)
    }
}

/// The same where nothing can be compressed.
#[cfg(not(feature = "compression"))]
#[allow(clippy::unused_self, reason = "the signatures of the build that can")]
impl Codec {
    pub(super) fn decompress<A>(&self, _envelope: &Envelope<'_>, _read: impl FnOnce(&[u8]) -> Result<A>) -> Result<A> {
        Err(compressed())
    }

    pub(super) fn basis(&self, _envelope: &Envelope<'_>) -> Result<u32> {
        Err(compressed())
    }
}

#[cfg(not(feature = "compression"))]
fn compressed() -> crate::Error {
    crate::Error::new(
        crate::ErrorKind::Unsupported,
        "the data is compressed; build session-store-core with the feature `compression`",
    )
}

#[cfg(feature = "encryption")]
impl Codec {
    pub(super) fn encrypts(&self) -> bool {
        self.ring.as_ref().is_some_and(KeyRing::encrypts)
    }

    pub(super) fn is_encrypted_now(&self, sealed: Option<&[u8]>) -> bool {
        self.ring.as_ref().map_or(sealed.is_none(), |ring| ring.is_current(sealed))
    }

    pub(super) fn check_may_be_unencrypted(&self) -> Result<()> {
        match &self.ring {
            Some(ring) if !ring.accepts_unencrypted() => {
                Err(corrupt("the data is not encrypted, and this codec takes only what is"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, key: &SessionKey, envelope: &Envelope<'_>) -> Result<Bytes> {
        let head = &envelope.head;
        let Some(ring) = self.ring.as_ref().filter(|_| head.is_encrypted()) else {
            return Ok(envelope.to_bytes().into());
        };
        let sealed = ring.seal(key, &head.bytes, &envelope.body())?;
        Ok([&*head.bytes, &sealed].concat().into())
    }

    pub(super) fn decrypt(&self, key: &SessionKey, head: &Head<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let ring = self.ring.as_ref().ok_or_else(|| corrupt("the data is encrypted, and this codec has no keys"))?;
        ring.open(key, &head.bytes, sealed)
    }
}

/// The same where nothing can be encrypted.
#[cfg(not(feature = "encryption"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the signatures of the build that can")]
impl Codec {
    pub(super) fn encrypts(&self) -> bool {
        false
    }

    pub(super) fn is_encrypted_now(&self, sealed: Option<&[u8]>) -> bool {
        sealed.is_none()
    }

    pub(super) fn check_may_be_unencrypted(&self) -> Result<()> {
        Ok(())
    }

    pub(super) fn write(&self, _key: &SessionKey, envelope: &Envelope<'_>) -> Result<Bytes> {
        Ok(envelope.to_bytes().into())
    }

    pub(super) fn decrypt(&self, _key: &SessionKey, _head: &Head<'_>, _sealed: &[u8]) -> Result<Vec<u8>> {
        Err(crate::Error::new(
            crate::ErrorKind::Unsupported,
            "the data is encrypted; build session-store-core with the feature `encryption`",
        ))
    }
}
