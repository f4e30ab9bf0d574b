//! One statement under way.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Deadline;

/// One statement under way: its deadline, and whether it was sent.
///
/// A backend calls [`mark_sent`](Self::mark_sent) just before a statement may reach the database. The store reports an
/// operation that timed out or broke as of unknown outcome only if that was called. Without it, the store may repeat a
/// write that was executed (K3).
#[derive(Debug)]
pub struct Call {
    deadline: Deadline,
    may_wait: bool,
    sent: AtomicBool,
    /// The same for the callers who wait for this statement: each of them may run out of time before it does. With the
    /// place of each caller's request in the batch.
    callers: Vec<(usize, Arc<AtomicBool>)>,
}

impl Call {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self::for_callers(deadline, Vec::new())
    }

    pub(super) fn for_callers(deadline: Deadline, callers: Vec<(usize, Arc<AtomicBool>)>) -> Self {
        Self { deadline, may_wait: false, sent: AtomicBool::new(false), callers }
    }

    pub(super) fn with_may_wait(self, may_wait: bool) -> Self {
        Self { may_wait, ..self }
    }

    /// Returns the call of a statement for some requests of this batch.
    ///
    /// What becomes of it says nothing about the other requests, so it sets no marks of their callers.
    pub(super) fn part(&self, places: Range<usize>) -> Self {
        let callers = self.callers.iter().filter(|(place, _)| places.contains(place));
        let callers = callers.map(|(place, sent)| (place - places.start, Arc::clone(sent))).collect();
        Self::for_callers(self.deadline, callers).with_may_wait(self.may_wait)
    }

    /// Returns when the statement must have ended. The store drops its future then.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the time that is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.remaining()
    }

    /// Returns whether the statement may wait for a record that somebody else holds.
    ///
    /// It is `false` for batches, which must not wait for one record and answer `Busy` instead. It is `true` for a
    /// statement about one session that has met `Busy` before.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Records that the database may execute the statement from now on.
    pub fn mark_sent(&self) {
        self.set_sent(true);
    }

    /// Returns whether the statement was sent.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire)
    }

    /// Forgets a statement that was certainly not executed.
    pub(super) fn reset(&self) {
        self.set_sent(false);
    }

    fn set_sent(&self, sent: bool) {
        self.sent.store(sent, Ordering::Release);
        for (_, caller) in &self.callers {
            caller.store(sent, Ordering::Release);
        }
    }
}
