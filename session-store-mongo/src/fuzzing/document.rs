//! The document of a session, and what else a read gives.

use mongodb::bson::{Bson, DateTime, Document, RawDocument, RawDocumentBuf, rawdoc};
use session_store_core::{IfChanged, Meta, Record, Timestamp, Version};

use super::{KEY, assert_is_one_of, whole};
use crate::backend::read_inspection;
use crate::error::{Corruption, Error};
use crate::record::{Found, LAYOUT, binary, entry, ids};

/// All that a decoder may find wrong.
const WRONG: [Error; 3] =
    [Error::Corrupt(Corruption::Form), Error::Corrupt(Corruption::Times), Error::UnexpectedAnswer];

/// By the server's clock, when the documents are read.
pub(super) const READ_AT: Timestamp = Timestamp::from_millis(1_764_000_600_000);

/// `bytes` are a session's document, which is written again as one that says the same; or it has expired; or it is
/// corrupt. Or they are the answer to a read as a whole, or something else.
pub fn document(bytes: &[u8]) {
    let Some(document) = whole(bytes) else { return };
    match read(&answer(&document)) {
        Ok(Some(record)) => {
            record.meta.check(&KEY).unwrap();
            assert!(record.meta.is_live(READ_AT) && record.read_at == READ_AT);
            let written = encode(&record);
            assert_eq!(read(&answer(&written)).unwrap().as_ref(), Some(&record));
            assert!(says(&document, &written));
            compared(&document, &record);
            // A list shows the same, under the key that is in the document.
            assert!(entry(&document).is_none_or(|entry| entry.meta == record.meta));
        }
        Ok(None) => assert!(expiry(&document).is_none_or(|expiry| expiry <= READ_AT)),
        Err(error) => refused(&document, &error),
    }
    if let Err(error) = read(&document) {
        assert_is_one_of(&error, &WRONG);
    }
    others(&document);
}

fn read(answer: &RawDocument) -> Result<Option<Record>, Error> {
    Found::new(answer)?.record()
}

/// What a read of the document is answered.
pub(super) fn answer(document: &RawDocument) -> RawDocumentBuf {
    rawdoc! { "document": document.to_owned(), "read_at": DateTime::from_millis(READ_AT.as_millis()) }
}

/// Whether all that is written is in the document as well, by the driver's own reading of both, if they can be read.
fn says(document: &RawDocument, written: &RawDocument) -> bool {
    let (Ok(document), Ok(written)) = (Document::try_from(document), Document::try_from(written)) else { return true };
    let bytes = |value: &Bson| match value {
        // Of whatever subtype they are.
        Bson::Binary(found) => Bson::from(binary(&found.bytes)),
        other => other.clone(),
    };
    let fields = written.iter().filter(|(name, _)| *name != "key");
    let mut same = fields.map(|(name, value)| document.get(name).map(bytes).as_ref() == Some(value));
    same.all(|same| same) && document.contains_key("owner") == written.contains_key("owner")
}

/// By the driver's own reading of the document as a whole, if it can be read.
fn expiry(document: &RawDocument) -> Option<Timestamp> {
    let document = Document::try_from(document).ok()?;
    Some(Timestamp::from_millis(document.get_datetime("expires_at").ok()?.timestamp_millis()))
}

fn refused(document: &RawDocument, error: &Error) {
    assert_is_one_of(error, &WRONG);
    // What is well-formed, and no record, is corrupt.
    assert!(Document::try_from(document).is_err() || matches!(error, Error::Corrupt(_)), "{error:?}");
    assert!(entry(document).is_none_or(|entry| entry.meta.check(&KEY).is_ok()));
}

/// A caller who holds the version gets no data, and any other caller the record.
fn compared(document: &RawDocument, record: &Record) {
    let answer = answer(document);
    let read = |known| Found::new(&answer).and_then(|found| found.if_changed(known)).unwrap();
    let (meta, other) = (record.meta.clone(), Version::from_bytes([0xee; Version::LEN]));
    assert_eq!(read(None), IfChanged::Changed(record.clone()));
    assert_eq!(read(Some(meta.version)), IfChanged::Unchanged { meta: meta.clone(), read_at: READ_AT });
    assert!(meta.version == other || read(Some(other)) == IfChanged::Changed(record.clone()));
}

/// What other commands read of a document.
fn others(document: &RawDocument) {
    if let Err(error) = ids(&[document]) {
        assert_is_one_of(&error, &[Error::UnexpectedAnswer]);
    }
    // As the answer of an inspection, and as what it found.
    let found = rawdoc! { "found": [answer(document)], "read_at": DateTime::from_millis(READ_AT.as_millis()) };
    for answer in [document, &*found] {
        match read_inspection(answer) {
            Ok((_, found)) => {
                found
                    .iter()
                    .filter_map(|found| found.record().err())
                    .for_each(|error| assert_is_one_of(&error, &WRONG));
            }
            Err(error) => assert_is_one_of(&error, &[Error::UnexpectedAnswer]),
        }
    }
}

/// A document as an update leaves it behind.
pub(super) fn encode(record: &Record) -> RawDocumentBuf {
    let Meta { user, created_at, last_seen_at, expires_at, deadline, version } = &record.meta;
    let date = |time: &Timestamp| DateTime::from_millis(time.as_millis());
    let (key, version, data) = (binary(KEY.as_bytes()), binary(version.as_bytes()), binary(&record.data));
    if let Some(user) = user {
        rawdoc! {
            "layout": LAYOUT, "key": key, "owner": binary(user.as_str().as_bytes()), "created_at": date(created_at),
            "last_seen_at": date(last_seen_at), "expires_at": date(expires_at), "deadline": date(deadline),
            "version": version, "data": data,
        }
    } else {
        rawdoc! {
            "layout": LAYOUT, "key": key, "created_at": date(created_at), "last_seen_at": date(last_seen_at),
            "expires_at": date(expires_at), "deadline": date(deadline), "version": version, "data": data,
        }
    }
}
