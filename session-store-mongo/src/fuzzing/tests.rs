//! Every file of a corpus, as an ordinary test; and where its seeds come from.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use session_store_core::{Bytes, Meta, Record, Timestamp, UserId, Version};
use testkit::corpus::Corpus;

use super::document::{READ_AT, answer, encode};
use crate::record::binary;

fn corpus(decoder: &str) -> Corpus {
    Corpus::new(env!("CARGO_MANIFEST_DIR"), decoder)
}

fn bytes_of(documents: impl IntoIterator<Item = (&'static str, RawDocumentBuf)>) -> Vec<(&'static str, Vec<u8>)> {
    documents.into_iter().map(|(name, document)| (name, document.into_bytes())).collect()
}

#[test]
fn the_corpus_of_documents() {
    corpus("document").assert_seeds(&bytes_of(documents()));
    corpus("document").run(super::document);
}

#[test]
fn the_corpus_of_replies() {
    let replies = replies().map(|(name, reply)| (name, RawDocumentBuf::try_from(&reply).unwrap()));
    corpus("reply").assert_seeds(&bytes_of(replies));
    corpus("reply").run(super::reply);
}

fn alices() -> Record {
    let at = |minute: i64| Timestamp::from_millis(1_764_000_000_000 + minute * 60_000);
    let meta = Meta {
        user: Some(UserId::new("alice").unwrap()),
        created_at: at(0),
        last_seen_at: at(5),
        expires_at: at(35),
        deadline: at(720),
        version: Version::from_bytes(*b"0123456789abcdef"),
    };
    Record { meta, data: Bytes::from_static(b"data"), read_at: READ_AT }
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
