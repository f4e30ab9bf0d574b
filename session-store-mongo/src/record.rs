//! The document of a session.
//!
//! | field | type | what it is |
//! | --- | --- | --- |
//! | `_id` | object ID | the document's own name, which a rotation keeps: who walks through the collection misses none |
//! | `layout` | int | of which layout it is: 1 |
//! | `key` | 32 bytes | the session key |
//! | `owner` | bytes | the user's name; not there for nobody's session. Bytes, so that no collation compares names |
//! | `created_at`, `last_seen_at`, `expires_at`, `deadline` | date | the four times |
//! | `remove_at` | date | when MongoDB removes it: from `expires_at` on, see [`slack`](crate::update::slack) |
//! | `version` | 16 bytes | changes with every write |
//! | `data` | bytes | the payload |
//!
//! Keys in `rawdoc!` have to be literals, for bson 2 and bson 3 alike.

use bytes::Bytes;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use session_store_core::{Error, Meta, Record, Result, SessionKey, Timestamp, UserId, Version};

use crate::error::unexpected;

/// The layout that this release reads and writes.
pub(crate) const LAYOUT: i32 = 1;

/// What can be compared with bytes of a document.
pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

/// The expression that is true of a live session. One whose expiry is no time counts as live, so that it is found to be
/// corrupt, and can be destroyed (clauses Z1 and Z2).
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

/// What a read asks for besides the data: all of [`Fields::meta`].
pub(crate) fn meta_fields() -> RawDocumentBuf {
    rawdoc! {
        "_id": 0, "layout": 1, "key": 1, "owner": 1, "created_at": 1, "last_seen_at": 1, "expires_at": 1, "deadline": 1,
        "version": 1,
    }
}

/// What `get` asks for: the whole document, and the server's clock. To name each field takes the server longer.
pub(crate) fn record_fields() -> RawDocumentBuf {
    rawdoc! { "_id": 0, "document": "$$ROOT", "read_at": "$$NOW" }
}

/// The key of a document; `None` where no key has such bytes.
pub(crate) fn key(document: &RawDocument) -> Option<SessionKey> {
    let bytes = document.get_binary("key").ok()?.bytes;
    bytes.try_into().ok().map(SessionKey::from_bytes)
}

/// The fields of a document, found in one pass: to ask for each by its name takes longer.
#[derive(Default)]
pub(crate) struct Fields<'d> {
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
    pub(crate) fn of(document: &'d RawDocument) -> Result<Self> {
        let mut fields = Self::default();
        for element in document {
            let (name, value) = element.map_err(|_| unexpected())?;
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

    /// The key; `None` where no key has such bytes.
    pub(crate) fn key(&self) -> Option<SessionKey> {
        bytes(self.key)?.try_into().ok().map(SessionKey::from_bytes)
    }

    /// All of a record but its data. It refuses what no release has written (clause Z1).
    pub(crate) fn meta(&self, key: &SessionKey) -> Result<Meta> {
        let meta = self.read_meta().ok_or_else(|| no_record(key))?;
        meta.check(key)?;
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

/// What a read with [`record_fields`] gives.
pub(crate) struct Found<'d> {
    fields: Fields<'d>,
    read_at: Timestamp,
}

impl<'d> Found<'d> {
    pub(crate) fn new(answer: &'d RawDocument) -> Result<Self> {
        let read_at = answer.get_datetime("read_at").map_err(|_| unexpected())?;
        let document = answer.get_document("document").map_err(|_| unexpected())?;
        Ok(Self { fields: Fields::of(document)?, read_at: Timestamp::from_millis(read_at.timestamp_millis()) })
    }

    pub(crate) fn key(&self) -> Option<SessionKey> {
        self.fields.key()
    }

    /// The record, if it is live. A session whose expiry is no time is corrupt, and not expired.
    pub(crate) fn record(&self, key: &SessionKey) -> Result<Option<Record>> {
        if time(self.fields.expires_at).is_some_and(|expiry| expiry <= self.read_at) {
            return Ok(None);
        }
        let data = bytes(self.fields.data).ok_or_else(|| no_record(key))?;
        let (meta, read_at) = (self.fields.meta(key)?, self.read_at);
        Ok(Some(Record { meta, data: Bytes::copy_from_slice(data), read_at }))
    }
}

pub(crate) fn no_record(key: &SessionKey) -> Error {
    Error::corrupt(key, "the document under the session's key is no record of this release")
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, DateTime, Document, doc};
    use session_store_core::ErrorKind;

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

    fn read(document: &Document) -> Result<Record> {
        let answer = doc! { "document": document.clone(), "read_at": DateTime::from_millis(2_500) };
        Ok(Found::new(&RawDocumentBuf::try_from(&answer).unwrap())?.record(&KEY)?.expect("it is live"))
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
                    Err(error) => assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&KEY)), "{field}"),
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
        assert_eq!(Found::new(&answer).unwrap().record(&KEY).unwrap(), None);
    }

    #[test]
    fn another_layout_and_times_that_contradict_each_other_are_corrupt() {
        for (field, value) in [("layout", Bson::Int32(LAYOUT + 1)), ("deadline", DateTime::from_millis(500).into())] {
            let mut changed = whole();
            changed.insert(field, value);
            assert_eq!(read(&changed).unwrap_err().kind(), ErrorKind::Corrupt, "{field}");
        }
    }
}
