//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

fn corpus(decoder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(decoder)
}

fn run_corpus(decoder: &str, run: fn(&[u8])) {
    let files = fs::read_dir(corpus(decoder)).unwrap().map(|file| file.unwrap().path());
    let runs = files.map(|file| {
        let bytes = fs::read(&file).unwrap();
        assert!(catch_unwind(|| run(&bytes)).is_ok(), "{}", file.display());
    });
    assert!(runs.count() > 0, "the corpus of {decoder} is empty");
}

/// The seeds are kept as files for the fuzzer, and so as they were built. `SESSION_STORE_WRITE_SEEDS=1` writes them.
fn compare_seeds(decoder: &str, seeds: &[(&str, Vec<u8>)]) {
    for (name, bytes) in seeds {
        let file = corpus(decoder).join(name);
        if std::env::var_os("SESSION_STORE_WRITE_SEEDS").is_some() {
            fs::write(&file, bytes).unwrap();
        }
        assert!(fs::read(&file).is_ok_and(|kept| kept == *bytes), "{} is not as it is built", file.display());
    }
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
    compare_seeds("text", &texts.map(|(name, text)| (name, text.into())));
    run_corpus("text", super::text);
}

#[cfg(all(feature = "compression", feature = "encryption"))]
mod codec {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::codec::Codec;
    use crate::{Policy, SessionKey};

    const KEY: SessionKey = SessionKey::from_bytes([7; 32]);

    #[test]
    fn the_corpus_of_envelopes() {
        compare_seeds("envelope", &envelopes());
        run_corpus("envelope", super::super::envelope::<Value>);
    }

    #[test]
    fn the_corpus_of_messagepack() {
        let payloads = values().map(|(name, value)| (name, plain(&value, None)[6..].to_vec()));
        compare_seeds("messagepack", &payloads);
        let shapes: [(&str, &[u8]); 7] = [
            ("deepest", &[&[0x91; 128][..], &[0xc0]].concat()),
            ("too-deep", &[&[0x91; 129][..], &[0xc0]].concat()),
            ("deepest-extension", &[&[0x91; 128][..], &[0xd4, 1, 2]].concat()),
            ("extension", &[0xd4, 1, 2]),
            ("reserved", &[0xc1]),
            ("longer-than-there-is", &[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0]),
            ("goes-on", &[0xc0, 0xc0]),
        ];
        compare_seeds("messagepack", &shapes.map(|(name, bytes)| (name, bytes.to_vec())));
        run_corpus("messagepack", super::super::messagepack);
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
