//! What a backend is asked for, and what it answers.

use std::mem::discriminant;
use std::time::Duration;

use bytes::Bytes;

use crate::{Entry, Meta, SessionKey, SetMode, Version, Write};

use super::StoreOptions;

/// One session to read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Lookup {
    /// Its key.
    pub key: SessionKey,
    /// The version that all callers hold, if there is one: at this version, the answer is
    /// [`Unchanged`](crate::IfChanged::Unchanged) and carries no data (G5).
    pub known: Option<Version>,
}

impl Lookup {
    /// Creates a lookup. Stores make their own; this is for tests of a backend.
    #[must_use]
    pub fn new(key: SessionKey, known: Option<Version>) -> Self {
        Self { key, known }
    }
}

/// One session to change. Arguments are within their bounds, and versions are new.
#[derive(Clone, Debug)]
pub enum Change {
    /// `set` (S1 to S8).
    Set(Set),
    /// `touch` (T1 to T5).
    Touch(Touch),
    /// `destroy` and `destroy_if` (D1 to D4).
    Destroy(Destroy),
    /// `import` (W1).
    Import(Import),
    /// `rotate` (R1 to R5). It comes to [`Backend::rotate`](super::Backend::rotate) and never to
    /// [`Backend::apply`](super::Backend::apply).
    Rotate(Rotate),
}

/// `set` (S1 to S8).
#[derive(Clone, Debug)]
pub struct Set {
    /// The session's key.
    pub key: SessionKey,
    /// What is written.
    pub write: Write,
    /// The precondition.
    pub mode: SetMode,
    /// The session's new version.
    pub version: Version,
}

/// `touch` (T1 to T5).
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// The session's key.
    pub key: SessionKey,
    /// For how long it stays alive from now.
    pub idle: Duration,
}

/// `destroy` and `destroy_if` (D1 to D4).
#[derive(Clone, Copy, Debug)]
pub struct Destroy {
    /// The session's key.
    pub key: SessionKey,
    /// The only version at which it is destroyed, if there is one (D4).
    pub version: Option<Version>,
}

/// `import` (W1).
#[derive(Clone, Debug)]
pub struct Import {
    /// The session's key.
    pub key: SessionKey,
    /// What is written besides the data, with the new version. `expires_at` is not after `deadline`.
    pub meta: Meta,
    /// The payload.
    pub data: Bytes,
}

/// `rotate` (R1 to R5).
#[derive(Clone, Debug)]
pub struct Rotate {
    /// The key that the session has.
    pub from: SessionKey,
    /// The key that it gets, which is another.
    pub to: SessionKey,
    /// What is written.
    pub write: Write,
    /// The only version at which it is rotated, if there is one.
    pub expected: Option<Version>,
    /// The session's new version.
    pub version: Version,
}

impl Change {
    /// Returns the key of the session; of a rotation, the one that it has.
    #[must_use]
    pub fn key(&self) -> &SessionKey {
        match self {
            Self::Set(Set { key, .. })
            | Self::Touch(Touch { key, .. })
            | Self::Destroy(Destroy { key, .. })
            | Self::Import(Import { key, .. })
            | Self::Rotate(Rotate { from: key, .. }) => key,
        }
    }

    /// Returns how many bytes of data it carries.
    #[must_use]
    pub fn data_len(&self) -> usize {
        match self {
            Self::Set(Set { write, .. }) | Self::Rotate(Rotate { write, .. }) => write.data().len(),
            Self::Import(Import { data, .. }) => data.len(),
            Self::Touch(_) | Self::Destroy(_) => 0,
        }
    }

    /// Returns whether a `destroy` or a `rotate` of the same session may overtake it while both wait: whichever comes
    /// first, the session is gone in the end.
    pub(super) fn may_be_overtaken(&self) -> bool {
        match self {
            Self::Touch(_) => true,
            Self::Set(Set { mode, .. }) => matches!(mode, SetMode::Replace | SetMode::Update(_)),
            Self::Destroy(_) | Self::Import(_) | Self::Rotate(_) => false,
        }
    }

    /// Returns whether two changes of a session may begin together. A change that ends the session, or moves it, passes no
    /// other kind of change that came before it.
    pub(super) fn begins_with(&self, other: &Self) -> bool {
        let is_save = |change: &Self| matches!(change, Self::Set(_) | Self::Touch(_) | Self::Import(_));
        (is_save(self) && is_save(other)) || discriminant(self) == discriminant(other)
    }

