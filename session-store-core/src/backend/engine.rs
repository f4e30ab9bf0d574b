//! How requests become statements, and statements become answers.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::sleep;

use super::inline::Inline;
use super::lanes::Lanes;
use super::queue::{Entry, Item, Mergeable as _, Queue, Receiver, Reply, Taken, Waiters};
use super::work::{Changes, Pending, Reads, Work};
use super::worker::Worker;
use super::{Backend, Backoff, Call, Change, Deadline, Group, Lookup, Retry, StoreOptions, Verdict};
use crate::unwind::caught;
use crate::{Error, ErrorKind, IfChanged, Result, SessionKey};

/// What all handles of a store share.
pub(super) struct Engine<B: Backend> {
    pub(super) backend: B,
    pub(super) options: StoreOptions,
    pub(super) reads: Arc<Queue<Lookup, IfChanged>>,
    /// By the number that the backend gives each group.
    pub(super) changes: Vec<Arc<Queue<Change, Verdict>>>,
    pub(super) rotations: Arc<Queue<Change, Verdict>>,
    pub(super) lanes: Lanes,
    /// As many as there may be statements that wait for records which others hold.
    lone: Semaphore,
    is_closed: AtomicBool,
    in_flight: AtomicUsize,
}

/// How far a request has come.
pub(super) enum Step<A> {
    Answered(Result<A>),
    /// It was refused, and the cause is not known yet.
    Refused,
    /// Somebody else holds the record. Nothing was changed.
    Busy,
    /// It failed and changed nothing, and is worth sending again. This is the error if that comes to nothing.
    Again(Error),
}

/// A statement that failed as a whole.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether it may be about one request of several.
    may_be_of_one: bool,
}

impl<B: Backend> Engine<B> {
    pub(super) fn new(backend: B, options: StoreOptions) -> Self {
        Self {
            reads: Arc::new(Queue::new(backend.read_group(&options))),
            changes: backend.change_groups(&options).into_iter().map(|group| Arc::new(Queue::new(group))).collect(),
            rotations: Arc::new(Queue::new(Group::single())),
            lanes: Lanes::new(),
            lone: Semaphore::new(backend.lone_statements()),
            is_closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            backend,
            options,
        }
    }

    pub(super) async fn read(self: &Arc<Self>, lookup: Lookup) -> Result<IfChanged> {
        self.call::<Reads>(lookup).await
    }

    pub(super) async fn change(self: &Arc<Self>, change: Change) -> Result<Verdict> {
        self.call::<Changes>(change).await
    }

    async fn call<W: Work<B>>(self: &Arc<Self>, request: W::Request) -> Result<W::Answer> {
        let deadline = Deadline::after(self.options.operation_timeout);
        let mut request = request;
        loop {
            match self.submit::<W>(request, deadline).await {
                Reply::Answer(answer) => return answer,
                Reply::Resubmit(same) => request = same,
            }
        }
    }

    async fn submit<W: Work<B>>(
        self: &Arc<Self>,
        request: W::Request,
        deadline: Deadline,
    ) -> Reply<W::Request, W::Answer> {
        let queue = W::queue(self, &request);
        let _room = match queue.room.try_acquire() {
            Ok(room) => room,
            Err(TryAcquireError::Closed) => return Reply::Answer(Err(closed())),
            Err(TryAcquireError::NoPermits) => match deadline.limit(queue.room.acquire()).await {
                Some(Ok(room)) => room,
                Some(Err(_)) => return Reply::Answer(Err(closed())),
                None => return Reply::Answer(Err(self.late(false))),
            },
        };
        let request = match W::begin(self, request, deadline) {
            Ok(request) => request,
            Err(receiver) => return self.wait::<W>(receiver, deadline).await,
        };
        match queue.enter(request, deadline) {
            Entry::Inline(request) => self.run_inline::<W>(queue, request, deadline).await,
            Entry::Waits { receiver, has_place } => {
                if has_place {
                    Worker::<B, W>::start(self, queue, &Handle::current());
                }
                self.wait::<W>(receiver, deadline).await
            }
            Entry::Closed => Reply::Answer(Err(closed())),
        }
    }

    async fn wait<W: Work<B>>(
        &self,
        mut receiver: Receiver<W::Request, W::Answer>,
        deadline: Deadline,
    ) -> Reply<W::Request, W::Answer> {
        match deadline.limit(&mut receiver.reply).await {
            Some(Ok(reply)) => reply,
            Some(Err(_)) => Reply::Answer(Err(unanswered(W::CHANGES && receiver.was_sent()))),
            None => Reply::Answer(Err(self.late(W::CHANGES && receiver.was_sent()))),
        }
    }

