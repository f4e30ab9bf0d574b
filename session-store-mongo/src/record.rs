//! The document of a session.
//!
//! | field | type | what it is |
//! | --- | --- | --- |
//! | `_id` | object ID | the document's own name. A rotation keeps it, so a walk through the collection misses no session |
//! | `layout` | int | the layout of the document: 1 |
//! | `key` | 32 bytes | the session key |
//! | `owner` | bytes | the user's name; absent if the session is nobody's. Bytes, so that no collation compares names |
//! | `created_at`, `last_seen_at`, `expires_at`, `deadline` | date | the four times |
//! | `remove_at` | date | when MongoDB removes it: up to a quarter of the idle timeout after `expires_at` |
//! | `version` | 16 bytes | changes with every write |
//! | `data` | bytes | the payload |
//!
//! Keys in `rawdoc!` have to be literals, for bson 2 and bson 3 alike.

use std::sync::LazyLock;

use bytes::Bytes;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use session_store_core::{Entry, IfChanged, Meta, Record, SessionKey, Timestamp, UserId, Version};

use crate::error::{Corruption, Error};

/// The layout that this release reads and writes.
pub(crate) const LAYOUT: i32 = 1;

/// Returns bytes in the form of a document's fields.
pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// The expression that is true for a live session.
///
/// A session whose expiry is no date counts as live: it is reported as corrupt, and can be destroyed (clauses Z1 and Z2).
pub(crate) fn live() -> RawDocumentBuf {
    rawdoc! { "$or": [
        { "$gt": ["$expires_at", "$$NOW"] },
        { "$ne": [{ "$type": "$expires_at" }, "date"] },
    ] }
}

/// The opposite.
pub(crate) fn dead() -> RawDocumentBuf {
    rawdoc! { "$not": [live()] }
}

/// The expression that is true for a live session that [`Fields::meta`] and [`Found::record`] can read.
///
/// MongoDB compares values of different types, in the order of their types. `expires_at` is compared with dates on both
/// sides, and so it is one. The other types are compared as one text: to parse an expression takes the server longer than to
/// evaluate it.
pub(crate) fn readable() -> RawDocumentBuf {
    static READABLE: LazyLock<RawDocumentBuf> = LazyLock::new(|| {
        let too_long = binary(&[0; UserId::MAX_LEN + 1]);
        rawdoc! { "$and": [
            well_typed(),
            { "$lte": ["$expires_at", "$deadline"] },
            { "$lt": ["$created_at", "$deadline"] },
            { "$eq": [{ "$binarySize": "$version" }, VERSION_LEN] },
            { "$in": [{ "$type": "$owner" }, ["missing", "binData"]] },
            // Bytes are compared by their number first.
            { "$lt": ["$owner", too_long] },
            { "$ne": [{ "$binarySize": "$owner" }, 0] },
        ] }
    });
    READABLE.clone()
}

/// The part of [`readable`] that `Replace` and `Update` require: the layout, and the types of all fields but the owner.
///
/// The whole would make them a tenth slower. They overwrite what it would find besides: a version of another length, an
/// owner of another form, times that contradict each other, a date that is a timestamp.
pub(crate) fn well_typed() -> RawDocumentBuf {
    let types = rawdoc! { "$concat": [
        { "$type": "$layout" }, { "$type": "$created_at" }, { "$type": "$last_seen_at" }, { "$type": "$deadline" },
        { "$type": "$version" }, { "$type": "$data" },
    ] };
    rawdoc! { "$and": [
        { "$gt": ["$expires_at", "$$NOW"] },
        { "$eq": [types, "intdatedatedatebinDatabinData"] },
        { "$eq": ["$layout", LAYOUT] },
    ] }
}

