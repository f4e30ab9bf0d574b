//! The updates that write a session. Each decides and changes in one step, by the server's clock.
//!
//! The reply to a command of many updates says which of them failed, and how many matched, but not which. So an update
//! that must not happen *fails*: it is an upsert whose pipeline converts a word to a number or a date, unless the session
//! is as it has to be. The same refuses a session that is not there; a pipeline that failed creates no document. The filter
//! has the key only, because an upsert's filter takes no `$$NOW`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mongodb::bson::{DateTime, Document, RawArrayBuf, RawDocumentBuf, rawdoc};
use session_store_core::backend::{Import, Rotate, Set, Touch};
use session_store_core::{Meta, Owner, SessionKey, SetMode, Timestamp};

use crate::error::Error;
use crate::record::{LAYOUT, binary, joined, readable, well_typed};

/// A word that cannot be converted, and so makes an update fail.
const REFUSED: &str = "refused";

/// Returns how long after a session's expiry MongoDB removes its document, if nothing happens.
///
/// A touch may extend a session by so much without a change of the index on `remove_at`: of all touches in one idle
/// timeout, four at the most change it.
fn slack(idle: Duration) -> Duration {
    idle / 4
}

fn from_now(duration: Duration) -> RawDocumentBuf {
    rawdoc! { "$add": ["$$NOW", millis(duration)] }
}

/// A timeout that was found to be within its bounds.
fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)
}

/// The expression that is true for a live session if it can be read.
fn is_live() -> RawDocumentBuf {
    rawdoc! { "$gt": ["$expires_at", "$$NOW"] }
}

/// The expression that is true if nothing is under the key, or what has expired. Only what is there has an `_id`.
fn is_free() -> RawDocumentBuf {
    rawdoc! { "$or": [
        { "$lte": ["$_id", null] },
        { "$and": [{ "$lte": ["$expires_at", "$$NOW"] }, { "$eq": [{ "$type": "$expires_at" }, "date"] }] },
    ] }
}

/// The value that `layout` gets, if the condition holds; else the update fails.
fn layout_if(condition: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "$toInt": { "$cond": [condition, LAYOUT, REFUSED] } }
}

/// An update of a command.
fn statement(key: &SessionKey, stages: impl IntoIterator<Item = RawDocumentBuf>) -> RawDocumentBuf {
    let mut pipeline = RawArrayBuf::new();
    for stage in stages {
        pipeline.push(stage);
    }
    rawdoc! { "q": { "key": binary(key.as_bytes()) }, "u": pipeline, "upsert": true }
}

/// The parts of updates that depend on timeouts alone. An application has few of them, and building a part takes longer
/// than the rest of an update.
#[derive(Debug, Default)]
pub(crate) struct Updates(Mutex<HashMap<Part, RawDocumentBuf>>);

/// A part of an update: the fields that it sets. With the idle timeout, and the absolute one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Part {
    Create(Duration, Duration),
    Replace(Duration, Duration),
    Times(Duration, Duration),
    Touch(Duration),
    Forget,
}

/// How many parts are kept. If there are more, all are built again.
const MOST_PARTS: usize = 64;

impl Updates {
    fn part(&self, part: Part) -> RawDocumentBuf {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() >= MOST_PARTS && !parts.contains_key(&part) {
            parts.clear();
        }
        parts.entry(part).or_insert_with(|| part.build()).clone()
    }

    /// `set` (S1 to S8).
    pub(crate) fn set(&self, set: &Set) -> RawDocumentBuf {
        let Set { key, write, mode, version } = set;
        let (idle, absolute) = (write.idle(), write.absolute());
        let content = rawdoc! { "version": binary(version.as_bytes()), "data": binary(write.data()) };
        let save = |part: Part| rawdoc! { "$set": joined(&self.part(part), &content) };
        let owner = change_owner(write.owner());
        match mode {
            SetMode::Create => {
                // What has expired may have an owner.
                let owner = if *write.owner() == Owner::Keep { change_owner(&Owner::Anonymous) } else { owner };
                statement(key, [save(Part::Create(idle, absolute))].into_iter().chain(owner))
            }
            SetMode::Replace => statement(key, [save(Part::Replace(idle, absolute))].into_iter().chain(owner)),
            SetMode::Update(expected) => {
                let is_expected = rawdoc! { "$eq": ["$version", binary(expected.as_bytes())] };
                let condition = rawdoc! { "$and": [is_expected, well_typed()] };
                // The condition comes first: what has expired may have times that nobody can add up.
                let times = self.part(Part::Times(idle, absolute));
                let fields = joined(&joined(&rawdoc! { "layout": layout_if(condition) }, &times), &content);
                statement(key, [rawdoc! { "$set": fields }].into_iter().chain(owner))
            }
            SetMode::Upsert => {
                // What is dead is forgotten, then everything is written as on a live session.
                let forget = rawdoc! { "$set": self.part(Part::Forget) };
                statement(key, [forget, save(Part::Times(idle, absolute))].into_iter().chain(owner))
            }
        }
    }

    /// `touch` (T1 to T5).
    pub(crate) fn touch(&self, touch: &Touch) -> RawDocumentBuf {
        statement(&touch.key, [rawdoc! { "$set": self.part(Part::Touch(touch.idle)) }])
    }
}

