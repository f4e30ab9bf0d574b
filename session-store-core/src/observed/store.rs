//! Every method of the store within, and what is told of it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Cause, Event, Observed, WHY, Why};
use crate::{
    Entry, Error, ErrorKind, IfChanged, Owner, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey,
    SessionStore, SetMode, UserId, Version, Write,
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

    /// Reports a session that was destroyed, or a destroy that was refused.
    fn tell_end(&self, key: &SessionKey, answer: &Result<bool>) {
        let why = WHY.try_with(|why| *why).unwrap_or(Why::Ended(Cause::Destroyed));
        match answer {
            Ok(true) => self.tell(&match why {
                Why::Ended(cause) => Event::Ended { key, cause },
                Why::LimitReached => Event::Refused { key, kind: ErrorKind::LimitReached },
            }),
            Ok(false) => {}
            Err(error) => self.tell_refusal(key, error),
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

    async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
        let mut operation = self.operation("get_if_changed");
        let answer = self.store.get_if_changed(key, version).await;
        match &answer {
            Ok(IfChanged::Changed(record)) => operation.moved(record.data.len()),
            Ok(IfChanged::Unchanged { .. }) => operation.moved(0),
            _ => {}
        }
        operation.end(&answer, |answer| *answer == IfChanged::Gone);
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
        let operation = self.operation("destroy");
        let answer = self.store.destroy(key).await;
        operation.end(&answer, |live| !live);
        self.tell_end(key, &answer);
        answer
    }

    async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
        let operation = self.operation("destroy_if");
        let answer = self.store.destroy_if(key, version).await;
        operation.end(&answer, |live| !live);
        self.tell_end(key, &answer);
        answer
    }

    async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
        let mut operation = self.operation("import");
        let answer = self.store.import(key, record).await;
        if let Ok(Some(_)) = answer {
            operation.moved(record.data.len());
        }
        operation.end(&answer, Option::is_none);
        match &answer {
            Ok(Some(_)) => self.tell(&Event::Imported { key }),
            Ok(None) => {}
            Err(error) => self.tell_refusal(key, error),
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

    fn placement(&self, key: &SessionKey) -> u16 {
        self.store.placement(key)
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

    async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
        let operation = self.operation("scan");
        let answer = self.store.scan(cursor, limit).await;
        operation.end(&answer, never);
        answer
    }

    async fn ping(&self) -> Result<()> {
        let operation = self.operation("ping");
        let answer = self.store.ping().await;
        operation.end(&answer, never);
        answer
    }

    async fn close(&self) {
        let operation = self.operation("close");
        self.store.close().await;
        operation.end(&Ok(()), never);
    }
}
