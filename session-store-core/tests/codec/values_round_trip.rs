//! What a codec encodes, it decodes to the same value, compressed or not.

use crate::any_value::{Value, value};
use proptest::prelude::*;
use session_store_core::codec::Codec;

const KEY: session_store_core::SessionKey = session_store_core::SessionKey::from_bytes([7; 32]);

proptest! {
    #[test]
    fn any_value_comes_back(value in value()) {
        let codec = Codec::new();
        prop_assert_eq!(&codec.decode::<Value>(&KEY, &codec.encode(&KEY, &value).unwrap()).unwrap(), &value);
    }

    #[cfg(feature = "compression")]
    #[test]
    fn any_value_comes_back_through_compression(value in value()) {
        let codec = Codec::new().with_compression_over(0);
        let data = codec.encode(&KEY, &value).unwrap();
        prop_assert_eq!(&codec.decode::<Value>(&KEY, &data).unwrap(), &value);
        prop_assert_eq!(&Codec::new().decode::<Value>(&KEY, &data).unwrap(), &value, "a codec with the defaults reads it too");
    }
}

#[test]
fn extremes_come_back() {
    let codec = Codec::new();
    let extremes = (i64::MIN, i64::MAX, u64::MAX, i128::MIN, u128::MAX, '\u{10FFFF}', String::new());
    let data = codec.encode(&KEY, &extremes).unwrap();
    assert_eq!(codec.decode::<(i64, i64, u64, i128, u128, char, String)>(&KEY, &data).unwrap(), extremes);
}

#[test]
fn every_bit_of_a_float_comes_back() {
    let codec = Codec::new();
    for bits in [f64::NAN.to_bits(), 0xFFF8_0000_0000_0001, f64::INFINITY.to_bits(), (-0.0_f64).to_bits(), 1] {
        let data = codec.encode(&KEY, &f64::from_bits(bits)).unwrap();
        assert_eq!(codec.decode::<f64>(&KEY, &data).unwrap().to_bits(), bits);
    }
}

/// MessagePack has one nil. This is a limit, stated on `Codec`, and not a promise to keep.
#[test]
fn some_nothing_comes_back_as_none() {
    let codec = Codec::new();
    assert_eq!(
        codec.decode::<Option<Option<u8>>>(&KEY, &codec.encode(&KEY, &Some(None::<u8>)).unwrap()).unwrap(),
        None
    );
    assert_eq!(codec.decode::<Option<()>>(&KEY, &codec.encode(&KEY, &Some(())).unwrap()).unwrap(), None);
}
