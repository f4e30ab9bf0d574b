//! The commands on a collection. None needs more than one shard to know all, so a mongos takes them as they are.

use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};
use mongodb::options::{Acknowledgment, WriteConcern};
use session_store_core::{SessionKey, UserId};

use crate::document::{binary, dead, live, meta_fields, record_fields};
use crate::indexes;

/// The commands on one collection.
#[derive(Debug)]
pub(crate) struct Commands {
    collection: String,
    write_concern: RawDocumentBuf,
    /// After so long, the server ends a command that nobody waits for any more. In milliseconds.
    max_time: i64,
}

/// What answers a touch: the primary alone. If that is lost, the session ends a little early.
fn primary_alone() -> RawDocumentBuf {
    rawdoc! { "w": 1 }
}

/// As a command has it.
fn raw(concern: &WriteConcern) -> RawDocumentBuf {
    let w: RawBson = match &concern.w {
        Some(Acknowledgment::Nodes(nodes)) => i64::from(*nodes).into(),
        Some(Acknowledgment::Custom(tag)) => tag.as_str().into(),
        _ => "majority".into(),
    };
    let patience = concern.w_timeout.map_or(0, millis);
    match concern.journal {
        None => rawdoc! { "w": w, "wtimeout": patience },
        Some(journal) => rawdoc! { "w": w, "j": journal, "wtimeout": patience },
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i32::MAX.into())
}

impl Commands {
    pub(crate) fn new(collection: String, write_concern: &WriteConcern, operation_timeout: Duration) -> Self {
        Self { collection, write_concern: raw(write_concern), max_time: millis(operation_timeout) }
    }

    fn collection(&self) -> &str {
        &self.collection
    }

    /// Updates that do not fail for each other, see [`update`](crate::update).
    pub(crate) fn update(&self, updates: RawArrayBuf) -> RawDocumentBuf {
        self.update_with(updates, self.write_concern.clone())
    }

    /// The same for touches.
    pub(crate) fn touch(&self, updates: RawArrayBuf) -> RawDocumentBuf {
        self.update_with(updates, primary_alone())
    }

    fn update_with(&self, updates: RawArrayBuf, write_concern: RawDocumentBuf) -> RawDocumentBuf {
        rawdoc! {
            "update": self.collection(), "updates": updates, "ordered": false, "writeConcern": write_concern,
            "maxTimeMS": self.max_time,
        }
    }

    /// Removes what the filter finds; the reply tells how many.
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

    /// G1. The answers bring the server's clock along, by which the live ones among them are told; a filter by
    /// `$$NOW` would take the server longer.
    pub(crate) fn get(&self, keys: &[&SessionKey]) -> RawDocumentBuf {
        self.find_by_key(rawdoc! { "key": these(keys) }, record_fields(), keys.len())
    }

    /// Which of these are live, and at which versions: to name a refusal.
    pub(crate) fn versions(&self, keys: &[&SessionKey]) -> RawDocumentBuf {
        let filter = rawdoc! { "key": these(keys), "$expr": live() };
        self.find_by_key(filter, rawdoc! { "_id": 0, "key": 1, "version": 1 }, keys.len())
    }

    fn find_by_key(&self, filter: RawDocumentBuf, fields: RawDocumentBuf, most: usize) -> RawDocumentBuf {
        let most = i64::try_from(most).unwrap_or(i64::MAX - 1);
        rawdoc! {
            "find": self.collection(), "filter": filter, "projection": fields, "limit": most, "batchSize": most + 1,
            "readConcern": { "level": "local" }, "maxTimeMS": self.max_time,
        }
    }

    /// D1, D2.
    pub(crate) fn destroy(&self, key: &SessionKey) -> RawDocumentBuf {
        self.delete(rawdoc! { "key": binary(key.as_bytes()), "$expr": live() }, 1)
    }

    /// Removes what is left of a dead session, where a rotation needs its key.
    pub(crate) fn remove_leftover(&self, key: &SessionKey) -> RawDocumentBuf {
        self.delete(rawdoc! { "key": binary(key.as_bytes()), "$expr": dead() }, 1)
    }

    /// L1 to L3. The index does not hold the key, which a rotation changes: a scan of it meets each session once. The data
    /// is left out before the server sorts, for which it has little room.
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
            "hint": indexes::OWNER, "cursor": { "batchSize": i64::from(limit) + 1 }, "readConcern": { "level": "local" },
            "maxTimeMS": self.max_time,
        }
    }

    /// B1, first half: some of the user's live sessions, by what a rotation does not change.
    pub(crate) fn ids_of_user(&self, user: &UserId, except: Option<&SessionKey>, limit: u32) -> RawDocumentBuf {
        rawdoc! {
            "find": self.collection(), "filter": of_user(user, except), "projection": { "_id": 1 },
            "hint": indexes::OWNER, "limit": i64::from(limit), "batchSize": i64::from(limit), "readConcern": { "level": "local" },
            "maxTimeMS": self.max_time,
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
        self.find_in_order(rawdoc! { "$expr": due }, fields, indexes::REMOVE_AT, rawdoc! { "remove_at": 1 }, limit)
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
        let (filter, id) = (rawdoc! { "_id": { "$gt": after } }, rawdoc! { "_id": 1 });
        self.find_in_order(filter, id.clone(), "_id_", id, limit)
    }

    /// C1: the live sessions of some documents in the order of their ids, which nothing changes.
    pub(crate) fn clear_live(&self, after: ObjectId, last: ObjectId) -> RawDocumentBuf {
        self.delete(rawdoc! { "_id": { "$gt": after, "$lte": last }, "$expr": live() }, 0)
    }

    /// C1: what is left of the dead ones among them.
    pub(crate) fn clear_dead(&self, after: ObjectId, last: ObjectId) -> RawDocumentBuf {
        self.delete(rawdoc! { "_id": { "$gt": after, "$lte": last }, "$expr": dead() }, 0)
    }
}

fn name(user: &UserId) -> mongodb::bson::Binary {
    binary(user.as_str().as_bytes())
}

fn of_user(user: &UserId, except: Option<&SessionKey>) -> RawDocumentBuf {
    let except = except.map_or(&[][..], |key| key.as_bytes());
    rawdoc! { "owner": name(user), "key": { "$ne": binary(except) }, "$expr": live() }
}

/// What finds one of these keys.
fn these(keys: &[&SessionKey]) -> RawBson {
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
