//! rotate on Cluster: the new key is written, then the old one decides.

use std::sync::Arc;

use session_store_core::{Error, ErrorKind, Owner, Result, SessionKey, SetMode, Version, Write, timeout_millis};
use tokio::time::{Duration, Instant as Deadline, sleep};

use super::{Ended, Entry, Only, Written, end, head_of, mark, tidy, write_session};
use crate::record::{Head, Stored, decode};
use crate::script::cluster as script;
use crate::shared::{Effect, Shared};
use crate::wire::{parse, status};

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
        let mut unfinished = Unfinished { shared: Arc::clone(shared), to: *to, version, armed: true };
        let written = write_to(shared, to, write, &before, version, deadline).await;
        if let Err(error) = written {
            // A refusal has written nothing; what is not known is left to `unfinished`.
            unfinished.armed = error.outcome_unknown();
            return Err(error);
        }
        unfinished.armed = false;
        match commit(shared, from, before.meta.version, version, deadline).await {
            Ok(()) => {
                if let Some(entry) = entry_of(&before) {
                    tidy(shared, from, &entry, deadline).await;
                }
                return Ok(version);
            }
            Err(lost) if !lost.outcome_unknown() => {
                unfinished.armed = true;
                unfinished.withdraw(deadline).await.map_err(Error::with_outcome_unknown)?;
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

fn entry_of(head: &Head) -> Option<Entry> {
    let user = head.meta.user.as_ref()?;
    Some(Entry { user: user.as_str().as_bytes().to_vec(), mark: head.mark })
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
    let write = write.clone().with_owner(user.clone().map_or(Owner::Anonymous, Owner::User));
    let created_at = Some(before.meta.created_at.as_millis());
    let mut entry = None;
    if let Some(user) = &user {
        let life = timeout_millis(write.absolute())?;
        entry = Some(mark(shared, user.as_str().as_bytes(), to, life, deadline).await?);
    }
    loop {
        let written =
            write_session(shared, to, &write, SetMode::Create, version, created_at, entry.as_ref(), deadline).await?;
        match written {
            Written::Done(_) => return Ok(()),
            Written::NeedsMark(user, life) => entry = Some(mark(shared, &user, to, life, deadline).await?),
        }
    }
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
            Ok(answer) => return status(&parse::<Vec<u8>>(answer)?, from, from),
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

/// A new key that was written, or may have been, and that nobody has been told of.
struct Unfinished {
    shared: Arc<Shared>,
    to: SessionKey,
    version: Version,
    armed: bool,
}

impl Unfinished {
    /// Takes the new key back: only if it is still this rotation's.
    async fn withdraw(&mut self, deadline: Deadline) -> Result<()> {
        withdraw(&self.shared, &self.to, self.version, deadline).await?;
        self.armed = false;
        Ok(())
    }
}

impl Drop for Unfinished {
    /// The caller went away, or the outcome is not known: what can be done without them is done.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.armed {
            let (shared, to, version) = (Arc::clone(&self.shared), self.to, self.version);
            runtime.spawn(async move {
                for _ in 0..WITHDRAWALS {
                    if withdraw(&shared, &to, version, shared.deadline()).await.is_ok() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            });
        }
    }
}

async fn withdraw(shared: &Shared, to: &SessionKey, version: Version, deadline: Deadline) -> Result<()> {
    if let Ended::Live(Some(entry)) = end(shared, &shared.keys.session(to), Only::At(version), deadline).await? {
        tidy(shared, to, &entry, deadline).await;
    }
    Ok(())
}
