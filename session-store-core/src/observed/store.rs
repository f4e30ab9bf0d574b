//! Every method of the store within, and what is told of it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Cause, Event, Observed, WHY, Why};
use crate::{
    Entry, Error, ErrorKind, Owner, Page, Pruned, Record, Result, SessionKey, SessionStore, SetMode, UserId, Version,
    Write,
};

impl<S> Observed<S> {
    /// What was refused, of a write to this session.
    fn tell_refusal(&self, key: &SessionKey, error: &Error) {
        match error.kind() {
            ErrorKind::Conflict => self.tell(&Event::Conflict { key }),
            kind @ (ErrorKind::NotFound | ErrorKind::AlreadyExists) => self.tell(&Event::Refused { key, kind }),
            _ => {}
        }
    }
}

fn never<T>(_: &T) -> bool {
    false
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: SessionStore> SessionStore for Observed<S> {
    async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
        let mut operation = self.operation("get");
        let answer = self.store.get(key).await;
        if let Ok(Some(record)) = &answer {
            operation.moved(record.data.len());
        }
        operation.end(&answer, Option::is_none);
        answer
    }

    async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
        let mut operation = self.operation("set");
        let answer = self.store.set(key, write, mode).await;
        if answer.is_ok() {
            operation.moved(write.data().len());
        }
        operation.end(&answer, never);
        match (&answer, mode, write.owner()) {
            (Ok(_), SetMode::Create, Owner::User(user)) => self.tell(&Event::LoggedIn { key, user }),
            (Ok(_), SetMode::Create, _) => self.tell(&Event::Created { key }),
            (Ok(_), ..) => {}
            (Err(error), ..) => self.tell_refusal(key, error),
        }
        answer
    }

    async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
        let operation = self.operation("touch");
        let answer = self.store.touch(key, idle).await;
        operation.end(&answer, |live| !live);
        answer
    }

    async fn destroy(&self, key: &SessionKey) -> Result<bool> {
        let why = WHY.try_with(|why| *why).unwrap_or(Why::Ended(Cause::Destroyed));
        let operation = self.operation("destroy");
        let answer = self.store.destroy(key).await;
        operation.end(&answer, |live| !live);
        if let Ok(true) = answer {
            self.tell(&match why {
                Why::Ended(cause) => Event::Ended { key, cause },
                Why::LimitReached => Event::Refused { key, kind: ErrorKind::LimitReached },
            });
        }
        answer
    }

    async fn rotate(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        write: &Write,
        expected: Option<Version>,
    ) -> Result<Version> {
        let mut operation = self.operation("rotate");
        let answer = self.store.rotate(from, to, write, expected).await;
        if answer.is_ok() {
            operation.moved(write.data().len());
        }
        operation.end(&answer, never);
        match &answer {
            Ok(_) => self.tell(&Event::Rotated { from, to }),
            Err(error) => self.tell_refusal(error.key().unwrap_or(from), error),
        }
        answer
    }

    async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
        let operation = self.operation("list_by_user");
        let answer = self.store.list_by_user(user, page).await;
        operation.end(&answer, never);
        answer
    }

    async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
        let operation = self.operation("destroy_by_user");
        let answer = self.store.destroy_by_user(user, except).await;
        operation.end(&answer, never);
        if let Ok(count @ 1..) = answer {
            self.tell(&Event::EndedAll { user, except, count });
        }
        answer
    }

    async fn prune(&self, limit: u32) -> Result<Pruned> {
        let operation = self.operation("prune");
        let answer = self.store.prune(limit).await;
        operation.end(&answer, never);
        if let Ok(Pruned { removed: count @ 1.., .. }) = answer {
            self.tell(&Event::Pruned { count });
        }
        answer
    }

    async fn count(&self) -> Result<u64> {
        let operation = self.operation("count");
        let answer = self.store.count().await;
        operation.end(&answer, never);
        answer
    }

    async fn clear(&self) -> Result<u64> {
        let operation = self.operation("clear");
        let answer = self.store.clear().await;
        operation.end(&answer, never);
        if let Ok(count @ 1..) = answer {
            self.tell(&Event::Cleared { count });
        }
        answer
    }

    async fn ping(&self) -> Result<()> {
        let operation = self.operation("ping");
        let answer = self.store.ping().await;
        operation.end(&answer, never);
        answer
    }
}