    pub(super) fn overtakes(&self) -> bool {
        matches!(self, Self::Destroy(_) | Self::Rotate(_))
    }
}

/// What became of one change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It was done.
    Done,
    /// The session is not live, and nothing was changed; of an import, the record is dead.
    NotFound,
    /// The key is live that was to be created, or that a rotation was to give.
    AlreadyExists,
    /// The session is not at the expected version.
    Conflict,
    /// The live record cannot be read (Z3). Nothing was changed. (`destroy` of one is `Done`.)
    Corrupt,
    /// The live record of a rotation's new key cannot be read (Z3). Nothing was changed.
    TargetCorrupt,
    /// The keys of a rotation have different [placements](super::Backend::placement) (R5).
    Misplaced,
    /// Somebody else holds the record, and nothing was changed. The store sends the change again, alone, and then the
    /// statement [may wait](super::Call::may_wait).
    Busy,
    /// It was refused, and nothing was changed; [`Backend::find_cause`](super::Backend::find_cause) finds out why.
    Refused,
}

/// Changes of one kind that share statements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The most changes of a statement. 1 turns batching off: then each caller sends its own statement at once.
    pub batch_size: usize,
    /// The most bytes of a statement; a single change may have more.
    pub batch_bytes: usize,
    /// How many statements are in flight at once.
    pub in_flight: usize,
    /// About how many bytes a change takes besides its data.
    pub overhead: usize,
}

impl Group {
    /// Creates a group with the batches of these options.
    #[must_use]
    pub fn batched(options: &StoreOptions) -> Self {
        Self {
            batch_size: options.batch_size,
            batch_bytes: options.batch_bytes,
            in_flight: options.batches_in_flight,
            overhead: 128,
        }
    }

    /// Creates a group without batches: each change is a statement of its own.
    #[must_use]
    pub fn single() -> Self {
        Self { batch_size: 1, batch_bytes: usize::MAX, in_flight: usize::MAX, overhead: 0 }
    }

    /// Sets how many statements are in flight at once.
    #[must_use]
    pub fn with_in_flight(self, in_flight: usize) -> Self {
        Self { in_flight, ..self }
    }

    /// Lowers the number of requests in a statement to what the database can take.
    #[must_use]
    pub fn with_batch_size_at_most(self, most: usize) -> Self {
        Self { batch_size: self.batch_size.min(most), ..self }
    }

    /// Sets how many bytes a change takes besides its data.
    #[must_use]
    pub fn with_overhead(self, overhead: usize) -> Self {
        Self { overhead, ..self }
    }
}

/// Where a bulk operation goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next<C> {
    /// Nowhere: the walk is over.
    End,
    /// From here.
    From(C),
    /// From the beginning: something was left, because somebody else holds it, or may have moved behind the cursor.
    Again,
}

/// What one statement of a bulk operation did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BulkPage<C> {
    /// How many live sessions it ended, without those whose records cannot be read.
    pub live: u64,
    /// How many records it removed in all, or index entries if it removes these alone. At 0, the store takes it that the
    /// statement changed nothing.
    pub removed: u64,
    /// Whether it left records because somebody else holds them.
    pub held: bool,
    /// Where to go on.
    pub next: Next<C>,
}

/// What one statement of `count` found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CountPage<C> {
    /// The live sessions among what it looked at.
    pub counted: Counted,
    /// Where to go on; `None` at the end.
    pub next: Option<C>,
}

/// Live sessions that were counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Counted {
    /// So many, each met once.
    Sessions(u64),
    /// These, of which some may be met again. The store counts each once.
    Keys(Vec<SessionKey>),
}

/// What one statement of a list found, in the order of the keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListPage<C> {
    /// Live sessions of the user.
    pub entries: Vec<Entry>,
    /// How many records of theirs could not be read. The store reports them.
    pub corrupt: u64,
    /// Where to go on; `None` at the end of the list.
    pub next: Option<C>,
}

/// What one statement of a scan found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScannedPage {
    /// Live sessions.
    pub entries: Vec<Entry>,
    /// How many records could not be read. The store reports them.
    pub corrupt: u64,
    /// Where to go on, in the backend's own encoding and without secrets; `None` at the end.
    pub next: Option<Vec<u8>>,
}
