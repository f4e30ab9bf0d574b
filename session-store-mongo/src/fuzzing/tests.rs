//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use session_store_core::{Meta, Record, Timestamp, UserId};

use super::document::{alices, answer, encode};
use crate::document::binary;

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
fn compare_seeds(decoder: &str, seeds: &[(&str, RawDocumentBuf)]) {
    for (name, document) in seeds {
        let file = corpus(decoder).join(name);
        if std::env::var_os("SESSION_STORE_WRITE_SEEDS").is_some() {
            fs::write(&file, document.as_bytes()).unwrap();
        }
        let is_kept = fs::read(&file).is_ok_and(|kept| kept == document.as_bytes());
        assert!(is_kept, "{} is not as it is built", file.display());
    }
}

#[test]
fn the_corpus_of_documents() {
    compare_seeds("document", &documents());
    run_corpus("document", super::document);
}

#[test]
fn the_corpus_of_replies() {
    compare_seeds("reply", &replies().map(|(name, reply)| (name, RawDocumentBuf::try_from(&reply).unwrap())));
    run_corpus("reply", super::reply);
}

fn documents() -> Vec<(&'static str, RawDocumentBuf)> {
    let alices = alices();
    let with = |meta: Meta| encode(&Record { meta, ..alices.clone() });
    let longest = UserId::new("é".repeat(128)).unwrap();
    let changed = |field: &str, value: Bson| {
        let mut document = Document::try_from(&*encode(&alices)).unwrap();
        document.insert(field, value);
        RawDocumentBuf::try_from(&document).unwrap()
    };
    let of = |document: Document| RawDocumentBuf::try_from(&document).unwrap();
    vec![
        ("alices", encode(&alices)),
        ("nobodys", with(Meta { user: None, ..alices.meta.clone() })),
        ("longest-user", with(Meta { user: Some(longest), ..alices.meta.clone() })),
        ("expired", with(Meta { expires_at: Timestamp::from_millis(0), ..alices.meta.clone() })),
        ("contradictory", with(Meta { created_at: alices.meta.deadline, ..alices.meta.clone() })),
        ("later-layout", changed("layout", 2.into())),
        ("user-is-no-text", changed("owner", binary(&[0xff, 0xfe]).into())),
        ("expiry-is-no-time", changed("expires_at", Bson::Null)),
        ("with-more", changed("more", Bson::Array(vec![doc! { "a": 1.5, "b": "text" }.into(), Bson::Null]))),
        ("get", answer(&encode(&alices))),
        ("id", of(doc! { "_id": ObjectId::from_bytes(*b"0123456789ab") })),
        ("counted", of(doc! { "_id": 0, "live": 3, "last": ObjectId::from_bytes(*b"0123456789ab") })),
        ("version", of(doc! { "key": binary(&[7; 32]), "version": binary(b"0123456789abcdef") })),
    ]
}

fn replies() -> [(&'static str, Document); 9] {
    let error = |code: i32| doc! { "index": 1, "code": code, "errmsg": "of alice" };
    let mut taken = error(11000);
    taken.insert("keyPattern", doc! { "key": 1 });
    let mut others = error(11000);
    others.insert("keyPattern", doc! { "data": 1 });
    let concern = doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out" };
    let of_key = doc! { "name": "session_store_key", "key": { "key": 1 }, "unique": true };
    let of_owner = doc! {
        "name": "session_store_owner", "key": { "owner": 1.0 },
        "partialFilterExpression": { "owner": { "$exists": true } },
    };
    let of_removal = doc! { "name": "session_store_remove_at", "key": { "remove_at": 1_i64 }, "expireAfterSeconds": 0 };
    let done = doc! { "n": 2, "nModified": 1, "ok": 1.0, "operationTime": DateTime::from_millis(0) };
    [
        ("done", done),
        ("refused", doc! { "n": 1, "writeErrors": [error(241)], "ok": 1.0 }),
        ("raced", doc! { "n": 1.0, "writeErrors": [taken, error(112)], "ok": 1.0 }),
        ("unique", doc! { "n": 1_i64, "writeErrors": [others], "ok": 1.0 }),
        ("interrupted", doc! { "n": 1, "writeErrors": [error(11601)], "ok": 1.0 }),
        ("not-lasting", doc! { "n": 1, "writeConcernError": concern, "ok": 1.0 }),
        ("negative", doc! { "n": -1, "writeErrors": [doc! { "index": -1, "code": 0.5 }] }),
        ("indexes", doc! { "firstBatch": [of_key.clone(), of_owner, of_removal] }),
        ("index", of_key),
    ]
}
