//! Layouts of later releases, and payloads that are not one whole value, are refused although their
//! checksum is right.

use crate::envelopes::{crc32, envelope};
use session_store_core::ErrorKind;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

/// MessagePack of 42.
const FORTY_TWO: [u8; 1] = [42];

fn refusal(data: &[u8]) -> (ErrorKind, String) {
    let error = Codec::new().decode::<u8>(&KEY, data).unwrap_err();
    (error.kind(), error.to_string())
}

fn corrupt(why: &str) -> (ErrorKind, String) {
    (ErrorKind::Corrupt, why.to_owned())
}

#[test]
fn the_checksum_of_these_tests_is_the_known_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn an_envelope_made_by_hand_is_what_the_codec_writes() {
    assert_eq!(Codec::new().encode(&KEY, &42_u8).unwrap(), envelope(1, 0, &FORTY_TWO));
    assert_eq!(Codec::new().decode::<u8>(&KEY, &envelope(1, 0, &FORTY_TWO)).unwrap(), 42);
}

#[test]
fn every_other_version_is_corrupt() {
    for version in (0..=u8::MAX).filter(|version| *version != 1) {
        let expected = corrupt("the data's envelope has a version that this release does not know");
        assert_eq!(refusal(&envelope(version, 0, &FORTY_TWO)), expected);
    }
}

#[test]
fn every_unknown_flag_is_corrupt() {
    // The first three are known.
    for flags in 8..=u8::MAX {
        let expected = corrupt("the data's envelope has flags that this release does not know");
        assert_eq!(refusal(&envelope(1, flags, &FORTY_TWO)), expected, "flags {flags:#010b}");
    }
}

#[test]
fn an_encrypted_envelope_needs_a_key_ring() {
    for flags in [2, 3] {
        for payload in [&[][..], &FORTY_TWO, &[0; 60]] {
            #[cfg(feature = "encryption")]
            let expected = corrupt("the data is encrypted, and this codec has no keys");
            #[cfg(not(feature = "encryption"))]
            let expected = (
                ErrorKind::Unsupported,
                "the data is encrypted; build session-store-core with the feature `encryption`".to_owned(),
            );
            assert_eq!(refusal(&envelope(1, flags, payload)), expected);
        }
    }
}

#[test]
fn what_follows_the_value_is_corrupt() {
    for byte in 0..=u8::MAX {
        let expected = corrupt("the data goes on after its value");
        assert_eq!(refusal(&envelope(1, 0, &[42, byte])), expected, "after it {byte:#04x}");
    }
}

#[test]
fn no_value_is_corrupt() {
    assert_eq!(refusal(&[]), corrupt("the data is too short for an envelope"));
    assert_eq!(refusal(&envelope(1, 0, &[])), corrupt("the data ends too early"));
}

#[test]
fn a_payload_that_is_not_as_flagged_is_corrupt() {
    #[cfg(feature = "compression")]
    {
        assert_eq!(refusal(&envelope(1, 1, &FORTY_TWO)), corrupt("the compressed data is damaged"));
        let frame = zstd::bulk::compress(&FORTY_TWO, 3).unwrap();
        assert_eq!(Codec::new().decode::<u8>(&KEY, &envelope(1, 1, &frame)).unwrap(), 42);
        assert_eq!(refusal(&envelope(1, 0, &frame)).0, ErrorKind::Corrupt);
    }
    #[cfg(not(feature = "compression"))]
    assert_eq!(refusal(&envelope(1, 1, &FORTY_TWO)).0, ErrorKind::Unsupported);
}

#[cfg(feature = "compression")]
#[test]
fn what_follows_a_compressed_value_is_corrupt() {
    let frame = zstd::bulk::compress(&FORTY_TWO, 3).unwrap();
    let two_values = zstd::bulk::compress(&[42, 42], 3).unwrap();
    assert_eq!(refusal(&envelope(1, 1, &two_values)), corrupt("the data goes on after its value"));
    for tail in [&[0][..], &frame, &[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]] {
        let data = envelope(1, 1, &[&frame, tail].concat());
        assert_eq!(refusal(&data), corrupt("the compressed data is damaged"), "{} bytes more", tail.len());
    }
}
