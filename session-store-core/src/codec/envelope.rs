//! The header before every payload.

use bytes::Bytes;

use super::corrupt;
use crate::Result;

const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
// Bit 1 is kept for encryption. Until a codec can decrypt, it is refused like any unknown flag.
const KNOWN_FLAGS: u8 = COMPRESSED;

#[derive(Debug, PartialEq)]
pub(super) struct Envelope<'a> {
    pub(super) compressed: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `basis` is the checksum of what the payload cannot be read without, 0 if that is nothing.
    pub(super) fn to_bytes(&self, basis: u32) -> Bytes {
        let head = [VERSION, if self.compressed { COMPRESSED } else { 0 }];
        [&head, checksum(basis, head, self.payload).as_slice(), self.payload].concat().into()
    }

    pub(super) fn parse(data: &'a [u8], basis: impl FnOnce(&Self) -> Result<u32>) -> Result<Self> {
        let Some((&[version, flags], rest)) = data.split_first_chunk() else {
            return Err(corrupt("the data is too short for an envelope"));
        };
        if version != VERSION {
            return Err(corrupt("the data's envelope has a version that this release does not know"));
        }
        if flags & !KNOWN_FLAGS != 0 {
            return Err(corrupt("the data's envelope has flags that this release does not know"));
        }
        let Some((sum, payload)) = rest.split_first_chunk() else {
            return Err(corrupt("the data is too short for an envelope"));
        };
        let envelope = Self { compressed: flags & COMPRESSED != 0, payload };
        if *sum != checksum(basis(&envelope)?, [version, flags], payload) {
            return Err(corrupt("the checksum is wrong: the data, or the dictionary it needs, is damaged or not ours"));
        }
        Ok(envelope)
    }
}

fn checksum(basis: u32, head: [u8; 2], payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new_with_initial(basis);
    crc.update(&head);
    crc.update(payload);
    crc.finalize().to_be_bytes()
}