/// Returns a document with the fields of both.
pub(crate) fn joined(first: &RawDocument, second: &RawDocument) -> RawDocumentBuf {
    // A length of four bytes, the fields, and a zero.
    let (first, second) = (first.as_bytes(), second.as_bytes());
    let mut bytes = Vec::with_capacity(first.len() + second.len());
    bytes.extend_from_slice(first.split_last().map_or(&[][..], |(_, rest)| rest));
    bytes.extend_from_slice(second.get(size_of::<i32>()..).unwrap_or_default());
    if let (Ok(len), Some(place)) = (i32::try_from(bytes.len()), bytes.first_chunk_mut()) {
        *place = len.to_le_bytes();
    }
    RawDocumentBuf::from_bytes(bytes).unwrap_or_default()
}

const VERSION_LEN: i32 = 16;
const _: () = assert!(Version::LEN == 16);

/// The fields that a read of [`Fields::meta`] needs.
pub(crate) fn meta_fields() -> RawDocumentBuf {
    rawdoc! {
        "layout": 1, "key": 1, "owner": 1, "created_at": 1, "last_seen_at": 1, "expires_at": 1, "deadline": 1, "version": 1,
    }
}

/// The fields of [`Found`]: the whole document, and the server's clock. To name each field takes the server longer.
pub(crate) fn record_fields() -> RawDocumentBuf {
    rawdoc! { "_id": 0, "document": "$$ROOT", "read_at": "$$NOW" }
}

/// The same, but without the data if this condition holds (clause G5). Data that is no data stays, so that it is
/// reported.
pub(crate) fn record_fields_without_data_if(condition: RawDocumentBuf) -> RawDocumentBuf {
    let is_data = rawdoc! { "$eq": [{ "$type": "$data" }, "binData"] };
    let without = rawdoc! { "$setField": { "field": "data", "input": "$$ROOT", "value": binary(&[]) } };
    let document = rawdoc! { "$cond": [{ "$and": [condition, is_data] }, without, "$$ROOT"] };
    rawdoc! { "_id": 0, "document": document, "read_at": "$$NOW" }
}

/// Returns a small number, of whatever type a server makes it.
pub(crate) fn number(value: &Bson) -> Option<i32> {
    match value {
        Bson::Int32(int) => Some(*int),
        Bson::Int64(int) => i32::try_from(*int).ok(),
        // A whole one is written without a point.
        Bson::Double(double) => double.to_string().parse().ok(),
        _ => None,
    }
}

/// Returns the id of each document.
pub(crate) fn ids(documents: &[&RawDocument]) -> Result<Vec<ObjectId>, Error> {
    documents.iter().map(|document| id(document)).collect()
}

/// Returns the id of a document.
pub(crate) fn id(document: &RawDocument) -> Result<ObjectId, Error> {
    document.get_object_id("_id").map_err(|_| Error::UnexpectedAnswer)
}

/// Returns a line of a list, or `None` for what is no record.
pub(crate) fn entry(document: &RawDocument) -> Option<Entry> {
    let fields = Fields::of(document).ok()?;
    let key = fields.key()?;
    Some(Entry { key, meta: fields.meta().ok()? })
}

/// The fields of a document, found in one pass: to look each up by its name takes longer.
#[derive(Default)]
struct Fields<'d> {
    layout: Option<RawBsonRef<'d>>,
    key: Option<RawBsonRef<'d>>,
    owner: Option<RawBsonRef<'d>>,
    created_at: Option<RawBsonRef<'d>>,
    last_seen_at: Option<RawBsonRef<'d>>,
    expires_at: Option<RawBsonRef<'d>>,
    deadline: Option<RawBsonRef<'d>>,
    version: Option<RawBsonRef<'d>>,
    data: Option<RawBsonRef<'d>>,
}

