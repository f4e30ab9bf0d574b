//! The trait and its contract.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Entry, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SetMode, UserId, Version, Write,
};

/// A store of web sessions.
///
/// Every store keeps the contract on this page, clause by clause, and proves it with the
/// `conformance-tests` crate. The case that proves a clause carries its id.
///
/// A session is **live** when it was set, was not destroyed, and is before both its `expires_at` and
/// its `deadline` by the store's clock. The methods below state the clauses of each operation; these
/// hold **everywhere**:
///
/// - **N1** Namespaces never mix, also when one's name begins with another's or contains glob or quote
///   characters. A name is 1 to 40 bytes without NUL, else `Config`; so is one that the database would
///   refuse or cut.
/// - **X1** Only the store's clock decides what is live. An application node whose clock is an hour off
///   changes nothing.
/// - **K1** Operations on one key are linearizable. A write that overlaps an expiry may fall on either
///   side of it.
/// - **K2** A caller that drops a future mid-way leaves the store valid: done or not done, index
///   included.
/// - **K3** Nothing repeats a command of unknown outcome unless the answer stays true. `set` and
///   `rotate` recognize their own version; `destroy` is not repeated.
/// - **O1** Requests for one session do not hold up requests for others for longer than one statement.
/// - **I1** Input outside its bounds is `InvalidInput`, before anything is sent and with nothing
///   changed: a timeout that is not within 1 ms and 10 years, a page or a piece of a scan of 0 or over
///   1,000 entries, a prune of 0, a scan cursor that is none of the store's, an imported record whose
///   times contradict each other.
/// - **E1** Errors have a [`kind`](crate::Error::kind), [`is_transient`](crate::Error::is_transient),
///   [`outcome_unknown`](crate::Error::outcome_unknown) (a write that may have happened), and a source:
///   the driver's class and code, printed once. A refusal is neither transient nor of unknown outcome,
///   and names its record by [`Error::key`](crate::Error::key). What a store cannot do is
///   `Unsupported`.
/// - **E2** No session ID, key, user, payload or password appears in `Debug`, `Display`, errors or
///   traces. Drivers' own texts carry keys, so they are not passed on. Where an error is about one
///   record, [`Error::key`](crate::Error::key) gives its key to code, never to text.
/// - **E3** Every operation on keys ends within the operation timeout, waiting for pool and batch
///   included; past it, `Timeout`. The bulk operations (`list_by_user`, `destroy_by_user`, `prune`,
///   `count`, `clear`, `scan`) apply it to each bounded command and have a bulk timeout for the whole.
///   After the database is back, the store works again without help.
/// - **Z1** Data over the configured limit (1 MiB unless set) is `TooLarge`, before anything is sent.
///   Bytes in the database that are not ours are `Corrupt`, never a panic.
/// - **Z2** `destroy`, `destroy_by_user`, `prune` and `clear` work on corrupt records; lists and scans
///   skip them and report it to tracing and metrics.
/// - **Z3** A write (`set`, `import`) or rotation that falls on a live corrupt record is `Corrupt` and
///   changes nothing. `destroy` of one returns `true`. `destroy_by_user` removes and does not count the
///   corrupt records that it finds in the user's index. A record whose times cannot be read counts as
///   live here.
/// - **F1** All this speaks of what the database kept. Each store's page states, for crash, restart and
///   failover, which acknowledged writes may be lost, how long a deposed primary may answer, and which
///   settings close the gap.
/// - **M1** Records carry a layout version. A release reads its predecessor's and can still write it:
///   nodes are upgraded one at a time.
///
/// # For implementers
///
/// Write `#[async_trait] impl SessionStore for YourStore` with plain `async fn`s; the macro is
/// [`session_store_core::async_trait`](crate::async_trait). One statement or script decides and changes;
/// only a refusal may cost a second read, to name its kind. Every method is required: a default that is
/// weaker than the contract would compile and ship. A wrapper forwards every method, and
/// `#[deny(clippy::missing_trait_methods)]` on it keeps it so.
///
/// A store on a networked database implements [`backend::Backend`](crate::backend::Backend) instead, and
/// gets batching, deadlines, retries and this trait from [`backend::Store`](crate::backend::Store). (Both
/// need the feature `backend`.)
///
/// These do a part of the work: [`Namespace::new`](crate::Namespace::new) (N1), [`Write::check_size`]
/// (Z1), [`timeout_millis`](crate::timeout_millis) (I1), [`Version::generate`] (S4), the constructors of
/// [`Error`](crate::Error) that are named after refusals (E1), and, where no database does the arithmetic
/// on times, [`Meta::written`](crate::Meta::written), [`Meta::touch`](crate::Meta::touch),
/// [`Meta::is_live`](crate::Meta::is_live) and [`Meta::check`](crate::Meta::check). The store in
/// `session-store-memory` is a short example.
///
/// # Example: what a late save meets after a logout
///
/// ```
/// use std::time::Duration;
/// use session_store_core::{ErrorKind, Result, SessionKey, SessionStore, SetMode, Write};
///
/// async fn late_save(store: &dyn SessionStore, key: &SessionKey) -> Result<()> {
///     const HOUR: Duration = Duration::from_secs(3600);
///     let write = Write::new("cart: 1", HOUR, 24 * HOUR)?;
///     store.set(key, &write, SetMode::Create).await?;
///     store.destroy(key).await?;
///
///     let late = store.set(key, &write, SetMode::Replace).await;
///     assert_eq!(late.unwrap_err().kind(), ErrorKind::NotFound);
///     assert!(store.get(key).await?.is_none());
///     Ok(())
/// }
/// ```
#[async_trait]
pub trait SessionStore: Debug + Send + Sync + 'static {
    /// Reads a session.
    ///
    /// - **G1** `Some` exactly when the session is live. (A clock stepped back may leave what was
    ///   removed absent.)
    /// - **G2** Absent, expired and destroyed are the same answer, `Ok(None)`. A database failure is
    ///   never `Ok(None)`.
    /// - **G3** Reads change nothing: no write, no extension.
    /// - **G4** What one handle was acknowledged, every other handle of the namespace reads at once.
    ///
    /// # Errors
    ///
    /// `Corrupt` when the record cannot be read (Z1); the database's failures.
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>>;

    /// Reads a session unless it is still at a version that the caller holds.
    ///
    /// It costs a few bytes if the session has not changed: the answer then carries no data.
    ///
    /// - **G5** Returns [`Gone`](IfChanged::Gone) if the session is not live,
    ///   [`Unchanged`](IfChanged::Unchanged) with the current times exactly if it is live at `version`, and
    ///   else the [record](IfChanged::Changed). G1 to G4 hold.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged>;

    /// Writes a session under a precondition, and returns its new version.
    ///
    /// - **S1** `Create` on a live key: `AlreadyExists`, nothing changed. An expired leftover does not
    ///   count as live.
    /// - **S2** `Replace` and `Update` on a key that is not live: `NotFound`. They never create: a late
    ///   save cannot bring back a session that was logged out.
    /// - **S3** `Update(v)` when the record has changed since `v`: `Conflict`, nothing changed.
    /// - **S4** Every successful `set` or `rotate` gives a version never used before, so a version
    ///   matches one state of one record only, also after destroy and create. Touch keeps it.
    /// - **S5** Owner, data and timeouts change together; a reader sees all of the old or all of the
    ///   new.
    /// - **S6** A new record (`Create`, or `Upsert` on a key that is not live) has `created_at` = now;
    ///   any other write keeps it. `last_seen_at` = now, `deadline` = `created_at` + absolute,
    ///   `expires_at` = the earlier of now + idle and `deadline`. So saving never buys time past the
    ///   absolute timeout, and a changed policy reaches a session at its next save. A write that is
    ///   dead at once is `Ok`.
    /// - **S7** When the owner changes, `list_by_user` shows the session under the new user only, from
    ///   the acknowledgement on.
    /// - **S8** `Upsert` creates or overwrites, last writer wins. It exists for middleware that knows
    ///   no better; [`SetMode::Upsert`] says what it cannot protect from.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `NotFound`, `Conflict` as above; `TooLarge` (Z1); the database's failures.
    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version>;

    /// Keeps a session alive for `idle` from now, without reading or writing its data.
    ///
    /// - **T1** `last_seen_at` becomes the later of itself and now; `expires_at` the later of itself
    ///   and min(now + idle, `deadline`). `true` if the session was live.
    /// - **T2** Not live: `Ok(false)`. It never creates, and one begun after the expiry never revives,
    ///   not even when it waited for a lock.
    /// - **T3** Owner, data and version stay as they are, so a touch never makes an `Update` fail.
    /// - **T4** No touch moves a time backwards, whatever order concurrent touches finish in.
    /// - **T5** It sends no data.
    ///
    /// So a touch with a shorter `idle` than is left changes `last_seen_at` only. To shorten a session's
    /// life, write it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when `idle` is not within 1 ms and 10 years (I1); the database's failures.
    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool>;

    /// Ends a session.
    ///
    /// - **D1** After `Ok`, no handle can read, replace, touch, rotate or list it. `true` if a live
    ///   session was there.
    /// - **D2** Repeating it is `Ok(false)`.
    /// - **D3** A `Replace`, `Update`, `touch` or `rotate` in flight at the same time does not bring it
    ///   back.
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn destroy(&self, key: &SessionKey) -> Result<bool>;

    /// Ends a session only if it is still at a version.
    ///
    /// - **D4** Destroys the session only at `version`; `Conflict` if it has changed, and nothing is changed
    ///   then. `Ok(true)` if it was live at that version, `Ok(false)` if it is not live. D1 to D3 hold.
    ///
    /// # Errors
    ///
    /// `Conflict` as above; `Corrupt` if the live record cannot be read (Z1), and nothing is changed; the
    /// database's failures.
    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool>;

    /// Writes a session as a record of another store describes it.
    ///
    /// It is for copying sessions between stores and for adopting them. Applications use
    /// [`set`](Self::set).
    ///
    /// - **W1** Writes owner, data and all four times of `record` under `key`, creating the session or
    ///   replacing the one that is there. `expires_at` is capped by `deadline`. The version is new and is
    ///   returned. A record that is dead by this store's clock is not written and changes nothing:
    ///   `Ok(None)`.
    ///
    /// `record.meta.version` and `record.read_at` are not used.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `created_at` is not before `deadline`; `TooLarge` (Z1); `Corrupt` (Z3); the
    /// database's failures.
    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>>;

    /// Gives a session a new key and writes it, against session fixation: the same session under a new
    /// ID.
    ///
    /// A write keeps the owner unless it says otherwise: at a login, name the user by
    /// [`Write::with_owner`].
    ///
    /// # Example: a login
    ///
    /// ```
    /// use std::time::Duration;
    /// use session_store_core::{Owner, Record, Result, SessionId, SessionKey, SessionStore, UserId, Write};
    ///
    /// /// Returns the ID for the cookie; the one that the visitor had before is worth nothing from now on.
    /// async fn log_in(store: &dyn SessionStore, old: &SessionId, record: &Record, name: &str) -> Result<SessionId> {
    ///     const HOUR: Duration = Duration::from_secs(3600);
    ///     let new = SessionId::generate()?;
    ///     let write = Write::new(record.data.clone(), HOUR, 24 * HOUR)?.with_owner(Owner::User(UserId::new(name)?));
    ///     store.rotate(&SessionKey::from(old), &SessionKey::from(&new), &write, Some(record.meta.version)).await?;
    ///     Ok(new)
    /// }
    /// ```
    ///
    /// - **R1** After `Ok`, `from` is dead and `to` holds `write` with `from`'s `created_at`: the
    ///   absolute clock runs on.
    /// - **R2** Judged in this order, nothing changed in each: `from == to`: `InvalidInput`; `from` not
    ///   live: `NotFound`; its version is not the expected one: `Conflict`; `to` live: `AlreadyExists`.
    /// - **R3** Of several concurrent rotations of one key, exactly one succeeds.
    /// - **R4** At no moment are both keys unreadable. If the two keys cannot change in one step
    ///   (Redis Cluster), a crash or an unknown outcome may leave an unacknowledged `to`; it is listed
    ///   and ends like any session. This also limits R2, D3 and K1, for `to` only.
    /// - **R5** Between keys of different [`placement`](Self::placement), `rotate` is `Unsupported` and
    ///   changes nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, `NotFound`, `Conflict`, `AlreadyExists` as above; `TooLarge` (Z1); the
    /// database's failures.
    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version>;

    /// Returns where the store keeps a key, as far as rotation is concerned.
    ///
    /// - **W2** Keys of equal placement rotate in one atomic step (but for R4's exception). The placement of a key never changes, and
    ///   is the same on every handle of the namespace.
    ///
    /// A store that rotates between any two keys returns 0 for all of them.
    fn placement(&self, key: &SessionKey) -> u16;

    /// Lists a user's sessions, by ascending key bytes.
    ///
    /// - **L1** Exactly the user's live sessions: every acknowledged one is there, no expired or
    ///   destroyed one is.
    /// - **L2** Users never mix, whatever their names contain: separators, globs, braces, other
    ///   scripts. Names compare by bytes, never normalized; every entry's user is verified against its
    ///   record.
    /// - **L3** Paging: a session live throughout appears exactly once over the pages. A page shorter
    ///   than its limit is the last.
    /// - **L4** Repairing a stale index entry never removes one whose session is live.
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>>;

    /// Ends all sessions of a user but `except`, and returns how many live ones it ended.
    ///
    /// - **B1** Destroys every session of the user acknowledged before the call, also under the key
    ///   that a rotation gives it meanwhile, but `except`; returns how many. After an error, calling
    ///   again finishes the job.
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64>;

    /// Removes what is dead, a bounded piece at a time.
    ///
    /// - **P1** `prune(limit)` removes at most `limit` dead records, or index leftovers where the
    ///   database expires records by itself; never a live one, even one touched meanwhile. It says how
    ///   many, and whether more may remain.
    /// - **P2** Any number of nodes may prune at once.
    /// - **P3** Once all sessions have been dead for the store's `prune_lag` (declared in its harness
    ///   and on its page), and prune has answered `more: false`, the database holds nothing of them.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the limit is 0 (I1); the database's failures.
    async fn prune(&self, limit: u32) -> Result<Pruned>;

    /// Counts the live sessions.
    ///
    /// - **C1** `count` is the number of live sessions, exact while nothing changes. `clear` destroys
    ///   all acknowledged before the call and returns how many; after an error, calling again finishes.
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn count(&self) -> Result<u64>;

    /// Ends every session of the namespace, and returns how many live ones it ended (C1).
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn clear(&self) -> Result<u64>;

    /// Walks through all live sessions of the namespace, a piece at a time.
    ///
    /// Begin without a cursor and go on with [`ScanPage::next`] until it is `None`. `limit` is about how many
    /// records one call looks at; a page may have fewer entries, and on Redis a few more.
    ///
    /// - **A1** Each session that is live throughout the walk is returned at least once, and none that was
    ///   dead throughout. One that a rotation gives a new key counts as one that ended and one that began:
    ///   if the walk has passed the place of the new key, the next walk finds it. The order is the store's own. Duplicates and empty pages are allowed, and only an
    ///   absent cursor ends the walk. On Redis Cluster, a failover or a slot that moves during a walk may end
    ///   it with an error; it can begin again.
    /// - **A2** The cursor is opaque text without secrets. Any handle on any node can continue it. Text that
    ///   is no cursor of this store is `InvalidInput`.
    /// - **A3** Each call does bounded work, also if most keys of the database belong to others.
    ///
    /// # Example: every live session
    ///
    /// ```
    /// use session_store_core::{Entry, Result, SessionStore};
    ///
    /// async fn all(store: &dyn SessionStore) -> Result<Vec<Entry>> {
    ///     let (mut entries, mut cursor) = (Vec::new(), None);
    ///     loop {
    ///         let page = store.scan(cursor.as_ref(), 1_000).await?;
    ///         entries.extend(page.entries);
    ///         cursor = page.next;
    ///         if cursor.is_none() {
    ///             return Ok(entries);
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the limit is not within 1 and 1,000, or the cursor is none of this store's (A2); the
    /// database's failures.
    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage>;

    /// Asks the database for a sign of life.
    ///
    /// - **H1** `ping` is `Ok` after a real answer of a database that can serve this store now, and
    ///   changes nothing; else it is the error that any other operation would meet.
    ///
    /// # Errors
    ///
    /// The database's failures.
    async fn ping(&self) -> Result<()>;

    /// Closes the store with all its handles.
    ///
    /// Connections that the store made are closed; a pool or client that it was given stays open.
    ///
    /// - **W3** After `close`, every method returns `Unavailable`, at once. What was under way finishes, or
    ///   reports an [unknown outcome](crate::Error::outcome_unknown). Closing again does nothing.
    ///
    /// `close` returns when what was under way has ended, at the latest after the operation timeout.
    async fn close(&self);
}
