//! A store behind a pointer is a store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Entry, IfChanged, Page, Pruned, Record, Result, ScanCursor, ScanPage, SessionKey, SessionStore, SetMode, UserId,
    Version, Write,
};

macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: SessionStore + ?Sized> SessionStore for $pointer<S> {
            async fn get(&self, key: &SessionKey) -> Result<Option<Record>> {
                (**self).get(key).await
            }

            async fn get_if_changed(&self, key: &SessionKey, version: Version) -> Result<IfChanged> {
                (**self).get_if_changed(key, version).await
            }

            async fn set(&self, key: &SessionKey, write: &Write, mode: SetMode) -> Result<Version> {
                (**self).set(key, write, mode).await
            }

            async fn touch(&self, key: &SessionKey, idle: Duration) -> Result<bool> {
                (**self).touch(key, idle).await
            }

            async fn destroy(&self, key: &SessionKey) -> Result<bool> {
                (**self).destroy(key).await
            }

            async fn destroy_if(&self, key: &SessionKey, version: Version) -> Result<bool> {
                (**self).destroy_if(key, version).await
            }

            async fn import(&self, key: &SessionKey, record: &Record) -> Result<Option<Version>> {
                (**self).import(key, record).await
            }

            async fn rotate(
                &self,
                from: &SessionKey,
                to: &SessionKey,
                write: &Write,
                expected: Option<Version>,
            ) -> Result<Version> {
                (**self).rotate(from, to, write, expected).await
            }

            fn placement(&self, key: &SessionKey) -> u16 {
                (**self).placement(key)
            }

            async fn list_by_user(&self, user: &UserId, page: &Page) -> Result<Vec<Entry>> {
                (**self).list_by_user(user, page).await
            }

            async fn destroy_by_user(&self, user: &UserId, except: Option<&SessionKey>) -> Result<u64> {
                (**self).destroy_by_user(user, except).await
            }

            async fn prune(&self, limit: u32) -> Result<Pruned> {
                (**self).prune(limit).await
            }

            async fn count(&self) -> Result<u64> {
                (**self).count().await
            }

            async fn clear(&self) -> Result<u64> {
                (**self).clear().await
            }

            async fn scan(&self, cursor: Option<&ScanCursor>, limit: u32) -> Result<ScanPage> {
                (**self).scan(cursor, limit).await
            }

            async fn ping(&self) -> Result<()> {
                (**self).ping().await
            }

            async fn close(&self) {
                (**self).close().await;
            }
        }
    };
}

forward!(Arc);
forward!(Box);
