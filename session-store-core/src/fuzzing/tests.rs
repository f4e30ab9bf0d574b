//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use testkit::corpus::Corpus;

fn corpus(decoder: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), decoder)
}

#[test]
fn the_corpus_of_texts() {
    let key = crate::SessionKey::from_bytes([0xab; 32]).to_text();
    let texts = [
        ("id", "0123456789_ABCDEFGHIJ-abcdefghijklmnopqrstuv"),
        ("shortest-id", "0123456789012345678901"),
        ("longest", &"i".repeat(256)),
        ("key", &key),
        ("key-in-upper-case", &key.to_uppercase().replace("K1", "k1")),
        ("secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
        ("secret-with-bits-left", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"),
        ("user", "alice@example.com"),
        ("user-of-another-script", "é e\u{301} 漢字 🦀"),
        ("with-nul", "ali\0ce"),
    ];
    corpus("text").assert_seeds(&texts.map(|(name, text)| (name, text.into())));
    corpus("text").run(super::text);
}

#[cfg(all(feature = "compression", feature = "encryption"))]
mod codec {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::codec::Codec;
    use crate::{Policy, SessionKey};

    const KEY: SessionKey = SessionKey::from_bytes([7; 32]);

    #[test]
    fn the_corpus_of_envelopes() {
        corpus("envelope").assert_seeds(&envelopes());
        corpus("envelope").run(super::super::envelope::<Value>);
    }

    #[test]
    fn the_corpus_of_messagepack() {
        let payloads = values().map(|(name, value)| (name, plain(&value, None)[6..].to_vec()));
        corpus("messagepack").assert_seeds(&payloads);
        let shapes: [(&str, &[u8]); 7] = [
            ("deepest", &[&[0x91; 128][..], &[0xc0]].concat()),
            ("too-deep", &[&[0x91; 129][..], &[0xc0]].concat()),
            ("deepest-extension", &[&[0x91; 128][..], &[0xd4, 1, 2]].concat()),
            ("extension", &[0xd4, 1, 2]),
            ("reserved", &[0xc1]),
            ("longer-than-there-is", &[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]),
            ("goes-on", &[0xc0, 0xc0]),
        ];
        corpus("messagepack").assert_seeds(&shapes.map(|(name, bytes)| (name, bytes.to_vec())));
        corpus("messagepack").run(super::super::messagepack);
    }

    fn plain(value: &Value, policy: Option<Policy>) -> Vec<u8> {
        let codec = Codec::new().with_compression_over(usize::MAX);
        codec.encode_with(&KEY, value, policy).unwrap().to_vec()
    }

    fn values() -> [(&'static str, Value); 4] {
        let pair = json!({ "Pair": { "first": { "Number": -3 }, "second": [true, "é"] } });
        let nested = (0..100).fold(json!(null), |inner, _| json!([inner]));
        [
            // Sorted, as serde_json does unless another crate of the build has its `preserve_order` on.
            ("any", json!({ "flag": true, "nothing": null, "numbers": [0, -1, 300, u64::MAX, 1.5], "text": "é" })),
            ("tree", json!({ "Many": ["Leaf", pair, { "Maybe": { "Many": [] } }, { "Maybe": null }] })),
            ("nested", nested),
            ("long-text", json!("x".repeat(300))),
        ]
    }

    fn envelopes() -> Vec<(&'static str, Vec<u8>)> {
        const DAY: Duration = Duration::from_hours(24);
        let kept =
            |file: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/release_0_1").join(file)).unwrap();
        let policy = Policy::new(14 * DAY, 90 * DAY).ok();
        let mut to_encrypt = plain(&json!({ "to be": "encrypted" }), policy);
        to_encrypt[1] |= 2;
        let mut damaged = plain(&json!([1]), None);
        damaged[2] ^= 1;
        let mut seeds = values().map(|(name, value)| (name, plain(&value, None))).to_vec();
        seeds.extend([
            ("with-a-policy", plain(&json!([1]), policy)),
            ("with-no-policy-there-is", [&[1, 4][..], &[0; 16], &[0; 4], &[0xc0]].concat()),
            ("to-encrypt", to_encrypt),
            ("wrong-checksum", damaged),
            ("goes-on", [&plain(&json!([1]), None)[..], &[0xc0]].concat()),
            ("later-version", vec![2, 0, 0, 0, 0, 0, 0xc0]),
        ]);
        let files = [
            ("of-0-1-plain", "plain.envelope"),
            ("of-0-1-compressed", "compressed.envelope"),
            ("of-0-1-compressed-with-a-dictionary", "compressed_with_dictionary.envelope"),
            ("of-0-1-with-a-policy", "with_policy.envelope"),
            ("of-0-1-encrypted", "encrypted.envelope"),
            ("of-0-1-all-of-it", "all_of_it.envelope"),
        ];
        seeds.extend(files.map(|(name, file)| (name, kept(file))));
        seeds
    }
}
