//! The commands on a collection. Each works on any shard by itself, so a mongos takes them as they are.

use std::collections::HashMap;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Document, RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};
use mongodb::options::{Acknowledgment, WriteConcern};
use session_store_core::backend::{Change, Destroy, Lookup, Rotate};
use session_store_core::{SessionKey, UserId, Version};

use super::update::{self, Updates};
use crate::error::Error;
use crate::record::{binary, dead, joined, live, meta_fields, readable, record_fields, record_fields_without_data_if};
use crate::schema;

/// The commands on one collection.
#[derive(Debug)]
pub(crate) struct Commands {
    collection: String,
    write_concern: RawDocumentBuf,
    /// After this time, in milliseconds, the server ends a command for which nobody waits any more.
    max_time: i64,
    updates: Updates,
}

/// The write concern of touches: the primary alone. If a touch is lost, the session ends a little early.
fn primary_alone() -> RawDocumentBuf {
    rawdoc! { "w": 1 }
}

/// Returns a write concern in the form of a command's field.
fn raw(concern: &WriteConcern) -> RawDocumentBuf {
    let w: RawBson = match &concern.w {
        Some(Acknowledgment::Nodes(nodes)) => i64::from(*nodes).into(),
        Some(Acknowledgment::Custom(tag)) => tag.as_str().into(),
        _ => "majority".into(),
    };
    let timeout = concern.w_timeout.map_or(0, millis);
    match concern.journal {
        None => rawdoc! { "w": w, "wtimeout": timeout },
        Some(journal) => rawdoc! { "w": w, "j": journal, "wtimeout": timeout },
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i32::MAX.into())
}

impl Commands {
    pub(crate) fn new(collection: String, write_concern: &WriteConcern, operation_timeout: Duration) -> Self {
        Self {
            collection,
            write_concern: raw(write_concern),
            max_time: millis(operation_timeout),
            updates: Updates::default(),
        }
    }

    fn collection(&self) -> &str {
        &self.collection
    }

    /// Returns the command of changes of one group. They do not fail for each other, see [`update`].
    pub(crate) fn change(&self, changes: &[Change]) -> RawDocumentBuf {
        let mut updates = RawArrayBuf::new();
        for change in changes {
            match change {
                Change::Set(set) => updates.push(self.updates.set(set)),
                Change::Import(import) => updates.push(update::import(import)),
                Change::Touch(touch) => updates.push(self.updates.touch(touch)),
                // They have commands of their own.
                Change::Destroy(_) | Change::Rotate(_) => {}
            }
        }
        let is_touch = matches!(changes, [Change::Touch(_), ..]);
        let write_concern = if is_touch { primary_alone() } else { self.write_concern.clone() };
        rawdoc! {
            "update": self.collection(), "updates": updates, "ordered": false, "writeConcern": write_concern,
            "maxTimeMS": self.max_time,
        }
    }

    /// R1: the filter and the stages of an update.
    pub(crate) fn rotate(rotate: &Rotate) -> Result<(Document, Vec<Document>), Error> {
        update::rotate(rotate)
    }

    /// Removes what the filter matches; the reply says how many.
    fn delete(&self, filter: RawDocumentBuf, limit: i32) -> RawDocumentBuf {
        rawdoc! {
            "delete": self.collection(), "deletes": [{ "q": filter, "limit": limit }],
            "writeConcern": self.write_concern.clone(), "maxTimeMS": self.max_time,
        }
    }