impl Part {
    fn build(self) -> RawDocumentBuf {
        match self {
            Self::Create(idle, absolute) => rawdoc! {
                "layout": layout_if(is_free()),
                "created_at": "$$NOW",
                "last_seen_at": "$$NOW",
                "expires_at": from_now(idle.min(absolute)),
                "deadline": from_now(absolute),
                "remove_at": from_now((idle + slack(idle)).min(absolute)),
            },
            Self::Replace(idle, absolute) => {
                joined(&rawdoc! { "layout": layout_if(well_typed()) }, &Self::Times(idle, absolute).build())
            }
            Self::Times(idle, absolute) => times(idle, absolute),
            Self::Forget => rawdoc! {
                "layout": layout_if(rawdoc! { "$or": [is_free(), readable()] }),
                "created_at": { "$cond": [is_live(), "$created_at", "$$NOW"] },
                "owner": { "$cond": [is_live(), "$owner", "$$REMOVE"] },
                "remove_at": { "$cond": [is_live(), "$remove_at", "$$REMOVE"] },
            },
            Self::Touch(idle) => {
                let idle_end = || rawdoc! { "$min": [from_now(idle), "$deadline"] };
                let expires_at = rawdoc! { "$max": ["$expires_at", idle_end()] };
                let latest_removal = rawdoc! { "$min": [from_now(idle + slack(idle)), "$deadline"] };
                rawdoc! {
                    "last_seen_at": { "$max": ["$last_seen_at", "$$NOW"] },
                    "expires_at": { "$toDate": { "$cond": [is_live(), expires_at, REFUSED] } },
                    "remove_at": { "$cond": [{ "$lt": ["$remove_at", idle_end()] }, latest_removal, "$remove_at"] },
                }
            }
        }
    }
}

/// The times of a live session that is written, or of one that was made so.
fn times(idle: Duration, absolute: Duration) -> RawDocumentBuf {
    let deadline = || rawdoc! { "$add": ["$created_at", millis(absolute)] };
    let latest_removal = || from_now(idle + slack(idle));
    // As before, unless that is too early or too late.
    let is_late_enough = rawdoc! { "$gte": ["$remove_at", from_now(idle)] };
    let removal = rawdoc! { "$cond": [is_late_enough, "$remove_at", latest_removal()] };
    rawdoc! {
        "last_seen_at": "$$NOW",
        "expires_at": { "$min": [from_now(idle), deadline()] },
        "deadline": deadline(),
        "remove_at": { "$min": [removal, latest_removal(), deadline()] },
    }
}

/// The stage that changes the owner, if it is to change.
fn change_owner(owner: &Owner) -> Option<RawDocumentBuf> {
    match owner {
        Owner::Keep => None,
        Owner::Anonymous => Some(rawdoc! { "$unset": "owner" }),
        Owner::User(user) => Some(rawdoc! { "$set": { "owner": binary(user.as_str().as_bytes()) } }),
    }
}

/// `import` (W1): refused if the record is dead by now.
pub(crate) fn import(import: &Import) -> RawDocumentBuf {
    let Meta { user, created_at, last_seen_at, expires_at, deadline, version } = &import.meta;
    let remove_at = expires_at.saturating_add(slack(expires_at.saturating_since(*last_seen_at))).min(*deadline);
    let is_to_be_written = rawdoc! { "$and": [
        { "$gt": [date(*expires_at), "$$NOW"] },
        { "$or": [is_free(), readable()] },
    ] };
    let stage = rawdoc! { "$set": {
        "layout": layout_if(is_to_be_written),
        "created_at": date(*created_at),
        "last_seen_at": date(*last_seen_at),
        "expires_at": date(*expires_at),
        "deadline": date(*deadline),
        "remove_at": date(remove_at),
        "version": binary(version.as_bytes()),
        "data": binary(&import.data),
    } };
    statement(&import.key, [stage].into_iter().chain(change_owner(&Owner::exactly(user.as_ref()))))
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

/// The filter and the stages by which a live session gets another key and is written (R1).
pub(crate) fn rotate(rotate: &Rotate) -> Result<(Document, Vec<Document>), Error> {
    let Rotate { from, to, write, expected, version } = rotate;
    let key = binary(from.as_bytes());
    let filter = match expected {
        None => rawdoc! { "key": key, "$expr": readable() },
        Some(version) => rawdoc! { "key": key, "version": binary(version.as_bytes()), "$expr": readable() },
    };
    let content = rawdoc! {
        "key": binary(to.as_bytes()), "version": binary(version.as_bytes()), "data": binary(write.data()),
    };
    let stages = [rawdoc! { "$set": joined(&times(write.idle(), write.absolute()), &content) }];
    let stages = stages.iter().chain(&change_owner(write.owner())).map(document).collect::<Result<_, _>>()?;
    Ok((document(&filter)?, stages))
}

/// Returns the form that the driver's own methods take.
fn document(raw: &RawDocumentBuf) -> Result<Document, Error> {
    Document::try_from(&**raw).map_err(|_| Error::Encoding)
}