impl<'d> Fields<'d> {
    fn of(document: &'d RawDocument) -> Result<Self, Error> {
        let mut fields = Self::default();
        for element in document {
            let (name, value) = element.map_err(|_| Error::UnexpectedAnswer)?;
            // A name is of another type in bson 3.
            let field = match AsRef::<str>::as_ref(name) {
                "layout" => &mut fields.layout,
                "key" => &mut fields.key,
                "owner" => &mut fields.owner,
                "created_at" => &mut fields.created_at,
                "last_seen_at" => &mut fields.last_seen_at,
                "expires_at" => &mut fields.expires_at,
                "deadline" => &mut fields.deadline,
                "version" => &mut fields.version,
                "data" => &mut fields.data,
                _ => continue,
            };
            *field = Some(value);
        }
        Ok(fields)
    }

    /// Returns the key, or `None` if no key has such bytes.
    fn key(&self) -> Option<SessionKey> {
        bytes(self.key)?.try_into().ok().map(SessionKey::from_bytes)
    }

    /// Returns all of a record but its data. Refuses what no release has written (clause Z1).
    fn meta(&self) -> Result<Meta, Error> {
        let meta = self.read_meta().ok_or(Error::Corrupt(Corruption::Form))?;
        // The store names the key.
        meta.check(&SessionKey::from_bytes([0; SessionKey::LEN])).map_err(|_| Error::Corrupt(Corruption::Times))?;
        Ok(meta)
    }

    fn read_meta(&self) -> Option<Meta> {
        if self.layout?.as_i32() != Some(LAYOUT) {
            return None;
        }
        Some(Meta {
            user: match self.owner {
                Some(_) => Some(user(bytes(self.owner)?)?),
                None => None,
            },
            created_at: time(self.created_at)?,
            last_seen_at: time(self.last_seen_at)?,
            expires_at: time(self.expires_at)?,
            deadline: time(self.deadline)?,
            version: Version::from_bytes(bytes(self.version)?.try_into().ok()?),
        })
    }
}

fn bytes(value: Option<RawBsonRef<'_>>) -> Option<&[u8]> {
    Some(value?.as_binary()?.bytes)
}

fn time(value: Option<RawBsonRef<'_>>) -> Option<Timestamp> {
    Some(Timestamp::from_millis(value?.as_datetime()?.timestamp_millis()))
}

fn user(name: &[u8]) -> Option<UserId> {
    UserId::new(std::str::from_utf8(name).ok()?).ok()
}

/// What a read with [`record_fields`] returns.
pub(crate) struct Found<'d> {
    fields: Fields<'d>,
    read_at: Timestamp,
}

impl<'d> Found<'d> {
    pub(crate) fn new(answer: &'d RawDocument) -> Result<Self, Error> {
        let read_at = answer.get_datetime("read_at").map_err(|_| Error::UnexpectedAnswer)?;
        let document = answer.get_document("document").map_err(|_| Error::UnexpectedAnswer)?;
        Ok(Self { fields: Fields::of(document)?, read_at: Timestamp::from_millis(read_at.timestamp_millis()) })
    }

    pub(crate) fn key(&self) -> Option<SessionKey> {
        self.fields.key()
    }

