//! Tasks that run batches.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Backend;
use super::engine::Engine;
use super::queue::Queue;
use super::work::Work;

/// A task that runs batches for as long as requests wait.
pub(super) struct Worker<B: Backend, W: Work<B>> {
    engine: Arc<Engine<B>>,
    queue: Arc<Queue<W::Request, W::Answer>>,
    /// Where the next one is started: a worker may be dropped outside of its runtime.
    runtime: Handle,
    has_begun: bool,
}

impl<B: Backend, W: Work<B>> Worker<B, W> {
    /// Starts a worker in a place that the queue has given.
    pub(super) fn start(engine: &Arc<Engine<B>>, queue: &Arc<Queue<W::Request, W::Answer>>, runtime: &Handle) {
        let worker = Self {
            engine: Arc::clone(engine),
            queue: Arc::clone(queue),
            runtime: runtime.clone(),
            has_begun: false,
        };
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
