//! What a codec encrypts, it decrypts to the same value, and never in the same way twice.

use std::collections::HashSet;
use std::time::Duration;

use crate::any_value::{Value, value};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use proptest::prelude::*;
use session_store_core::codec::{Codec, EncryptionKey, KeyRing};
use session_store_core::{Policy, SessionKey};

use crate::test_keys::{KEY, codec, key, ring};

fn any_policy() -> impl Strategy<Value = Option<Policy>> {
    let millis = 1_u64..1_000_000_000;
    let policy = (millis.clone(), millis).prop_map(|(idle, absolute)| {
        Policy::new(Duration::from_millis(idle), Duration::from_millis(absolute)).unwrap()
    });
    proptest::option::of(policy)
}

proptest! {
    #[test]
    fn any_value_comes_back(
        value in value(),
        policy in any_policy(),
        secret in any::<[u8; 32]>(),
        session in any::<[u8; 32]>(),
    ) {
        let session = SessionKey::from_bytes(session);
        let codec = codec(KeyRing::new(EncryptionKey::from_bytes(&secret)));
        let data = codec.encode_with(&session, &value, policy).unwrap();
        prop_assert_eq!(data[1] & 2, 2, "it is encrypted");
        prop_assert!(codec.is_current(&data));
        prop_assert_eq!(&codec.decode_with::<Value>(&session, &data).unwrap(), &(value, policy));
    }

    #[cfg(feature = "compression")]
    #[test]
    fn any_value_comes_back_through_compression(value in value(), policy in any_policy()) {
        let compressing = codec(ring(1)).with_compression_over(0);
        let data = compressing.encode_with(&KEY, &value, policy).unwrap();
        prop_assert_eq!(&codec(ring(1)).decode_with::<Value>(&KEY, &data).unwrap(), &(value, policy));
    }

    /// Whatever is not an envelope of ours never opens, and never panics.
    #[test]
    fn random_bytes_do_not_open(head in 0_u8..8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let data = [&[1, head][..], &bytes].concat();
        prop_assert!(codec(ring(1)).decode::<Value>(&KEY, &data).is_err());
        prop_assert!(codec(ring(1)).reencrypt(&KEY, &data).is_err());
        let _ = codec(ring(1)).is_current(&data);
    }
}

/// As the documentation of the envelope says, and libsodium computes.
#[test]
fn the_known_answer_opens() {
    let data = hex::decode(
        "0102f444f1e142bbd0d26465666768696a6b6c6d6e6f707172737475767778797a7b6b7de1c1d53b6ca35e3f78eae8135e4f7e52864d3f",
    )
    .unwrap();
    let key = EncryptionKey::from_bytes(&std::array::from_fn(|n| u8::try_from(n).unwrap()));
    assert_eq!(codec(KeyRing::new(key)).decode::<u8>(&KEY, &data).unwrap(), 42);
}

#[test]
fn what_is_written_opens_by_the_cipher_alone() {
    let policy = Policy::NIST_AAL3;
    for (head_len, policy) in [(2, None), (18, Some(policy))] {
        let data = codec(ring(9)).encode_with(&KEY, &42_u8, policy).unwrap();
        let (head, rest) = data.split_at(head_len);
        let ((id, rest), aad) = (rest.split_at(8), [b"session-store envelope v1\0", &[7; 32][..], head].concat());
        let nonce = XNonce::from(<[u8; 24]>::try_from(&rest[..24]).unwrap());
        let payload = Payload { msg: &rest[24..], aad: &aad };
        let body = XChaCha20Poly1305::new(&[9; 32].into()).decrypt(&nonce, payload).unwrap();
        assert_eq!(hex::encode(id), key(9).id());
        assert_eq!(body[4..], [42], "after the checksum");
        assert_eq!(data.len(), head_len + 8 + 24 + 4 + 1 + 16);
    }
}

#[test]
fn no_nonce_is_used_twice() {
    let codec = codec(ring(1));
    let (mut nonces, mut envelopes) = (HashSet::new(), HashSet::new());
    let mut data = codec.encode(&KEY, &42_u8).unwrap();
    for n in 0..2_000 {
        data = if n % 2 == 0 { codec.encode(&KEY, &42_u8).unwrap() } else { codec.reencrypt(&KEY, &data).unwrap() };
        assert!(nonces.insert(data[10..34].to_vec()), "the nonce of envelope {n}");
        assert!(envelopes.insert(data.clone()));
    }
    for place in 0..24 {
        let seen: HashSet<_> = nonces.iter().map(|nonce| nonce[place]).collect();
        assert!(seen.len() > 200, "byte {place} of the nonces has {} values", seen.len());
    }
}

#[test]
fn nothing_of_the_value_is_in_the_envelope() {
    let secret = "correct horse battery staple";
    for codec in [codec(ring(1)), codec(ring(1).accepting_unencrypted())] {
        let data = codec.encode(&KEY, &secret).unwrap();
        assert!(!data.windows(4).any(|window| secret.as_bytes().windows(4).any(|part| part == window)));
        assert!(!data.windows(4).any(|window| window == [1; 4]), "nor of the key");
    }
    let plain = Codec::new().encode(&KEY, &secret).unwrap();
    assert!(plain.windows(4).any(|window| window == b"hors"), "where nothing encrypts, it is");
}