    /// Returns the record, if it is live. A session whose expiry is no date is corrupt, and not expired.
    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        if time(self.fields.expires_at).is_some_and(|expiry| expiry <= self.read_at) {
            return Ok(None);
        }
        let data = bytes(self.fields.data).ok_or(Error::Corrupt(Corruption::Form))?;
        let (meta, read_at) = (self.fields.meta()?, self.read_at);
        Ok(Some(Record { meta, data: Bytes::copy_from_slice(data), read_at }))
    }

    /// Returns the same for a caller who may hold a version already. At this version, the data may have been left out.
    pub(crate) fn if_changed(&self, known: Option<Version>) -> Result<IfChanged, Error> {
        let record = self.record()?;
        Ok(match (known, record) {
            (Some(version), record) => IfChanged::compare(record, version),
            (None, Some(record)) => IfChanged::Changed(record),
            (None, None) => IfChanged::Gone,
        })
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, DateTime, Document, doc};

    use super::*;

    const KEY: SessionKey = SessionKey::from_bytes([7; SessionKey::LEN]);

    fn whole() -> Document {
        let at = |second: i64| DateTime::from_millis(second * 1_000);
        doc! {
            "layout": LAYOUT, "key": binary(KEY.as_bytes()), "owner": binary(b"alice"), "created_at": at(1),
            "last_seen_at": at(2), "expires_at": at(3), "deadline": at(4), "version": binary(&[1; Version::LEN]),
            "data": binary(b"data"),
        }
    }

    fn read(document: &Document) -> Result<Record, Error> {
        let answer = doc! { "document": document.clone(), "read_at": DateTime::from_millis(2_500) };
        Ok(Found::new(&RawDocumentBuf::try_from(&answer).unwrap())?.record()?.expect("it is live"))
    }

    #[test]
    fn joined_documents_have_the_fields_of_both() {
        let [first, second] = [doc! { "a": 1, "b": { "c": "text" } }, doc! { "d": [7], "e": binary(b"bytes") }];
        let raw = |document: &Document| RawDocumentBuf::try_from(document).unwrap();
        let both: Document = first.clone().into_iter().chain(second.clone()).collect();
        assert_eq!(joined(&raw(&first), &raw(&second)), raw(&both));
        assert_eq!(joined(&raw(&doc! {}), &raw(&first)), raw(&first));
        assert_eq!(joined(&raw(&first), &raw(&doc! {})), raw(&first));
    }

    #[test]
    fn a_document_is_read_back() {
        let record = read(&whole()).unwrap();
        assert_eq!(record.data, "data");
        assert_eq!(record.read_at, Timestamp::from_millis(2_500));
        assert_eq!(record.meta.user, Some(UserId::new("alice").unwrap()));
        assert_eq!(record.meta.expires_at, Timestamp::from_millis(3_000));
        let mut nobodys = whole();
        nobodys.remove("owner");
        assert_eq!(read(&nobodys).unwrap().meta.user, None);
    }

    #[test]
    fn what_no_release_has_written_is_corrupt() {
        let whole = whole();
        let others: [Bson; 6] =
            ["text".into(), 7.into(), Bson::Null, binary(b"").into(), binary(&[0xff; 300]).into(), doc! {}.into()];
        for field in whole.keys().filter(|field| *field != "key") {
            for other in &others {
                let mut damaged = whole.clone();
                damaged.insert(field, other.clone());
                match read(&damaged) {
                    Err(error) => assert!(matches!(error, Error::Corrupt(Corruption::Form)), "{field}: {error:?}"),
                    // Any bytes are data.
                    Ok(_) => assert!(field == "data" && matches!(other, Bson::Binary(_)), "{field}: {other}"),
                }
            }
            let mut lacking = whole.clone();
            lacking.remove(field);
            assert_eq!(read(&lacking).is_ok(), field == "owner", "without {field}");
        }
    }

    #[test]
    fn what_has_expired_is_not_there_whatever_else_it_is() {
        let mut expired = whole();
        expired.insert("expires_at", DateTime::from_millis(2_500));
        expired.remove("version");
        let answer = doc! { "document": expired, "read_at": DateTime::from_millis(2_500) };
        let answer = RawDocumentBuf::try_from(&answer).unwrap();
        assert_eq!(Found::new(&answer).unwrap().record().unwrap(), None);
    }

    #[test]
    fn another_layout_and_times_that_contradict_each_other_are_corrupt() {
        for (field, value) in [("layout", Bson::Int32(LAYOUT + 1)), ("deadline", DateTime::from_millis(500).into())] {
            let mut changed = whole();
            changed.insert(field, value);
            let wanted = if field == "layout" { Corruption::Form } else { Corruption::Times };
            assert!(matches!(read(&changed), Err(Error::Corrupt(found)) if found == wanted), "{field}");
        }
    }
}
