//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use session_store_core::{Meta, Timestamp, UserId};

use super::row::{alices, encode, of_columns};

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
fn the_corpus_of_rows() {
    compare_seeds("row", &rows());
    run_corpus("row", super::row);
}

#[test]
fn the_corpus_of_layouts() {
    let comments = [
        ("this", "session-store layout 1"),
        ("earlier", "session-store layout 0"),
        ("later", "session-store layout 2"),
        ("out-of-range", "session-store layout 4294967296"),
        ("of-somebody", "the sessions of é"),
    ];
    compare_seeds("layout", &comments.map(|(name, comment)| (name, comment.into())));
    run_corpus("layout", super::layout);
}

fn rows() -> Vec<(&'static str, Vec<u8>)> {
    let longest = UserId::new("é".repeat(128)).unwrap();
    let (before, after) = (0_i64.to_be_bytes(), 1_i64.to_be_bytes());
    let times = [&before, &before, &before, &after].map(|time| Some(&time[..]));
    let of = |owner, version| of_columns(&[&[owner], &times[..], &[version]].concat());
    vec![
        ("alices", encode(&alices())),
        ("nobodys", encode(&Meta { user: None, ..alices() })),
        ("longest-user", encode(&Meta { user: Some(longest), ..alices() })),
        ("dead", encode(&Meta { expires_at: Timestamp::from_millis(i64::MIN), ..alices() })),
        ("contradictory", encode(&Meta { created_at: alices().deadline, ..alices() })),
        ("user-is-no-text", of(Some(&[0xff, 0xfe]), Some(&[1; 16]))),
        ("no-user", of(Some(b""), Some(&[1; 16]))),
        ("short-version", of(None, Some(&[1; 15]))),
        ("null", of(None, None)),
    ]
}
