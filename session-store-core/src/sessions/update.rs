//! Changes that lose no other.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::Sessions;
use super::inner::{undecodable, unless_gone};
use crate::entropy::part;
use crate::{Error, ErrorKind, Owner, Result, SessionId, SetMode};

impl<T: Serialize + DeserializeOwned + Send> Sessions<T> {
    /// Changes the session with this ID, and gives what `change` has given. `None` when it is gone, and nothing was
    /// changed.
    ///
    /// It reads, changes and saves. Where another request has saved meanwhile, it pauses for a random moment, which
    /// grows, and does it again, so `change` may be called several times, each time with what is there by then: it must
    /// do nothing but change the data. Of any number of updates at once, none is lost.
    ///
    /// It needs a Tokio runtime with timers.
    ///
    /// # Errors
    ///
    /// `Conflict` when other requests were faster [each time](super::Builder::update_attempts). `Corrupt` when the data
    /// do not fit `T`, or cannot be decrypted. `InvalidInput` or `TooLarge` when the changed data cannot be stored.
    ///
    /// # Example
    ///
    /// ```
    /// use session_store_core::{Result, SessionId, Sessions};
    ///
    /// async fn visits(sessions: &Sessions<u64>, id: &SessionId) -> Result<Option<u64>> {
    ///     sessions
    ///         .update(id, |count| {
    ///             *count += 1;
    ///             *count
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn update<A>(&self, id: &SessionId, mut change: impl FnMut(&mut T) -> A + Send) -> Result<Option<A>> {
        for attempt in 0..self.inner.update_attempts {
            if attempt > 0 {
                sleep(pause(attempt)?).await;
            }
            let Some((key, record)) = self.inner.find(id).await? else { return Ok(None) };
            let (write, answer) = {
                let decoded = self.inner.codec.decode_with(&key, &record.data).map_err(undecodable)?;
                let (mut data, policy): (T, _) = decoded;
                let answer = change(&mut data);
                let write = self.inner.write(&key, &data, policy)?;
                (write.with_owner(Owner::exactly(record.meta.user.as_ref())), answer)
            };
            match self.inner.store.set(&key, &write, SetMode::Update(record.meta.version)).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                saved => return Ok(unless_gone(saved)?.map(|_| answer)),
            }
        }
        Err(too_many_conflicts())
    }
}

pub(super) fn too_many_conflicts() -> Error {
    Error::new(ErrorKind::Conflict, "other requests changed the session each time it was read; try again later")
        .with_transient(true)
}

/// Random, so that requests that met once do not meet again; up to twice as long each time, and 64 ms at the most.
pub(super) fn pause(attempt: u32) -> Result<Duration> {
    Ok(Duration::from_millis(1 << attempt.min(6)).mul_f64(part()?))
}
