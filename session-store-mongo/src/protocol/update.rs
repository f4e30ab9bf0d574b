//! The updates that write a session. Each judges and changes in one step, by the server's clock.
//!
//! The reply to a command of many updates says which of them failed, and how many matched, but not which. So an update
//! that must not match *fails*: it is an upsert whose pipeline converts a word to a number or a time, unless the session
//! is such as it has to be. A session that is not there is such a one as well; no document comes of a pipeline that
//! failed. The filter has the key only, because an upsert's filter takes no `$$NOW`.

use std::time::Duration;

use mongodb::bson::{Document, RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};
use session_store_core::{Error, ErrorKind, Owner, Result, SessionKey, SetMode, Version, Write};

use crate::document::{LAYOUT, binary, live};

/// What converts to nothing, and so makes an update fail.
const REFUSED: &str = "refused";

/// How long after a session's expiry MongoDB removes its document, if nothing happens. So much may a touch prolong
/// a session without a change of the index by which that is done: of all touches in one idle timeout, four at the most
/// change it.
pub(crate) fn slack(idle: Duration) -> Duration {
    idle / 4
}

/// A time so long after the server's clock.
fn from_now(duration: Duration) -> RawDocumentBuf {
    rawdoc! { "$add": ["$$NOW", millis(duration)] }
}

/// A timeout that was found to be within its bounds.
fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

/// Whether the session is live, for a pipeline. Of what is not there, it is not.
fn is_live() -> RawDocumentBuf {
    rawdoc! { "$gt": ["$expires_at", "$$NOW"] }
}

/// The value that `layout` gets, if the condition holds; else the update fails.
fn layout_if(condition: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "$toInt": { "$cond": [condition, LAYOUT, REFUSED] } }
}

/// An update of a command.
fn statement(key: &SessionKey, pipeline: RawArrayBuf) -> RawDocumentBuf {
    rawdoc! { "q": { "key": binary(key.as_bytes()) }, "u": pipeline, "upsert": true }
}

/// `set` (S1 to S8).
pub(crate) fn set(key: &SessionKey, write: &Write, mode: SetMode, version: &Version) -> RawDocumentBuf {
    let mut pipeline = RawArrayBuf::new();
    match mode {
        SetMode::Create => pipeline.push(create(write, version)),
        SetMode::Replace => pipeline.push(save(layout_if(is_live()), write, version)),
        SetMode::Update(expected) => {
            let is_expected = rawdoc! { "$eq": ["$version", binary(expected.as_bytes())] };
            let condition = rawdoc! { "$and": [is_live(), is_expected] };
            pipeline.push(save(layout_if(condition), write, version));
        }
        SetMode::Upsert => {
            // What is dead is forgotten, then all is written as on a live one.
            pipeline.push(rawdoc! { "$set": {
                "created_at": { "$cond": [is_live(), "$created_at", "$$NOW"] },
                "owner": { "$cond": [is_live(), "$owner", "$$REMOVE"] },
                "remove_at": { "$cond": [is_live(), "$remove_at", "$$REMOVE"] },
            } });
            pipeline.push(save(LAYOUT, write, version));
        }
    }
    let owner =
        if mode == SetMode::Create && *write.owner() == Owner::Keep { &Owner::Anonymous } else { write.owner() };
    if let Some(stage) = owned(owner) {
        pipeline.push(stage);
    }
    statement(key, pipeline)
}

/// The stage that changes the owner, where it is to change.
fn owned(owner: &Owner) -> Option<RawDocumentBuf> {
    match owner {
        Owner::Keep => None,
        Owner::Anonymous => Some(rawdoc! { "$unset": "owner" }),
        Owner::User(user) => Some(rawdoc! { "$set": { "owner": binary(user.as_str().as_bytes()) } }),
    }
}

/// The stage that writes a session that is not live.
fn create(write: &Write, version: &Version) -> RawDocumentBuf {
    let (idle, absolute) = (write.idle(), write.absolute());
    rawdoc! { "$set": {
        "layout": layout_if(rawdoc! { "$not": [is_live()] }),
        "created_at": "$$NOW",
        "last_seen_at": "$$NOW",
        "expires_at": from_now(idle.min(absolute)),
        "deadline": from_now(absolute),
        "remove_at": from_now((idle + slack(idle)).min(absolute)),
        "version": binary(version.as_bytes()),
        "data": binary(write.data()),
    } }
}

/// When MongoDB removes the session: as it was, where that is late enough, and not too late.
fn remove_at(idle: Duration, deadline: RawDocumentBuf) -> RawDocumentBuf {
    let latest = || from_now(idle + slack(idle));
    let will_do =
        rawdoc! { "$and": [{ "$gte": ["$remove_at", from_now(idle)] }, { "$lte": ["$remove_at", latest()] }] };
    rawdoc! { "$min": [{ "$cond": [will_do, "$remove_at", latest()] }, deadline] }
}

/// The stage that writes a live session, or one that has been made so.
fn save(layout: impl Into<RawBson>, write: &Write, version: &Version) -> RawDocumentBuf {
    let idle = write.idle();
    let deadline = || rawdoc! { "$add": ["$created_at", millis(write.absolute())] };
    let layout: RawBson = layout.into();
    rawdoc! { "$set": {
        "layout": layout,
        "last_seen_at": "$$NOW",
        "expires_at": { "$min": [from_now(idle), deadline()] },
        "deadline": deadline(),
        "remove_at": remove_at(idle, deadline()),
        "version": binary(version.as_bytes()),
        "data": binary(write.data()),
    } }
}

/// `touch` (T1 to T5).
pub(crate) fn touch(key: &SessionKey, idle: Duration) -> RawDocumentBuf {
    let idle_end = || rawdoc! { "$min": [from_now(idle), "$deadline"] };
    let expires_at = rawdoc! { "$max": ["$expires_at", idle_end()] };
    let latest_removal = rawdoc! { "$min": [from_now(idle + slack(idle)), "$deadline"] };
    let stage = rawdoc! { "$set": {
        "last_seen_at": { "$max": ["$last_seen_at", "$$NOW"] },
        "expires_at": { "$toDate": { "$cond": [is_live(), expires_at, REFUSED] } },
        "remove_at": { "$cond": [{ "$lt": ["$remove_at", idle_end()] }, latest_removal, "$remove_at"] },
    } };
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(stage);
    statement(key, pipeline)
}

/// The stages by which a live session gets another key and is written (R1).
pub(crate) fn rotate(to: &SessionKey, write: &Write, version: &Version) -> Result<Vec<Document>> {
    let stages = [rawdoc! { "$set": { "key": binary(to.as_bytes()) } }, save(LAYOUT, write, version)];
    stages.iter().chain(&owned(write.owner())).map(document).collect()
}

/// What a rotation looks for: the session, if it is live and at the expected version.
pub(crate) fn rotated(from: &SessionKey, expected: Option<&Version>) -> Result<Document> {
    let key = binary(from.as_bytes());
    document(&match expected {
        None => rawdoc! { "key": key, "$expr": live() },
        Some(version) => rawdoc! { "key": key, "version": binary(version.as_bytes()), "$expr": live() },
    })
}

/// In the form that the driver's own methods take.
fn document(raw: &RawDocumentBuf) -> Result<Document> {
    let failed = |_| Error::new(ErrorKind::Internal, "a command of the store cannot be written");
    Document::try_from(&**raw).map_err(failed)
}
