//! How requests wait, and become statements.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::TryAcquireError;
use tokio::time::sleep;

use super::execute::Step;
use super::inline::Inline;
use super::queue::{Entry, Item, Mergeable as _, Queue, Receiver, Reply, Taken};
use super::state::{Engine, closed, unanswered};
use super::work::{Changes, Reads, Work};
use super::{Backend, Call, Change, Deadline, Lookup, Verdict};
use crate::{IfChanged, Result, SessionKey};

impl<B: Backend> Engine<B> {
    pub(super) async fn read(self: &Arc<Self>, lookup: Lookup) -> Result<IfChanged> {
        self.call::<Reads>(lookup).await
    }

    pub(super) async fn change(self: &Arc<Self>, change: Change) -> Result<Verdict> {
        self.call::<Changes>(change).await
    }

    /// Answers a request. All that needs the request itself is done in functions that are not `async`: a future would hold
    /// it once for each of them, and grow with that.
    async fn call<W: Work<B>>(self: &Arc<Self>, request: W::Request) -> Result<W::Answer> {
        let deadline = Deadline::after(self.options.operation_timeout);
        let mut request = request;
        loop {
            let queue = W::queue(self, &request);
            let _room = match queue.room.try_acquire() {
                Ok(room) => room,
                Err(TryAcquireError::Closed) => return Err(closed()),
                Err(TryAcquireError::NoPermits) => match deadline.limit(queue.room.acquire()).await {
                    Some(Ok(room)) => room,
                    Some(Err(_)) => return Err(closed()),
                    None => return Err(self.late(false)),
                },
            };
            let mut receiver = match self.submit::<W>(queue, request, deadline) {
                Submitted::Runs(inline) => return inline.await.unwrap_or_else(|| Err(unanswered(W::Request::CHANGES))),
                Submitted::Waits(receiver) => receiver,
                Submitted::Closed => return Err(closed()),
            };
            match deadline.limit(&mut receiver.reply).await {
                Some(Ok(Reply::Answer(answer))) => return answer,
                Some(Ok(Reply::Resubmit(same))) => request = same,
                Some(Err(_)) => return Err(unanswered(receiver.was_sent())),
                None => return Err(self.late(receiver.was_sent())),
            }
        }
    }

    fn submit<W: Work<B>>(
        self: &Arc<Self>,
        queue: &Arc<Queue<W::Request, W::Answer>>,
        request: W::Request,
        deadline: Deadline,
    ) -> Submitted<W::Request, W::Answer> {
        let request = match W::begin(self, request, deadline) {
            Ok(request) => request,
            Err(receiver) => return Submitted::Waits(receiver),
        };
        match queue.enter(request, deadline) {
            Entry::Inline(request) => Submitted::Runs(self.inline::<W>(queue, request, deadline)),
            Entry::Waits { receiver, has_place } => {
                if has_place {
                    Worker::<B, W>::start(self, queue, &Handle::current());
                }
                Submitted::Waits(receiver)
            }
            Entry::Closed(request) => {
                drop(self.turn::<W>(&request));
                Submitted::Closed
            }
        }
    }

    /// Returns a future that runs a request as a part of its caller's task.
    fn inline<W: Work<B>>(
        self: &Arc<Self>,
        queue: &Arc<Queue<W::Request, W::Answer>>,
        request: W::Request,
        deadline: Deadline,
    ) -> Inline<Result<W::Answer>> {
        let runtime = Handle::current();
        let key = *request.key();
        let turn = self.turn::<W>(&request);
        let place =
            InlinePlace::<B, W> { engine: Arc::clone(self), queue: Arc::clone(queue), runtime: runtime.clone() };
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
        if W::has_turns() {
            W::set_inline(self, &key, inline.adopter(), &runtime);
        }
        inline
    }

