//! The header before every payload.

use std::borrow::Cow;
use std::time::Duration;

use super::corrupt;
use crate::{Policy, Result};

const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const ENCRYPTED: u8 = 1 << 1;
const POLICY: u8 = 1 << 2;
const KNOWN_FLAGS: u8 = COMPRESSED | ENCRYPTED | POLICY;

/// What stands before the body, and is never encrypted.
pub(super) struct Head<'a> {
    /// As it is written.
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) policy: Option<Policy>,
}

impl<'a> Head<'a> {
    pub(super) fn new(compressed: bool, encrypted: bool, policy: Option<Policy>) -> Self {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let flags = flag(compressed, COMPRESSED) | flag(encrypted, ENCRYPTED) | flag(policy.is_some(), POLICY);
        let mut bytes = vec![VERSION, flags];
        if let Some(policy) = policy {
            for timeout in [policy.idle(), policy.absolute()] {
                // A policy has at most ten years.
                let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                bytes.extend(millis.to_be_bytes());
            }
        }
        Self { bytes: bytes.into(), policy }
    }

    /// The head of an envelope, and what follows it.
    pub(super) fn parse(data: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let Some((&[version, flags], mut rest)) = data.split_first_chunk() else {
            return Err(too_short());
        };
        if version != VERSION {
            return Err(corrupt("the data's envelope has a version that this release does not know"));
        }
        if flags & !KNOWN_FLAGS != 0 {
            return Err(corrupt("the data's envelope has flags that this release does not know"));
        }
        let mut policy = None;
        if flags & POLICY != 0 {
            let (idle, absolute) = (timeout(&mut rest)?, timeout(&mut rest)?);
            let read = Policy::new(idle, absolute);
            policy = Some(read.map_err(|_| corrupt("the data's envelope has timeouts that no policy has"))?);
        }
        let (bytes, _) = data.split_at(data.len() - rest.len());
        Ok((Self { bytes: bytes.into(), policy }, rest))
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.flags() & COMPRESSED != 0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags() & ENCRYPTED != 0
    }

    fn flags(&self) -> u8 {
        self.bytes.get(1).copied().unwrap_or_default()
    }
}

fn timeout(rest: &mut &[u8]) -> Result<Duration> {
    let (millis, after) = rest.split_first_chunk().ok_or_else(too_short)?;
    *rest = after;
    Ok(Duration::from_millis(u64::from_be_bytes(*millis)))
}

/// What follows the head: encrypted or not.
pub(super) struct Envelope<'a> {
    pub(super) head: Head<'a>,
    checksum: [u8; 4],
    pub(super) payload: Cow<'a, [u8]>,
}

impl<'a> Envelope<'a> {
    /// `basis` is the checksum of what the payload cannot be read without, 0 if that is nothing.
    pub(super) fn new(head: Head<'a>, payload: &'a [u8], basis: u32) -> Self {
        let checksum = checksum(basis, &head, payload);
        Self { head, checksum, payload: Cow::Borrowed(payload) }
    }

    /// As it is written where it is not encrypted.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&*self.head.bytes, &self.checksum, &self.payload].concat()
    }

    /// All but the head: what is encrypted.
    #[cfg(feature = "encryption")]
    pub(super) fn body(&self) -> Vec<u8> {
        [self.checksum.as_slice(), &self.payload].concat()
    }

    /// The parts of an envelope, which are not checked yet.
    pub(super) fn from_body(head: Head<'a>, body: Cow<'a, [u8]>) -> Result<Self> {
        let (checksum, payload) = match body {
            Cow::Borrowed(body) => {
                let (checksum, payload) = body.split_first_chunk().ok_or_else(too_short)?;
                (*checksum, Cow::Borrowed(payload))
            }
            Cow::Owned(mut body) => {
                let checksum = *body.first_chunk().ok_or_else(too_short)?;
                body.drain(..checksum.len());
                (checksum, Cow::Owned(body))
            }
        };
        Ok(Self { head, checksum, payload })
    }

    /// Refuses what was damaged since it was written with this basis.
    pub(super) fn check(&self, basis: u32) -> Result<()> {
        if self.checksum == checksum(basis, &self.head, &self.payload) {
            return Ok(());
        }
        Err(corrupt("the checksum is wrong: the data, or the dictionary it needs, is damaged or not ours"))
    }
}

fn too_short() -> crate::Error {
    corrupt("the data is too short for an envelope")
}

fn checksum(basis: u32, head: &Head<'_>, payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new_with_initial(basis);
    crc.update(&head.bytes);
    crc.update(payload);
    crc.finalize().to_be_bytes()
}
