//! The policy of a login is kept beside the data of its session, and one that no login can have is corrupt.

use std::time::Duration;

use crate::envelopes::with_policy;
use proptest::prelude::*;
use session_store_core::codec::Codec;
use session_store_core::{ErrorKind, MAX_TIMEOUT, MIN_TIMEOUT, Policy, SessionKey};

const KEY: SessionKey = SessionKey::from_bytes([7; 32]);
const TEN_YEARS: u64 = 10 * 365 * 24 * 3600 * 1000;

/// MessagePack of 42.
const FORTY_TWO: [u8; 1] = [42];

fn refusal(data: &[u8]) -> String {
    let error = Codec::new().decode_with::<u8>(&KEY, data).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&KEY)));
    error.to_string()
}

fn millis(policy: Policy) -> (u128, u128) {
    (policy.idle().as_millis(), policy.absolute().as_millis())
}

#[test]
fn one_made_by_hand_is_what_the_codec_writes() {
    let policy = Policy::new(Duration::from_millis(0x0102), Duration::from_millis(0x0304_0506)).unwrap();
    let written = Codec::new().encode_with(&KEY, &42_u8, Some(policy)).unwrap();
    assert_eq!(written, with_policy(4, 0x0102, 0x0304_0506, &FORTY_TWO));
    assert_eq!(written[..18], [1, 4, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 5, 6]);
    assert_eq!(Codec::new().decode_with::<u8>(&KEY, &written).unwrap(), (42, Some(policy)));
    assert_eq!(Codec::new().decode::<u8>(&KEY, &written).unwrap(), 42);
    assert_eq!(Codec::new().reencrypt(&KEY, &written).unwrap(), written);
}

#[test]
fn without_a_policy_there_is_none() {
    let written = Codec::new().encode(&KEY, &42_u8).unwrap();
    assert_eq!(written, Codec::new().encode_with(&KEY, &42_u8, None).unwrap());
    assert_eq!(Codec::new().decode_with::<u8>(&KEY, &written).unwrap(), (42, None));
}

#[test]
fn the_bounds_are_1_millisecond_and_10_years() {
    for (idle, absolute) in [(1, 1), (TEN_YEARS, TEN_YEARS), (TEN_YEARS, 1), (1, TEN_YEARS)] {
        let (_, policy) = Codec::new().decode_with::<u8>(&KEY, &with_policy(4, idle, absolute, &FORTY_TWO)).unwrap();
        assert_eq!(millis(policy.unwrap()), (idle.into(), absolute.into()));
    }
    let outside = [0, TEN_YEARS + 1, 1 << 63, u64::MAX];
    for odd in outside {
        for (idle, absolute) in [(odd, 1_000), (1_000, odd), (odd, odd)] {
            let refused = refusal(&with_policy(4, idle, absolute, &FORTY_TWO));
            assert_eq!(refused, "the data's envelope has timeouts that no policy has", "{idle} and {absolute}");
        }
    }
}

#[test]
fn one_that_ends_too_early_is_corrupt() {
    let whole = with_policy(4, 1_000, 2_000, &[]);
    for len in 2..whole.len() {
        assert_eq!(refusal(&whole[..len]), "the data is too short for an envelope", "{len} bytes");
    }
    assert_eq!(refusal(&whole), "the data ends too early");
}

#[test]
fn every_flipped_bit_is_corrupt() {
    let whole = with_policy(4, 1_000, 2_000, &FORTY_TWO);
    for bit in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = Codec::new().decode_with::<u8>(&KEY, &flipped).unwrap_err();
        // Of another form, which this build need not have.
        let is_another_form = (8..10).contains(&bit);
        assert!(error.kind() == ErrorKind::Corrupt || is_another_form, "bit {bit}");
        assert_eq!(error.key(), Some(&KEY));
    }
}

/// Whoever gives a session more time has to compute a checksum only; encryption is what keeps him from it.
#[test]
fn what_is_not_encrypted_is_as_safe_as_the_database() {
    let data = with_policy(4, TEN_YEARS, TEN_YEARS, &FORTY_TWO);
    assert!(Codec::new().decode_with::<u8>(&KEY, &data).unwrap().1.is_some());
}

#[test]
fn a_policy_has_whole_milliseconds_within_the_bounds() {
    let policy = Policy::new(Duration::from_micros(1_999), MAX_TIMEOUT).unwrap();
    assert_eq!((policy.idle(), policy.absolute()), (MIN_TIMEOUT, MAX_TIMEOUT));
    for odd in [Duration::ZERO, Duration::from_micros(999), MAX_TIMEOUT + Duration::from_nanos(1), Duration::MAX] {
        for refused in [Policy::new(odd, MAX_TIMEOUT), Policy::new(MAX_TIMEOUT, odd)] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput, "{odd:?}");
        }
    }
}

#[test]
fn the_presets_are_what_the_rules_say() {
    const MINUTE: u128 = 60_000;
    let presets = [
        (Policy::NIST_AAL1, 30 * 24 * 60, 30 * 24 * 60),
        (Policy::NIST_AAL2, 60, 24 * 60),
        (Policy::NIST_AAL3, 15, 12 * 60),
        (Policy::OWASP_LOW_RISK, 30, 8 * 60),
        (Policy::OWASP_HIGH_VALUE, 5, 4 * 60),
    ];
    for (policy, idle, absolute) in presets {
        assert_eq!(millis(policy), (idle * MINUTE, absolute * MINUTE));
        assert_eq!(Policy::new(policy.idle(), policy.absolute()).unwrap(), policy);
    }
}

proptest! {
    #[test]
    fn any_policy_comes_back(idle in 1..=TEN_YEARS, absolute in 1..=TEN_YEARS, value in any::<String>()) {
        let policy = Policy::new(Duration::from_millis(idle), Duration::from_millis(absolute)).unwrap();
        let written = Codec::new().encode_with(&KEY, &value, Some(policy)).unwrap();
        let read = Codec::new().decode_with::<String>(&KEY, &written).unwrap();
        prop_assert_eq!(read, (value, Some(policy)));
    }
}