    fn find_in_order(
        &self,
        filter: RawDocumentBuf,
        fields: RawDocumentBuf,
        index: &str,
        order: RawDocumentBuf,
        limit: u32,
    ) -> RawDocumentBuf {
        let limit = i64::from(limit);
        rawdoc! {
            "find": self.collection(), "filter": filter, "projection": fields, "hint": index, "sort": order,
            "limit": limit, "batchSize": limit, "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// G1. The answers bring the server's clock along, and the reader finds the live ones by it; a filter by `$$NOW` would
    /// take the server longer. Data that all who ask for it hold already is left out (G5).
    pub(crate) fn read(&self, lookups: &[Lookup]) -> RawDocumentBuf {
        let keys: Vec<_> = lookups.iter().map(|lookup| &lookup.key).collect();
        let known = known_versions(lookups);
        if known.is_empty() {
            return self.find_by_key(&keys, record_fields());
        }
        let mut pairs = RawArrayBuf::new();
        for (key, version) in known {
            let mut pair = RawArrayBuf::new();
            pair.push(binary(key.as_bytes()));
            pair.push(binary(version.as_bytes()));
            pairs.push(pair);
        }
        let is_known = rawdoc! { "$in": [["$key", "$version"], { "$literal": pairs }] };
        self.find_by_key(&keys, record_fields_without_data_if(is_known))
    }

    /// The sessions under these keys without their data, live or dead, as `found`; and the server's clock, as `read_at`, even
    /// if nothing is there: to find out why a change was refused.
    pub(crate) fn inspect(&self, keys: &[&SessionKey]) -> RawDocumentBuf {
        let fields = record_fields_without_data_if(rawdoc! { "$literal": true });
        rawdoc! {
            "aggregate": self.collection(),
            "pipeline": [
                { "$match": { "key": any_of(keys) } },
                { "$facet": { "found": [{ "$project": fields }] } },
                { "$project": { "found": 1, "read_at": "$$NOW" } },
            ],
            "cursor": {}, "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// H1: reads nothing, by the right that reads need.
    pub(crate) fn ping(&self) -> RawDocumentBuf {
        self.find_by_key(&[], rawdoc! { "_id": 1 })
    }

    fn find_by_key(&self, keys: &[&SessionKey], fields: RawDocumentBuf) -> RawDocumentBuf {
        let most = i64::try_from(keys.len()).unwrap_or(i64::MAX - 1);
        rawdoc! {
            "find": self.collection(), "filter": { "key": any_of(keys) }, "projection": fields, "limit": most,
            "batchSize": most + 1, "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// D1, D2; of a session at a version, D4.
    pub(crate) fn destroy(&self, destroy: &Destroy) -> RawDocumentBuf {
        let key = binary(destroy.key.as_bytes());
        let filter = match &destroy.version {
            None => rawdoc! { "key": key, "$expr": live() },
            Some(version) => rawdoc! { "key": key, "version": binary(version.as_bytes()), "$expr": readable() },
        };
        self.delete(filter, 1)
    }

    /// Removes what is left of a dead session, if a rotation needs its key.
    pub(crate) fn remove_leftover(&self, key: &SessionKey) -> RawDocumentBuf {
        self.delete(rawdoc! { "key": binary(key.as_bytes()), "$expr": dead() }, 1)
    }

    /// L1 to L3. The index does not hold the key, which a rotation changes: a scan of it meets each session once. The data
    /// is left out before the server sorts, because it has little memory for that.
    pub(crate) fn list_by_user(&self, user: &UserId, after: &[u8], limit: u32) -> RawDocumentBuf {
        let listed = rawdoc! { "owner": name(user), "key": { "$gt": binary(after) }, "$expr": live() };
        rawdoc! {
            "aggregate": self.collection(),
            "pipeline": [
                { "$match": listed },
                { "$project": meta_fields() },
                { "$sort": { "key": 1 } },
                { "$limit": i64::from(limit) },
            ],
            "hint": schema::OWNER, "cursor": { "batchSize": i64::from(limit) + 1 }, "readConcern": { "level": "local" },
            "maxTimeMS": self.max_time,
        }
    }

    /// B1, first half: some of the user's live sessions by their ids, which a rotation does not change, and whether each is
    /// `readable`.
    pub(crate) fn ids_of_user(&self, user: &UserId, except: Option<&SessionKey>, limit: u32) -> RawDocumentBuf {
        rawdoc! {
            "find": self.collection(), "filter": of_user(user, except), "projection": { "readable": readable() },
            "hint": schema::OWNER, "limit": i64::from(limit), "batchSize": i64::from(limit),
            "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// B1, second half: those of them that are still the user's, and live.
    pub(crate) fn destroy_of_user(
        &self,
        ids: &[ObjectId],
        user: &UserId,
        except: Option<&SessionKey>,
    ) -> RawDocumentBuf {
        self.delete(rawdoc! { "$and": [{ "_id": { "$in": array(ids) } }, of_user(user, except)] }, 0)
    }

    /// P1: what MongoDB itself would remove by now.
    pub(crate) fn due(&self, limit: u32) -> RawDocumentBuf {
        let due = rawdoc! { "$and": [{ "$lte": ["$remove_at", "$$NOW"] }, dead()] };
        let fields = rawdoc! { "_id": 1 };
        self.find_in_order(rawdoc! { "$expr": due }, fields, schema::REMOVE_AT, rawdoc! { "remove_at": 1 }, limit)
    }

    /// P1: those of them that are dead.
    pub(crate) fn prune(&self, ids: &[ObjectId]) -> RawDocumentBuf {
        self.delete(rawdoc! { "_id": { "$in": array(ids) }, "$expr": dead() }, 0)
    }

    /// C1: how many of the next documents are live, as `live`, and the last of them, as `last`.
    pub(crate) fn count(&self, after: ObjectId, limit: u32) -> RawDocumentBuf {
        rawdoc! {
            "aggregate": self.collection(),
            "pipeline": [
                { "$match": { "_id": { "$gt": after } } },
                { "$sort": { "_id": 1 } },
                { "$limit": i64::from(limit) },
                { "$group": { "_id": 0, "live": { "$sum": { "$cond": [live(), 1, 0] } }, "last": { "$max": "$_id" } } },
            ],
            "cursor": {}, "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// C1: the next documents.
    pub(crate) fn ids(&self, after: ObjectId, limit: u32) -> RawDocumentBuf {
        self.find_by_id(after, rawdoc! { "_id": 1 }, limit)
    }

    /// A1: the next documents, and whether each is `live`.
    pub(crate) fn scan(&self, after: ObjectId, limit: u32) -> RawDocumentBuf {
        self.find_by_id(after, joined(&meta_fields(), &rawdoc! { "live": live() }), limit)
    }

    fn find_by_id(&self, after: ObjectId, fields: RawDocumentBuf, limit: u32) -> RawDocumentBuf {
        self.find_in_order(rawdoc! { "_id": { "$gt": after } }, fields, "_id_", rawdoc! { "_id": 1 }, limit)
    }

    /// C1: those of some documents in the order of their ids, which nothing changes.
    pub(crate) fn clear(&self, after: ObjectId, last: ObjectId, condition: RawDocumentBuf) -> RawDocumentBuf {
        self.delete(rawdoc! { "_id": { "$gt": after, "$lte": last }, "$expr": condition }, 0)
    }
}

/// Returns the keys of which all lookups know the same version, with the version.
fn known_versions(lookups: &[Lookup]) -> HashMap<SessionKey, Version> {
    if lookups.iter().all(|lookup| lookup.known.is_none()) {
        return HashMap::new();
    }
    let mut known: HashMap<_, Option<Version>> = HashMap::with_capacity(lookups.len());
    for lookup in lookups {
        let held = known.entry(lookup.key).or_insert(lookup.known);
        if *held != lookup.known {
            *held = None;
        }
    }
    known.into_iter().filter_map(|(key, version)| Some((key, version?))).collect()
}

fn name(user: &UserId) -> Binary {
    binary(user.as_str().as_bytes())
}

fn of_user(user: &UserId, except: Option<&SessionKey>) -> RawDocumentBuf {
    let except = except.map_or(&[][..], |key| key.as_bytes());
    rawdoc! { "owner": name(user), "key": { "$ne": binary(except) }, "$expr": live() }
}

/// What a field is compared with that is one of these keys.
fn any_of(keys: &[&SessionKey]) -> RawBson {
    if let [key] = keys {
        return binary(key.as_bytes()).into();
    }
    let mut array = RawArrayBuf::new();
    for key in keys {
        array.push(binary(key.as_bytes()));
    }
    rawdoc! { "$in": array }.into()
}

fn array(ids: &[ObjectId]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for id in ids {
        array.push(*id);
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_left_out_only_if_nobody_needs_it() {
        let key = |byte| SessionKey::from_bytes([byte; SessionKey::LEN]);
        let version = |byte| Version::from_bytes([byte; Version::LEN]);
        let known = known_versions(&[
            Lookup::new(key(1), Some(version(1))),
            Lookup::new(key(2), Some(version(2))),
            Lookup::new(key(2), None),
            Lookup::new(key(3), Some(version(3))),
            Lookup::new(key(3), Some(version(4))),
            Lookup::new(key(4), None),
            Lookup::new(key(5), Some(version(5))),
            Lookup::new(key(5), Some(version(5))),
        ]);
        assert_eq!(known, HashMap::from([(key(1), version(1)), (key(5), version(5))]));
        assert!(known_versions(&[Lookup::new(key(1), None)]).is_empty());
    }
}
