//! How a statement is run, and run again.

use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;

use super::queue::{Mergeable as _, Waiters};
use super::state::{Engine, closed, unanswered};
use super::work::{Pending, Work};
use super::{Backend, Backoff, Call, Deadline, Retry};
use crate::unwind::caught;
use crate::{Error, ErrorKind, Result, SessionKey};

/// How far a request has come.
pub(super) enum Step<A> {
    Answered(Result<A>),
    /// It was refused, and the cause is not known yet.
    Refused,
    /// Somebody else holds the record. Nothing was changed.
    Busy,
    /// It failed and changed nothing, and is worth sending again so often. This is the error if that comes to nothing.
    Again(Error, Retry),
}

/// A statement that failed as a whole.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether it may be about one request of several.
    may_be_of_one: bool,
}

impl<B: Backend> Engine<B> {
    /// Runs the statement of one request.
    pub(super) async fn run_one<W: Work<B>>(&self, request: &W::Request, call: &Call) -> Step<W::Answer> {
        let mut steps = self.run::<W>(slice::from_ref(request), call).await;
        steps.pop().unwrap_or_else(|| Step::Answered(Err(unanswered(W::Request::CHANGES))))
    }

    /// Runs one statement for all requests, and gives a step for each. A batch that was refused is halved, so that the one
    /// request which the database refuses does not fail the others.
    pub(super) async fn run<W: Work<B>>(&self, requests: &[W::Request], call: &Call) -> Vec<Step<W::Answer>> {
        let answers = self.attempt(call, W::Request::CHANGES, || W::run(&self.backend, call, requests)).await;
        match answers {
            Ok(answers) if answers.len() == requests.len() => {
                let steps = answers.into_iter().zip(requests);
                steps.map(|(answer, request)| self.step::<W>(answer, request, call)).collect()
            }
            Ok(_) => requests.iter().map(|_| Step::Answered(Err(unanswered(W::Request::CHANGES)))).collect(),
            Err(failed) if requests.len() > 1 && failed.may_be_of_one => {
                let middle = requests.len() / 2;
                let (first, second) = requests.split_at(middle);
                let mut steps = Box::pin(self.run::<W>(first, &call.part(0..middle))).await;
                steps.extend(Box::pin(self.run::<W>(second, &call.part(middle..requests.len()))).await);
                steps
            }
            Err(failed) => {
                let is_of_one = requests.len() == 1 && failed.may_be_of_one;
                let error = |request: &W::Request| match failed.error.share() {
                    error if is_of_one => about(error, request.key()),
                    error => error,
                };
                requests.iter().map(|request| Step::Answered(Err(error(request)))).collect()
            }
        }
    }

    /// What one answer of a batch means.
    fn step<W: Work<B>>(
        &self,
        answer: Result<W::Answer, B::Error>,
        request: &W::Request,
        call: &Call,
    ) -> Step<W::Answer> {
        let error = match answer {
            Ok(answer) => {
                return match W::pending(&answer) {
                    None => Step::Answered(Ok(answer)),
                    Some(Pending::Busy) => Step::Busy,
                    Some(Pending::Cause) => Step::Refused,
                };
            }
            Err(error) => error,
        };
        let failure = self.backend.classify(&error);
        let (retry, is_ambiguous) = (failure.retry, failure.is_ambiguous && W::Request::CHANGES && call.was_sent());
        let is_of_record = failure.may_be_of_record();
        let error = failure.into_error();
        let error = if is_of_record { about(error, request.key()) } else { error };
        match retry {
            _ if is_ambiguous => Step::Answered(Err(error.with_outcome_unknown())),
            Retry::Never => Step::Answered(Err(error)),
            Retry::Times(_) | Retry::UntilDeadline => Step::Again(error, retry),
        }
    }

