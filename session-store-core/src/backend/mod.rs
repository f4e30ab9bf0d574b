//! For authors of stores on a networked database.
//!
//! [`Backend`] is the part of a store that differs between databases: statements, encodings, connections, and what
//! an error means. [`Store`] is the part that all stores share: it checks arguments, makes versions, batches requests,
//! keeps deadlines, retries what was certainly not executed, reports what became of a statement, and walks through bulk
//! operations page by page. Implement the one and get the whole of [`SessionStore`](crate::SessionStore).
//!
//! # How a request becomes a statement
//!
//! - A request that finds its queue idle runs on its caller's task, without added latency.
//! - Requests that arrive while a statement is in flight are collected, and go out together as the next one. No timer is
//!   involved.
//! - Reads of one key that wait at the same time share one lookup. Adjacent touches of one session become one, with the
//!   longer idle time.
//! - If a backend sets [`ONE_CHANGE_PER_KEY`](Backend::ONE_CHANGE_PER_KEY), further changes of a session wait in order
//!   while other sessions pass. `destroy` and `rotate` overtake waiting touches, replaces and updates of their session,
//!   and never a create or an upsert.
//! - A statement has the deadline of its last caller. It is not sent if nobody waits for it. A caller that is not polled
//!   holds nothing up.
//! - A change that finds its record [`Busy`](Verdict::Busy) is sent again, alone.
//! - A batch that was refused, and changed nothing, is halved and sent again, so that one record does not fail the others.
//!
//! # Example: a complete backend
//!
//! It shows the smallest form. `conformance-tests/tests/toy` in the repository is a larger one, with errors, cursors, pages of
//! several pieces and records that cannot be read.
//!
//! ```
#![doc = include_str!("toy.rs")]
//! # fn main() {}
//! ```

mod call;
mod change;
mod dispatch;
mod execute;
mod failure;
mod inline;
mod key_map;
mod lanes;
mod options;
mod queue;
mod retry;
mod state;
mod store;
mod time;
mod work;

use std::fmt::Debug;

use async_trait::async_trait;

pub use self::call::Call;
pub use self::change::{
    BulkPage, Change, CountPage, Counted, Destroy, Group, Import, ListPage, Lookup, Next, Rotate, ScannedPage, Set,
    Touch, Verdict,
};
pub use self::failure::{Failure, Retry};
pub use self::options::StoreOptions;
pub use self::retry::retry;
pub use self::store::Store;
pub use self::time::{Backoff, Deadline};
use crate::{IfChanged, SessionKey, UserId};