    /// Runs one batch, and answers its callers.
    async fn run_batch<W: Work<B>>(self: &Arc<Self>, batch: Vec<Item<W::Request, W::Answer>>) {
        let Some(deadline) = batch.iter().map(|item| item.waiters.deadline).max() else { return };
        let mut marks = Vec::with_capacity(if W::Request::CHANGES { batch.len() } else { 0 });
        let (mut requests, mut others) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Item { request, waiters } in batch {
            waiters.add_marks(requests.len(), &mut marks);
            others.push((self.turn::<W>(&request), waiters));
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

    /// Returns what lets the next request about the same session begin when it is dropped.
    fn turn<W: Work<B>>(self: &Arc<Self>, request: &W::Request) -> Option<OwnTurn<B>> {
        W::has_turns().then(|| OwnTurn { engine: Arc::clone(self), key: *request.key() })
    }

    /// Ends a change of a session, and lets the next ones begin.
    fn begin_next(self: &Arc<Self>, key: &SessionKey) {
        let mut next = VecDeque::from(self.lanes.leave(key));
        while let Some(item) = next.pop_front() {
            let Ok(runtime) = Handle::try_current() else {
                // A runtime has ended. The callers have another.
                self.give_back::<Changes>([item]);
                continue;
            };
            let queue = Changes::queue(self, &item.request);
            if queue.group.batch_size <= 1 {
                let mut single = Single { engine: Arc::clone(self), item: Some(item) };
                runtime.spawn(async move {
                    let batch = single.item.take().into_iter().collect();
                    single.engine.run_batch::<Changes>(batch).await;
                });
                continue;
            }
            match queue.push(item) {
                Ok(has_place) => {
                    if has_place {
                        Worker::<B, Changes>::start(self, queue, &runtime);
                    }
                }
                Err(item) => {
                    item.waiters.answer(Err(closed()));
                    next.extend(self.lanes.leave(key));
                }
            }
        }
    }

    /// Returns the next batch of a queue.
    fn take<W: Work<B>>(self: &Arc<Self>, queue: &Queue<W::Request, W::Answer>) -> Vec<Item<W::Request, W::Answer>> {
        let Taken { batch, abandoned, merged } = queue.take(W::has_turns());
        for request in merged {
            drop(self.turn::<W>(&request));
        }
        for Item { request, waiters } in abandoned {
            let turn = self.turn::<W>(&request);
            waiters.answer(Err(self.late(false)));
            drop(turn);
        }
        batch
    }

    /// Gives requests back to their callers, and those that wait for them as well.
    fn give_back<W: Work<B>>(&self, items: impl IntoIterator<Item = Item<W::Request, W::Answer>>) {
        let mut items: VecDeque<_> = items.into_iter().collect();
        while let Some(Item { request, waiters }) = items.pop_front() {
            items.extend(W::skip(self, &request));
            waiters.give_back(&request);
        }
    }

    /// Closes the store: answers who waits, lets end what is under way, and closes the connections.
    pub(super) async fn close(&self) {
        if self.is_closed.swap(true, Ordering::SeqCst) {
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
        while self.in_flight.load(Ordering::SeqCst) > 0 && !deadline.has_passed() {
            sleep(Duration::from_millis(2)).await;
        }
        let call = Call::new(deadline.max(Deadline::after(Duration::from_millis(100))));
        call.deadline().limit(self.backend.close(&call)).await;
    }
}

/// What became of a request that was submitted.
enum Submitted<R, A: Send + 'static> {
    Runs(Inline<Result<A>>),
    Waits(Receiver<R, A>),
    Closed,
}

/// The right to change a session. When it is dropped, the next change may begin.
struct OwnTurn<B: Backend> {
    engine: Arc<Engine<B>>,
    key: SessionKey,
}

impl<B: Backend> Drop for OwnTurn<B> {
    fn drop(&mut self) {
        self.engine.begin_next(&self.key);
    }
}

/// A change that is sent alone when its turn comes, on a task of its own.
struct Single<B: Backend> {
    engine: Arc<Engine<B>>,
    item: Option<Item<Change, Verdict>>,
}

impl<B: Backend> Drop for Single<B> {
    fn drop(&mut self) {
        // Its runtime has ended before the task began. The callers have another.
        if let Some(item) = self.item.take() {
            self.engine.give_back::<Changes>([item]);
        }
    }
}

/// The place of a caller who runs a request alone. When it is given up, a worker takes it over if requests wait.
struct InlinePlace<B: Backend, W: Work<B>> {
    engine: Arc<Engine<B>>,
    queue: Arc<Queue<W::Request, W::Answer>>,
    runtime: Handle,
}

impl<B: Backend, W: Work<B>> Drop for InlinePlace<B, W> {
    fn drop(&mut self) {
        if self.queue.end_inline() {
            Worker::<B, W>::start(&self.engine, &self.queue, &self.runtime);
        }
    }
}

/// A task that runs batches for as long as requests wait.
struct Worker<B: Backend, W: Work<B>> {
    engine: Arc<Engine<B>>,
    queue: Arc<Queue<W::Request, W::Answer>>,
    /// Where the next one is started: a worker may be dropped outside of its runtime.
    runtime: Handle,
    has_begun: bool,
}

impl<B: Backend, W: Work<B>> Worker<B, W> {
    /// Starts a worker in a place that the queue has given.
    fn start(engine: &Arc<Engine<B>>, queue: &Arc<Queue<W::Request, W::Answer>>, runtime: &Handle) {
        let worker =
            Self { engine: Arc::clone(engine), queue: Arc::clone(queue), runtime: runtime.clone(), has_begun: false };
        runtime.spawn(worker.work());
    }

    async fn work(mut self) {
        self.has_begun = true;
        loop {
            // No timer is involved. A worker yields once before it takes a batch, so that the callers who were just
            // answered can join it; without that, batches stay small if few tasks call.
            if !self.queue.has_full_batch() {
                tokio::task::yield_now().await;
            }
            let batch = self.engine.take::<W>(&self.queue);
            if batch.is_empty() {
                return;
            }
            self.engine.run_batch::<W>(batch).await;
        }
    }
}

impl<B: Backend, W: Work<B>> Drop for Worker<B, W> {
    fn drop(&mut self) {
        if self.queue.leave(self.has_begun) {
            Self::start(&self.engine, &self.queue, &self.runtime);
        } else if !self.has_begun {
            // Its runtime has ended, and would refuse the next one as well. The callers have another.
            self.engine.give_back::<W>(self.queue.drain());
        }
    }
}