    /// Runs a request as a part of its caller's task.
    async fn run_inline<W: Work<B>>(
        self: &Arc<Self>,
        queue: &Arc<Queue<W::Request, W::Answer>>,
        request: W::Request,
        deadline: Deadline,
    ) -> Reply<W::Request, W::Answer> {
        let runtime = Handle::current();
        let key = *request.key();
        let turn = W::turn(self, &request);
        let place = InlinePlace(Arc::clone(queue));
        let engine = Arc::clone(self);
        let inline = Inline::new(runtime.clone(), async move {
            let call = Call::new(deadline);
            let step = engine.run_one::<W>(&request, &call).await;
            // Before the answer, so that a caller who asks again at once is alone again.
            drop(place);
            let answer = match step {
                Step::Answered(answer) => answer,
                step => engine.settle::<W>(&request, step, deadline, None).await,
            };
            drop(turn);
            answer
        });
        W::set_inline(self, &key, inline.adopter(), &runtime);
        Reply::Answer(inline.await.unwrap_or_else(|| Err(unanswered(W::CHANGES))))
    }

    async fn run_one<W: Work<B>>(&self, request: &W::Request, call: &Call) -> Step<W::Answer> {
        let mut steps = self.run::<W>(slice::from_ref(request), call).await;
        steps.pop().unwrap_or_else(|| Step::Answered(Err(unanswered(W::CHANGES))))
    }

