//! rotate on Cluster: the new key is written, then the old one decides.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use session_store_core::{Error, ErrorKind, Owner, Result, SessionKey, SetMode, Version, Write};
use tokio::time::sleep;

use super::{Ended, Entry, Only, end, head_of, tidy, write_listed};
use crate::record::{Head, Stored, decode};
use crate::script::cluster as script;
use crate::shared::{Effect, Shared};
use crate::wire::{parse_written, status};

/// How often a new key is taken back where the servers cannot serve, a second apart.
const WITHDRAWALS: usize = 30;

/// Reads `from`, marks and writes `to`, then commits: `from` becomes a tombstone, if it is still what was
/// read. Both keys are readable in between (R4); one of several rotations commits (R3).
pub(crate) async fn rotate(
    shared: &Arc<Shared>,
    from: &SessionKey,
    to: &SessionKey,
    write: &Write,
    expected: Option<Version>,
) -> Result<Version> {
    let deadline = shared.deadline();
    loop {
        let Some(before) = live(shared, from, deadline).await? else { return Err(Error::not_found(from)) };
        if expected.is_some_and(|expected| expected != before.meta.version) {
            return Err(Error::conflict(from));
        }
        let version = Version::generate()?;
        let new = New { to: *to, version, from: *from, before: before.meta.version };
        let mut unfinished = Unfinished { shared: Arc::clone(shared), new, stage: Stage::Written };
        let written = write_to(shared, to, write, &before, version, deadline).await;
        if let Err(error) = written {
            // A refusal has written nothing; what is not known is left to `unfinished`.
            if !error.outcome_unknown() {
                unfinished.stage = Stage::Over;
            }
            return Err(error);
        }
        unfinished.stage = Stage::Committing;
        match commit(shared, from, before.meta.version, version, deadline).await {
            Ok(()) => {
                unfinished.stage = Stage::Over;
                if let Some(user) = &before.meta.user {
                    tidy(shared, from, &Entry::new(user, before.mark), deadline).await;
                }
                return Ok(version);
            }
            Err(lost) if !lost.outcome_unknown() => {
                unfinished.stage = Stage::Written;
                withdraw(shared, &unfinished.new, deadline).await.map_err(Error::with_outcome_unknown)?;
                unfinished.stage = Stage::Over;
                // Somebody has saved the session meanwhile; where that is allowed, their state is rotated.
                if lost.kind() != ErrorKind::Conflict || expected.is_some() {
                    return Err(lost);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The session that is live under this key.
async fn live(shared: &Shared, key: &SessionKey, deadline: Deadline) -> Result<Option<Head>> {
    let head = head_of(shared, &shared.keys.session(key), deadline).await?;
    if head.is_empty() {
        return Ok(None);
    }
    Ok(match decode(key, &head)? {
        Stored::Session(head) => Some(head),
        Stored::Moved => None,
    })
}

async fn write_to(
    shared: &Shared,
    to: &SessionKey,
    write: &Write,
    before: &Head,
    version: Version,
    deadline: Deadline,
) -> Result<()> {
    let user = write.owner().after(before.meta.user.as_ref());
    let write = write.clone().with_owner(user.map_or(Owner::Anonymous, Owner::User));
    let created_at = Some(before.meta.created_at.as_millis());
    write_listed(shared, to, &write, SetMode::Create, version, created_at, deadline).await.map(drop)
}

/// Commits, again where the outcome is not known: a commit that meets its own tombstone has won (K3).
async fn commit(
    shared: &Shared,
    from: &SessionKey,
    before: Version,
    version: Version,
    deadline: Deadline,
) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut call = script::COMMIT.on([shared.keys.session(from)]);
    call.arg(before.as_bytes()).arg(version.as_bytes());
    let mut may_have_won = false;
    loop {
        let error = match shared.script(&script::COMMIT, &call, Effect::Write, deadline).await {
            Ok(answer) => return status(&parse_written::<Vec<u8>>(answer)?, from, from),
            Err(error) => error,
        };
        may_have_won |= error.outcome_unknown();
        if !may_have_won {
            return Err(error);
        }
        // Whatever a later one met, an earlier one may have been executed.
        if Deadline::now() + PAUSE >= deadline {
            return Err(error.with_outcome_unknown());
        }
        sleep(PAUSE).await;
    }
}

/// A new key that was written, or may have been, and that nobody has been told of; and what it replaces.
#[derive(Clone, Copy)]
struct New {
    to: SessionKey,
    version: Version,
    from: SessionKey,
    before: Version,
}

/// How far a rotation has come.
enum Stage {
    /// The new key may be there, and is to be taken back.
    Written,
    /// The old key may have decided already.
    Committing,
    Over,
}

/// A rotation whose caller goes away, or whose outcome is not known: what can be done without them is done.
struct Unfinished {
    shared: Arc<Shared>,
    new: New,
    stage: Stage,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, new) = (Arc::clone(&self.shared), self.new);
        match self.stage {
            Stage::Written => drop(runtime.spawn(async move { take_back(&shared, &new).await })),
            Stage::Committing => drop(runtime.spawn(async move { decide(&shared, &new).await })),
            Stage::Over => {}
        }
    }
}

/// Sends the commit again, and takes the new key back where it is refused.
async fn decide(shared: &Shared, new: &New) {
    let outcome = commit(shared, &new.from, new.before, new.version, shared.deadline()).await;
    // Had the first commit been executed, this one would have met its tombstone.
    let is_refusal = |error: Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict);
    if outcome.is_err_and(is_refusal) {
        take_back(shared, new).await;
    }
}

async fn take_back(shared: &Shared, new: &New) {
    for _ in 0..WITHDRAWALS {
        if withdraw(shared, new, shared.deadline()).await.is_ok() {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Takes the new key back: only if it is still this rotation's.
async fn withdraw(shared: &Shared, new: &New, deadline: Deadline) -> Result<()> {
    let session = shared.keys.session(&new.to);
    if let Ended::Live(Some(entry)) = end(shared, &session, Only::At(new.version), deadline).await? {
        tidy(shared, &new.to, &entry, deadline).await;
    }
    Ok(())
}