/// The protocol of one database, for a [`Store`].
///
/// The `Debug` of a store shows that of its backend, so it must show no keys, data or passwords (E2).
///
/// Each method runs one statement or script, and leaves retries, deadlines and batching to the store. A method's future is
/// dropped at the [deadline](Call::deadline); a connection in the middle of a statement must not be used again then.
///
/// Repeats that are part of the protocol (a script that the server does not know, a slot that has moved) stay in the
/// backend, within the deadline.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// The name of the database in snake case: the label of metrics, the beginning of scan cursors and of the store's own
    /// error messages. The message of a [`Failure`] is shown as it is: name the database in it.
    const NAME: &'static str;

    /// Whether one change of a session is in flight at a time, and others wait in the store.
    ///
    /// Set it if changes of one record wait for each other in the database, as they do for a row's lock. Without it, one
    /// statement may hold several changes of a session, in the order of the requests. (One of them that is
    /// [busy](Verdict::Busy) is sent again later, and those behind it may pass it: their callers are concurrent.)
    const ONE_CHANGE_PER_KEY: bool;

    /// What the driver reports, and what the backend itself finds wrong: an answer of an unexpected form, a record that
    /// cannot be read, no connection in time.
    type Error: Send + 'static;

    /// Where a bulk operation goes on.
    type Cursor: Send + Sync + 'static;

    /// Returns what an error means.
    fn classify(&self, error: &Self::Error) -> Failure;

    /// Returns the batches of reads. Defaults to those of the options.
    fn read_group(&self, options: &StoreOptions) -> Group {
        Group::batched(options)
    }

    /// Returns the groups of changes that share statements. Their places are the numbers of [`group`](Self::group).
    /// Defaults to one group for all, with the batches of the options.
    fn change_groups(&self, options: &StoreOptions) -> Vec<Group> {
        vec![Group::batched(options)]
    }

    /// Returns the number of the group that a change belongs to. It is not asked about rotations. Defaults to 0.
    fn group(&self, _change: &Change) -> usize {
        0
    }

    /// Returns how many statements may [wait](Call::may_wait) for records that others hold; each takes a connection.
    /// Defaults to none: then a busy change is sent again after a pause.
    fn lone_statements(&self) -> usize {
        0
    }

    /// Returns how many changes of a session begin together after they have waited for one, with
    /// [`ONE_CHANGE_PER_KEY`](Self::ONE_CHANGE_PER_KEY): several saves and touches, rotations, or removals.
    ///
    /// Return more if a change holds its record for a moment only, but is acknowledged much later: then many callers of one
    /// session would wait for as many acknowledgements. Defaults to 1.
    fn changes_per_turn(&self, _options: &StoreOptions) -> usize {
        1
    }

    /// Returns where the database keeps a key; keys of equal placement rotate in one step (W2). Defaults to 0.
    fn placement(&self, _key: &SessionKey) -> u16 {
        0
    }

    /// Reads sessions (G1 to G5), each for itself, in the order of the lookups. Keys may be there twice.
    ///
    /// A record that cannot be read is an `Err` in its place, which [`classify`](Self::classify) says is
    /// [`Corrupt`](crate::ErrorKind::Corrupt); the store adds the key. An error in one place is classified like one of the
    /// whole: with a [`Retry`], this request alone is sent again.
    async fn read(&self, call: &Call, lookups: &[Lookup]) -> Result<Vec<Result<IfChanged, Self::Error>>, Self::Error>;

    /// Changes sessions of one group, each for itself, in the order of the changes.
    ///
    /// One that is refused must not fail the others. An error of the whole means that nothing was changed, unless it is
    /// [ambiguous](Failure::ambiguous). A batch is halved and sent again if its failure is not ambiguous, has
    /// [`Retry::Never`], and [may be about one record](Failure::may_be_of_record).
    async fn apply(&self, call: &Call, changes: &[Change]) -> Result<Vec<Result<Verdict, Self::Error>>, Self::Error>;

    /// Gives a session another key, and writes it (R1 to R5).
    async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict, Self::Error>;

    /// Finds out why a change was [refused](Verdict::Refused). A backend whose statements give the cause needs no such
    /// method. `Busy` means that it would not be refused now, and has it sent again. Defaults to that.
    async fn find_cause(&self, _call: &Call, _change: &Change) -> Result<Verdict, Self::Error> {
        Ok(Verdict::Busy)
    }

    /// Lists some of a user's live sessions (L1 to L4), by ascending key.
    ///
    /// The list begins after `after`, and goes on at the cursor if there is one, which is never before `after`. `limit` is
    /// what the page still needs: if there are fewer entries and a cursor, the store goes on.
    async fn list_page(
        &self,
        call: &Call,
        user: &UserId,
        after: Option<&SessionKey>,
        cursor: Option<&Self::Cursor>,
        limit: u32,
    ) -> Result<ListPage<Self::Cursor>, Self::Error>;

    /// Ends some of a user's sessions but `except` (B1).
    ///
    /// It answers [`Next::End`] only if this one statement has seen that nothing was left. A walk of several pages ends
    /// with `Again`, because a rotation may have carried a session behind its cursor. A record that cannot be read is
    /// removed if the user's index names it, and not counted as live (Z3).
    async fn destroy_page(
        &self,
        call: &Call,
        user: &UserId,
        except: Option<&SessionKey>,
        cursor: Option<&Self::Cursor>,
    ) -> Result<BulkPage<Self::Cursor>, Self::Error>;

    /// Removes some dead records (P1 to P3), at most `limit`, which may be as large as `u32::MAX`: bound the work of one
    /// statement, and answer `From` if it did not do all.
    ///
    /// It answers `End` at the end of the walk, also if that had several pages. `Again` with nothing removed means that
    /// others hold what is left, and ends the prune.
    async fn prune_page(
        &self,
        call: &Call,
        cursor: Option<&Self::Cursor>,
        limit: u32,
    ) -> Result<BulkPage<Self::Cursor>, Self::Error>;

    /// Counts some live sessions (C1).
    async fn count_page(
        &self,
        call: &Call,
        cursor: Option<&Self::Cursor>,
    ) -> Result<CountPage<Self::Cursor>, Self::Error>;

    /// Ends some sessions of the namespace (C1).
    ///
    /// It answers `From` while the walk goes on. `End` and `Again` both end it. The store repeats the walk until one meets
    /// nothing, three times at the most if nothing was held.
    async fn clear_page(
        &self,
        call: &Call,
        cursor: Option<&Self::Cursor>,
    ) -> Result<BulkPage<Self::Cursor>, Self::Error>;

    /// Returns whether these bytes have the form of a cursor of this backend. [`scan_page`](Self::scan_page) gets no others.
    fn is_scan_cursor(&self, bytes: &[u8]) -> bool;

    /// Finds some live sessions (A1 to A3). `limit` is how many records it looks at, 1,000 at the most.
    async fn scan_page(&self, call: &Call, from: Option<&[u8]>, limit: u32) -> Result<ScannedPage, Self::Error>;

    /// Asks the database for a real answer (H1).
    async fn ping(&self, call: &Call) -> Result<(), Self::Error>;

    /// Closes the connections that the backend made. Statements under way have ended, or have run out of time. Defaults to
    /// nothing.
    async fn close(&self, _call: &Call) {}

    /// Learns of a statement that did not end by its deadline, and whose future was dropped. Defaults to nothing.
    fn on_timeout(&self, _call: &Call) {}
}

/// A backend whose store has a builder of its own: [`Store::builder`] returns it.
///
/// It is what makes `RedisStore::builder("redis://...")` work for a store that is an alias of [`Store`].
pub trait Open: Backend {
    /// The address of a database, or existing connections.
    type Endpoint;
    /// The builder.
    type Builder;

    /// Returns the builder for a store on this endpoint.
    fn builder(endpoint: Self::Endpoint) -> Self::Builder;
}