    /// Runs one statement for all requests, and gives a step for each. A batch that was refused is halved, so that the one
    /// request which the database refuses does not fail the others.
    pub(super) async fn run<W: Work<B>>(&self, requests: &[W::Request], call: &Call) -> Vec<Step<W::Answer>> {
        let answers = self.attempt(call, W::CHANGES, || W::run(&self.backend, call, requests)).await;
        match answers {
            Ok(answers) if answers.len() == requests.len() => {
                let steps = answers.into_iter().zip(requests);
                steps.map(|(answer, request)| self.step::<W>(answer, request, call)).collect()
            }
            Ok(_) => requests.iter().map(|_| Step::Answered(Err(unanswered(W::CHANGES)))).collect(),
            Err(failed) if requests.len() > 1 && failed.may_be_of_one => {
                let (first, second) = requests.split_at(requests.len() / 2);
                let mut steps = Box::pin(self.run::<W>(first, call)).await;
                steps.extend(Box::pin(self.run::<W>(second, call)).await);
                steps
            }
            Err(failed) => {
                let error = |request: &W::Request| match requests.len() {
                    1 => about(failed.error.share(), request.key()),
                    _ => failed.error.share(),
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
        let (retry, is_ambiguous) = (failure.retry, failure.is_ambiguous && W::CHANGES && call.was_sent());
        let error = about(failure.into_error(), request.key());
        match retry {
            _ if is_ambiguous => Step::Answered(Err(error.with_outcome_unknown())),
            Retry::Never => Step::Answered(Err(error)),
            Retry::Times(_) | Retry::UntilDeadline => Step::Again(error),
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
            if self.is_closed() {
                return Err(final_error(closed()));
            }
            call.reset();
            let ended = {
                let _in_flight = InFlight::new(&self.in_flight);
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
            let may_be_of_one = !is_unknown && !failure.is_of_statement && failure.retry == Retry::Never;
            let error = failure.into_error();
            let error = if is_unknown { error.with_outcome_unknown() } else { error };
            return Err(Failed { error, may_be_of_one });
        }
    }

    /// Brings a request to its end that one statement did not answer.
    async fn settle<W: Work<B>>(
        &self,
        request: &W::Request,
        step: Step<W::Answer>,
        deadline: Deadline,
        waiters: Option<&Waiters<W::Request, W::Answer>>,
    ) -> Result<W::Answer> {
        let mut step = step;
        let mut backoff = Backoff::until(deadline);
        let mut has_waited = false;
        loop {
            let error = match step {
                Step::Answered(answer) => return answer,
                Step::Refused => {
                    step = self.find_cause::<W>(request, deadline).await;
                    continue;
                }
                Step::Busy => None,
                Step::Again(error) => Some(error),
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
                waiters.add_marks(&mut marks);
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

    /// Runs one batch, and answers its callers.
    pub(super) async fn run_batch<W: Work<B>>(self: &Arc<Self>, batch: Vec<Item<W::Request, W::Answer>>) {
        let Some(deadline) = batch.iter().map(|item| item.waiters.deadline).max() else { return };
        let mut marks = Vec::with_capacity(batch.len());
        let (mut requests, mut others) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Item { request, waiters } in batch {
            waiters.add_marks(&mut marks);
            others.push((W::turn(self, &request), waiters));
            requests.push(request);
        }
        let call = Call::for_callers(deadline, marks);
        let steps = self.run::<W>(&requests, &call).await;
        for ((request, (turn, waiters)), step) in requests.into_iter().zip(others).zip(steps) {
            match step {
                Step::Answered(answer) => {
                    waiters.answer(answer);
                    drop(turn);
                }
                // It holds up nobody but those who ask for the same session.
                step => {
                    let engine = Arc::clone(self);
                    tokio::spawn(async move {
                        let answer = engine.settle::<W>(&request, step, waiters.deadline, Some(&waiters)).await;
                        waiters.answer(answer);
                        drop(turn);
                    });
                }
            }
        }
    }

    /// Lets the next change of a session begin.
    fn begin_next(self: &Arc<Self>, key: &SessionKey) {
        while let Some(item) = self.lanes.leave(key) {
            let Ok(runtime) = Handle::try_current() else {
                let text = "a change of the session ended outside of a Tokio runtime, so the next one could not begin";
                item.waiters.answer(Err(Error::new(ErrorKind::Internal, text)));
                continue;
            };
            let queue = Changes::queue(self, &item.request);
            if queue.group.batch_size <= 1 {
                let engine = Arc::clone(self);
                runtime.spawn(async move { engine.run_batch::<Changes>(vec![item]).await });
                return;
            }
            match queue.push(item) {
                Ok(has_place) => {
                    if has_place {
                        Worker::<B, Changes>::start(self, queue, &runtime);
                    }
                    return;
                }
                Err(item) => item.waiters.answer(Err(closed())),
            }
        }
    }

    /// Returns the next batch of a queue.
    pub(super) fn take<W: Work<B>>(
        self: &Arc<Self>,
        queue: &Queue<W::Request, W::Answer>,
    ) -> Vec<Item<W::Request, W::Answer>> {
        let Taken { batch, abandoned } = queue.take();
        for item in abandoned {
            drop(W::turn(self, &item.request));
        }
        batch
    }

    /// Gives requests back to their callers, and those that wait for them as well.
    pub(super) fn give_back<W: Work<B>>(&self, items: impl IntoIterator<Item = Item<W::Request, W::Answer>>) {
        for item in items {
            let mut next = Some(item);
            while let Some(Item { request, waiters }) = next {
                next = W::skip(self, &request);
                waiters.give_back(&request);
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Refuses a call to a store that is closed.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(closed()) } else { Ok(()) }
    }

    /// Closes the store: answers who waits, lets end what is under way, and closes the connections.
    pub(super) async fn close(&self) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        for item in self.reads.close() {
            item.waiters.answer(Err(closed()));
        }
        for queue in self.changes.iter().chain([&self.rotations]) {
            for item in queue.close() {
                item.waiters.answer(Err(closed()));
            }
        }
        for item in self.lanes.drain() {
            item.waiters.answer(Err(closed()));
        }
        let deadline = Deadline::after(self.options.operation_timeout);
        while self.in_flight.load(Ordering::Acquire) > 0 && !deadline.has_passed() {
            sleep(Duration::from_millis(2)).await;
        }
        let call = Call::new(deadline.max(Deadline::after(Duration::from_millis(100))));
        call.deadline().limit(self.backend.close(&call)).await;
    }

    fn late(&self, may_have_run: bool) -> Error {
        let timeout = self.options.operation_timeout;
        let text = format!("{}: no answer within the operation timeout of {timeout:?}", B::NAME);
        unknown_if(may_have_run, Error::new(ErrorKind::Timeout, text))
    }
}

/// The right to change a session. When it is dropped, the next change may begin.
pub(super) struct OwnTurn<B: Backend> {
    engine: Arc<Engine<B>>,
    key: SessionKey,
}

impl<B: Backend> OwnTurn<B> {
    pub(super) fn new(engine: &Arc<Engine<B>>, key: SessionKey) -> Self {
        Self { engine: Arc::clone(engine), key }
    }
}

impl<B: Backend> Drop for OwnTurn<B> {
    fn drop(&mut self) {
        self.engine.begin_next(&self.key);
    }
}

/// The place of a caller who runs a request alone.
struct InlinePlace<R, A>(Arc<Queue<R, A>>);

impl<R, A> Drop for InlinePlace<R, A> {
    fn drop(&mut self) {
        self.0.end_inline();
    }
}

/// A statement that `close` waits for.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The error of a store that is closed (W3).
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the store is closed").with_transient(false)
}

fn held<B: Backend>() -> Error {
    let text = format!("{}: another operation held the session's record for too long; nothing was changed", B::NAME);
    Error::new(ErrorKind::Timeout, text)
}

fn unanswered(may_have_run: bool) -> Error {
    unknown_if(may_have_run, Error::new(ErrorKind::Internal, "a statement ended without an answer"))
}

fn unknown_if(may_have_run: bool, error: Error) -> Error {
    if may_have_run { error.with_outcome_unknown() } else { error }
}

/// Names the record of an error that is about it.
fn about(error: Error, key: &SessionKey) -> Error {
    if error.kind() == ErrorKind::Corrupt && error.key().is_none() { error.with_key(*key) } else { error }
}