    /// Runs a statement until it succeeds, fails for good, or may have been executed (clause K3).
    pub(super) async fn attempt<'f, T>(
        &self,
        call: &Call,
        is_change: bool,
        run: impl Fn() -> BoxFuture<'f, Result<T, B::Error>>,
    ) -> Result<T, Failed> {
        let final_error = |error| Failed { error, may_be_of_one: false };
        let (mut backoff, mut attempts) = (None, 0);
        loop {
            let ended = {
                let _in_flight = InFlight::new(&self.in_flight);
                // After the statement is counted: `close` waits for it, or is seen here.
                if self.is_closed() {
                    return Err(final_error(closed()));
                }
                // A future is polled once even if its time is over, and would send the statement.
                if call.deadline().has_passed() {
                    return Err(final_error(self.late(false)));
                }
                call.deadline().limit(caught(run())).await
            };
            let may_have_run = is_change && call.was_sent();
            let error = match ended {
                Some(Some(Ok(answer))) => return Ok(answer),
                Some(Some(Err(error))) => error,
                Some(None) => return Err(final_error(unanswered(may_have_run))),
                None => {
                    self.backend.on_timeout(call);
                    return Err(final_error(self.late(may_have_run)));
                }
            };
            let failure = self.backend.classify(&error);
            let is_unknown = may_have_run && failure.is_ambiguous;
            if !is_unknown {
                call.reset();
            }
            attempts += 1;
            let is_retried = !is_unknown
                && match failure.retry {
                    Retry::Never => false,
                    Retry::Times(times) => attempts <= times,
                    Retry::UntilDeadline => true,
                };
            if is_retried && backoff.get_or_insert_with(|| Backoff::until(call.deadline())).wait().await {
                continue;
            }
            let may_be_of_one = !failure.is_ambiguous && failure.may_be_of_record() && failure.retry == Retry::Never;
            let error = failure.into_error();
            let error = if is_unknown { error.with_outcome_unknown() } else { error };
            return Err(Failed { error, may_be_of_one });
        }
    }

    /// Brings a request to its end that one statement did not answer.
    pub(super) async fn settle<W: Work<B>>(
        &self,
        request: &W::Request,
        step: Step<W::Answer>,
        deadline: Deadline,
        waiters: Option<&Waiters<W::Request, W::Answer>>,
    ) -> Result<W::Answer> {
        let mut step = step;
        let mut backoff = Backoff::until(deadline);
        let mut has_waited = false;
        let mut retries = 0;
        loop {
            if let (Some(waiters), Step::Refused | Step::Busy | Step::Again(..)) = (waiters, &step) {
                // One of them may run out of time before the request is sent again.
                waiters.mark_unsent();
            }
            let error = match step {
                Step::Answered(answer) => return answer,
                Step::Refused => {
                    step = self.find_cause::<W>(request, deadline).await;
                    continue;
                }
                Step::Busy => None,
                Step::Again(error, Retry::Times(times)) if retries >= times => return Err(error),
                Step::Again(error, _) => {
                    retries += 1;
                    Some(error)
                }
            };
            // One statement waits in the database, which is faster than to ask again, and fair to other nodes. It takes
            // a connection for as long, so only some may.
            let permit = if error.is_none() { self.lone.try_acquire().ok() } else { None };
            if (permit.is_none() || has_waited) && !backoff.wait().await {
                return Err(error.unwrap_or_else(|| about(held::<B>(), request.key())));
            }
            has_waited = true;
            let mut marks = Vec::new();
            if let Some(waiters) = waiters {
                if waiters.are_gone() {
                    return Err(unanswered(false));
                }
                waiters.add_marks(0, &mut marks);
            }
            let call = Call::for_callers(deadline, marks).with_may_wait(permit.is_some());
            step = self.run_one::<W>(request, &call).await;
        }
    }

    async fn find_cause<W: Work<B>>(&self, request: &W::Request, deadline: Deadline) -> Step<W::Answer> {
        let call = Call::new(deadline);
        match self.attempt(&call, false, || W::find_cause(&self.backend, &call, request)).await {
            Ok(answer) => match W::pending(&answer) {
                None => Step::Answered(Ok(answer)),
                Some(_) => Step::Busy,
            },
            Err(failed) => Step::Answered(Err(about(failed.error, request.key()))),
        }
    }
}

/// A statement that `close` waits for.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn held<B: Backend>() -> Error {
    let text = format!("{}: another operation held the session's record for too long; nothing was changed", B::NAME);
    Error::new(ErrorKind::Timeout, text)
}

/// Names the record of an error that is about it.
fn about(error: Error, key: &SessionKey) -> Error {
    if error.kind() == ErrorKind::Corrupt && error.key().is_none() { error.with_key(*key) } else { error }
}
