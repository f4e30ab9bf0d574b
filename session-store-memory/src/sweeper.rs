//! Pruning in the background.

use std::time::Duration;

use session_store_core::{Error, Result};
use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::shared::Handle;

/// The background task. Dropping it ends the task at once.
#[derive(Debug)]
pub(crate) struct Sweeper(AbortHandle);

impl Sweeper {
    pub(crate) fn start(store: Handle, every: Duration) -> Result<Self> {
        let runtime = Runtime::try_current().map_err(|_| {
            Error::config("`prune_every` needs a Tokio runtime; build the store inside one, or call `prune` yourself")
        })?;
        let task = runtime.spawn(async move {
            loop {
                sleep(every).await;
                if !store.prune().await {
                    return;
                }
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
