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
    pub(super) fn to_bytes(&self) -> Bytes {
        let head = [VERSION, if self.compressed { COMPRESSED } else { 0 }];
        [&head, checksum(head, self.payload).as_slice(), self.payload].concat().into()
    }

    pub(super) fn parse(data: &'a [u8]) -> Result<Self> {
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
        if *sum != checksum([version, flags], payload) {
            return Err(corrupt("the data's checksum is wrong: it is damaged, cut or not ours"));
        }
        Ok(Self { compressed: flags & COMPRESSED != 0, payload })
    }
}

fn checksum(head: [u8; 2], payload: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(payload);
    crc.finalize().to_be_bytes()
}
