//! An encrypted envelope that was changed, cut, or moved to another session does not open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use session_store_core::codec::Codec;
use session_store_core::{Bytes, ErrorKind, Policy, SessionKey};

use crate::test_keys::{KEY, codec, key, ring};

const DOES_NOT_OPEN: &str = "the encrypted data does not open: it was changed, or written for another session";
const NOT_IN_THE_RING: &str = "the data is encrypted with a key that is not in the ring";
const TOO_SHORT: &str = "the data is too short for an encrypted envelope";
const NOT_ENCRYPTED: &str = "the data is not encrypted, and this codec takes only what is";

fn refusal(codec: &Codec, session: &SessionKey, data: &[u8]) -> String {
    let error = codec.decode_with::<String>(session, data).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(session)));
    let again = codec.reencrypt(session, data).unwrap_err();
    assert_eq!((again.kind(), again.key()), (ErrorKind::Corrupt, Some(session)), "nor is it encrypted anew");
    error.to_string()
}

/// One of each form.
fn envelopes() -> Vec<Bytes> {
    let text = "a text that is long enough to be compressed ".repeat(20);
    let policies = [None, Some(Policy::NIST_AAL3)];
    let of = |text: &str| policies.map(|policy| codec(ring(1)).encode_with(&KEY, text, policy).unwrap());
    let all = [of("short"), of(&text)].concat();
    #[cfg(feature = "compression")]
    assert_eq!(all.iter().map(|data| data[1]).collect::<Vec<_>>(), [2, 6, 3, 7]);
    all
}

#[test]
fn every_flipped_bit_is_corrupt() {
    for data in envelopes() {
        for bit in 0..8 * data.len() {
            let mut flipped = data.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Also where what is not encrypted is taken.
            for ring in [ring(1), ring(1).accepting_unencrypted(), ring(1).writing_unencrypted()] {
                let error = codec(ring).decode::<String>(&KEY, &flipped).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit} of {} bytes", data.len());
            }
        }
    }
}

#[test]
fn every_truncation_is_corrupt() {
    for data in envelopes() {
        for len in 0..data.len() {
            refusal(&codec(ring(1)), &KEY, &data[..len]);
        }
        let head = if data[1] & 4 == 0 { 2 } else { 18 };
        for len in head..head + 8 + 24 {
            assert_eq!(refusal(&codec(ring(1)), &KEY, &data[..len]), TOO_SHORT);
        }
        for len in head + 8 + 24..data.len() {
            assert_eq!(refusal(&codec(ring(1)), &KEY, &data[..len]), DOES_NOT_OPEN);
        }
    }
}

#[test]
fn every_byte_too_many_is_corrupt() {
    for data in envelopes() {
        for byte in 0..=u8::MAX {
            assert_eq!(refusal(&codec(ring(1)), &KEY, &[&data, &[byte][..]].concat()), DOES_NOT_OPEN);
        }
    }
}

#[test]
fn moved_to_another_session_it_is_corrupt() {
    for data in envelopes() {
        for bit in 0..256 {
            let mut bytes = [7; 32];
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(refusal(&codec(ring(1)), &SessionKey::from_bytes(bytes), &data), DOES_NOT_OPEN);
        }
    }
}

#[test]
fn a_changed_policy_is_corrupt() {
    let data = codec(ring(1)).encode_with(&KEY, "data", Some(Policy::NIST_AAL3)).unwrap();
    let longer = codec(ring(1)).encode_with(&KEY, "data", Some(Policy::NIST_AAL1)).unwrap();
    let none = codec(ring(1)).encode(&KEY, "data").unwrap();
    for changed in [
        [&longer[..18], &data[18..]].concat(),
        [&none[..2], &data[18..]].concat(),
        [&longer[..18], &none[2..]].concat(),
    ] {
        assert_eq!(refusal(&codec(ring(1)), &KEY, &changed), DOES_NOT_OPEN);
    }
}

#[test]
fn a_changed_flag_is_corrupt() {
    let data = codec(ring(1)).encode(&KEY, "data").unwrap();
    let with = |flags| [&[1, flags][..], &data[2..]].concat();
    assert_eq!(refusal(&codec(ring(1)), &KEY, &with(0)), NOT_ENCRYPTED);
    assert_eq!(refusal(&codec(ring(1)), &KEY, &with(1)), NOT_ENCRYPTED);
    assert_eq!(refusal(&codec(ring(1)), &KEY, &with(3)), DOES_NOT_OPEN);
}

#[test]
fn another_key_does_not_open_it() {
    let data = codec(ring(1)).encode(&KEY, "data").unwrap();
    for other in [ring(2), ring(2).with_next(key(3)).with_former(key(4))] {
        assert_eq!(refusal(&codec(other), &KEY, &data), NOT_IN_THE_RING);
    }
    // As if the other key had the same name.
    let id = hex::decode(key(2).id()).unwrap();
    let renamed = [&data[..2], &id, &data[10..]].concat();
    assert_eq!(refusal(&codec(ring(2)), &KEY, &renamed), DOES_NOT_OPEN);
    assert_eq!(refusal(&codec(ring(2).with_former(key(1))), &KEY, &renamed), DOES_NOT_OPEN);
}

/// Who has the key may write what he likes; what is within is judged all the same.
#[test]
fn what_was_encrypted_of_something_else_is_corrupt() {
    let seal = |body: &[u8]| {
        let aad = [b"session-store envelope v1\0", &[7; 32][..], &[1, 2]].concat();
        let cipher = XChaCha20Poly1305::new(&[1; 32].into());
        let sealed = cipher.encrypt(&XNonce::from([5; 24]), Payload { msg: body, aad: &aad }).unwrap();
        [&[1, 2], &hex::decode(key(1).id()).unwrap()[..], &[5; 24], &sealed].concat()
    };
    for len in 0..4 {
        assert_eq!(refusal(&codec(ring(1)), &KEY, &seal(&vec![0; len])), "the data is too short for an envelope");
    }
    let checksum = "the checksum is wrong: the data, or the dictionary it needs, is damaged or not ours";
    assert_eq!(refusal(&codec(ring(1)), &KEY, &seal(&[0, 0, 0, 0, 42])), checksum);
}
