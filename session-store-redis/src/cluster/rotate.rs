//! rotate on Cluster: the new key is written, then the old one decides.

use std::time::Duration;

use session_store_core::backend::{Backoff, Call, Deadline, Rotate, Verdict};
use session_store_core::{Owner, SessionKey, SetMode, Version};
use tokio::time::sleep;

use super::{Cluster, Ended, Entry, Only, Result, Written, set_statement};
use crate::error::Error;
use crate::protocol::script::cluster as scripts;
use crate::protocol::verdict;
use crate::record::{Head, Stored, decode};

/// How often a new key is taken back if the servers cannot serve, a second apart.
const WITHDRAWALS: usize = 30;

impl Cluster {
    /// Reads `from`, marks and writes `to`, then commits: `from` becomes a tombstone, if it is still what was
    /// read. Both keys are readable in between (R4); one of several rotations commits (R3).
    pub(crate) async fn rotate(&self, call: &Call, rotate: &Rotate) -> Result<Verdict> {
        let Rotate { from, to, expected, version, .. } = rotate;
        let before = match self.live(from).await {
            Ok(Some(before)) => before,
            Ok(None) => return Ok(Verdict::NotFound),
            Err(Error::Corrupt(_)) => return Ok(Verdict::Corrupt),
            Err(error) => return Err(error),
        };
        if expected.is_some_and(|expected| expected != before.meta.version) {
            return Ok(Verdict::Conflict);
        }
        let new = New { to: *to, version: *version, from: *from, before: before.meta.version };
        let mut unfinished = Unfinished { cluster: self.clone(), new, stage: Stage::Over };
        match self.write_new(call, rotate, &before, &mut unfinished).await? {
            Verdict::Done => {}
            Verdict::Corrupt => return Ok(Verdict::TargetCorrupt),
            refused => return Ok(refused),
        }
        unfinished.stage = Stage::Committing;
        let lost = match self.commit(Some(call), &new, call.deadline()).await {
            Ok(Verdict::Done) => {
                unfinished.stage = Stage::Over;
                if let Some(user) = &before.meta.user {
                    self.tidy(from, &Entry::new(user, before.mark), call.deadline()).await;
                }
                return Ok(Verdict::Done);
            }
            // It may have won, which `unfinished` finds out.
            Err(error) if error.is_ambiguous() => return Err(error),
            lost => lost,
        };
        unfinished.stage = Stage::Written;
        self.withdraw(&new, call.deadline()).await.map_err(|error| Error::Undecided(Box::new(error)))?;
        unfinished.stage = Stage::Over;
        match lost {
            // Somebody has saved the session meanwhile; if that is allowed, their state is rotated.
            Ok(Verdict::Conflict) if expected.is_none() => Ok(Verdict::Busy),
            lost => lost,
        }
    }

    /// Returns the session that is live under this key.
    async fn live(&self, key: &SessionKey) -> Result<Option<Head>> {
        let head = self.head_of(&self.keys.session(key)).await?;
        if head.is_empty() {
            return Ok(None);
        }
        Ok(match decode(key, &head)? {
            Stored::Session(head) => Some(head),
            Stored::Moved => None,
        })
    }

    /// Writes the new key. From when that is sent, it is `unfinished`.
    async fn write_new(
        &self,
        call: &Call,
        rotate: &Rotate,
        before: &Head,
        unfinished: &mut Unfinished,
    ) -> Result<Verdict> {
        let Rotate { to, write, version, .. } = rotate;
        let user = write.owner().after(before.meta.user.as_ref());
        let write = write.clone().with_owner(user.clone().map_or(Owner::Anonymous, Owner::User));
        let created_at = Some(before.meta.created_at.as_millis());
        let statement = set_statement(&SetMode::Create, *version, &write, created_at);
        // A created session is known to need a mark.
        let mut entry = match &user {
            Some(user) => Some(self.mark_created(user, to, &write).await?),
            None => None,
        };
        loop {
            unfinished.stage = Stage::Written;
            let written = self.write_session(Some(call), to, &statement, entry.as_ref()).await;
            // What is not known is taken back by `unfinished`; nothing else was written.
            if !matches!(&written, Ok(Written::Done(_))) && !written.as_ref().is_err_and(Error::is_ambiguous) {
                unfinished.stage = Stage::Over;
            }
            match written? {
                // A created record has replaced none.
                Written::Done(_) => return Ok(Verdict::Done),
                Written::NeedsMark(user, life) => entry = Some(self.mark(&user, to, life).await?),
                Written::Refused(refused) => return Ok(refused),
            }
        }
    }

    /// Commits, and again if the outcome is not known: a commit that meets its own tombstone has won (K3).
    async fn commit(&self, call: Option<&Call>, new: &New, deadline: Deadline) -> Result<Verdict> {
        let mut command = scripts::COMMIT.on([self.keys.session(&new.from)]);
        command.arg(new.before.as_bytes()).arg(new.version.as_bytes());
        let (mut may_have_won, mut backoff) = (false, Backoff::until(deadline));
        loop {
            let error = match self.connections.write(&scripts::COMMIT, &command, call).await.map(|said| verdict(&said))
            {
                Ok(Ok(verdict)) => return Ok(verdict),
                Ok(Err(error)) | Err(error) => error,
            };
            may_have_won |= error.is_ambiguous();
            if !may_have_won {
                return Err(error);
            }
            // Whatever a later one met, an earlier one may have been executed.
            if !backoff.wait().await {
                return Err(Error::Undecided(Box::new(error)));
            }
        }
    }

    /// Sends the commit again, and takes the new key back if it is refused.
    async fn decide(&self, new: &New) {
        let deadline = Deadline::after(self.operation_timeout);
        let outcome = deadline.limit(self.commit(None, new, deadline)).await;
        // Had the first commit been executed, this one would have met its tombstone.
        if matches!(outcome, Some(Ok(Verdict::NotFound | Verdict::Conflict))) {
            self.take_back(new).await;
        }
    }

    async fn take_back(&self, new: &New) {
        for _ in 0..WITHDRAWALS {
            let deadline = Deadline::after(self.operation_timeout);
            if matches!(deadline.limit(self.withdraw(new, deadline)).await, Some(Ok(()))) {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Takes the new key back: only if it is still this rotation's.
    async fn withdraw(&self, new: &New, deadline: Deadline) -> Result<()> {
        let session = self.keys.session(&new.to);
        if let Ended::Live(Some(entry)) = self.end(None, &session, Only::At(new.version)).await? {
            self.tidy(&new.to, &entry, deadline).await;
        }
        Ok(())
    }
}

/// A new key that was written, or may have been, and that nobody has got an answer about; and what it replaces.
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

/// A rotation whose time runs out, or whose outcome is not known: what can be done without its caller is done.
struct Unfinished {
    cluster: Cluster,
    new: New,
    stage: Stage,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (cluster, new) = (self.cluster.clone(), self.new);
        match self.stage {
            Stage::Written => drop(runtime.spawn(async move { cluster.take_back(&new).await })),
            Stage::Committing => drop(runtime.spawn(async move { cluster.decide(&new).await })),
            Stage::Over => {}
        }
    }
}
