//! Bytes that no codec wrote are refused or read, but never a panic.

use std::collections::BTreeMap;

use crate::any_value::{Value, value};
use crate::envelopes::envelope;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use session_store_core::ErrorKind;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

fn kinds(data: &[u8]) -> [Option<ErrorKind>; 4] {
    fn kind<T: DeserializeOwned>(data: &[u8]) -> Option<ErrorKind> {
        Codec::new().decode::<T>(&KEY, data).err().map(|error| error.kind())
    }
    [
        kind::<Value>(data),
        kind::<serde_json::Value>(data),
        kind::<BTreeMap<String, Vec<u64>>>(data),
        kind::<(Option<bool>, String)>(data),
    ]
}

proptest! {
    #[test]
    fn random_bytes_are_never_read(data in vec(any::<u8>(), 0..512)) {
        prop_assert_eq!(kinds(&data), [Some(ErrorKind::Corrupt); 4]);
    }

    #[test]
    fn random_bytes_after_a_right_head_are_never_read(flags in 0..8_u8, rest in vec(any::<u8>(), 4..512)) {
        let data = [&[1, flags], rest.as_slice()].concat();
        // A build without a feature cannot tell.
        let unknown = [cfg!(not(feature = "compression")), cfg!(not(feature = "encryption"))];
        let unsupported = (0..2).any(|bit| flags & 1 << bit != 0 && unknown[bit]);
        for kind in kinds(&data) {
            let expected = kind == Some(ErrorKind::Corrupt) || (unsupported && kind == Some(ErrorKind::Unsupported));
            prop_assert!(expected, "flags {}: {:?}", flags, kind);
        }
    }

    #[test]
    fn random_payloads_under_a_right_checksum_are_read_or_corrupt(payload in vec(any::<u8>(), 0..512)) {
        for kind in kinds(&envelope(1, 0, &payload)) {
            prop_assert!(matches!(kind, None | Some(ErrorKind::Corrupt)));
        }
    }

    #[test]
    fn changed_payloads_under_a_right_checksum_are_read_or_corrupt(
        value in value(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let codec = Codec::new();
        #[cfg(feature = "compression")]
        let codec = codec.with_compression_over(usize::MAX);
        let mut payload = codec.encode(&KEY, &value).unwrap().slice(6..).to_vec();
        let at = at.index(payload.len());
        payload[at] = byte;
        for payload in [&payload[..], &payload[..cut.index(payload.len())]] {
            for kind in kinds(&envelope(1, 0, payload)) {
                prop_assert!(matches!(kind, None | Some(ErrorKind::Corrupt)));
            }
        }
    }

    #[cfg(feature = "compression")]
    #[test]
    fn random_frames_under_a_right_checksum_are_corrupt(frame in vec(any::<u8>(), 0..512)) {
        prop_assert_eq!(kinds(&envelope(1, 1, &frame)), [Some(ErrorKind::Corrupt); 4]);
        let with_magic = [&[0x28, 0xB5, 0x2F, 0xFD], frame.as_slice()].concat();
        for kind in kinds(&envelope(1, 1, &with_magic)) {
            prop_assert!(matches!(kind, None | Some(ErrorKind::Corrupt)));
        }
    }
}
