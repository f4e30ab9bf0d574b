//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use session_store_core::{Meta, Timestamp, UserId};
use testkit::corpus::Corpus;

use super::row::{alices, encode, of_columns};

fn corpus(decoder: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), decoder)
}

#[test]
fn the_corpus_of_rows() {
    corpus("row").assert_seeds(&rows());
    corpus("row").run(super::row);
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
    corpus("layout").assert_seeds(&comments.map(|(name, comment)| (name, comment.into())));
    corpus("layout").run(super::layout);
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
