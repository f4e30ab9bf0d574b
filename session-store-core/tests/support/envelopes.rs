//! Envelopes put together by hand, with a checksum of our own making.
#![allow(dead_code, reason = "each test looks at a part of it")]

/// An envelope with the right checksum, whatever is in it.
pub(crate) fn envelope(version: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    with_head(&[version, flags], payload)
}

/// The same with a policy of so many milliseconds.
pub(crate) fn with_policy(flags: u8, idle: u64, absolute: u64, payload: &[u8]) -> Vec<u8> {
    with_head(&[&[1, flags][..], &idle.to_be_bytes(), &absolute.to_be_bytes()].concat(), payload)
}

/// An envelope with any head.
pub(crate) fn with_head(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [head, &crc32(&[head, payload].concat()).to_be_bytes(), payload].concat()
}

/// CRC-32 (IEEE 802.3), bit by bit from its definition.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}
