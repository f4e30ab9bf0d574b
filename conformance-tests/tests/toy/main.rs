//! The suite over a store that a stranger wrote on `Backend`: as it is, with one change per key, and with failures.

mod backend;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use conformance_tests::{Harness, async_trait};
use session_store_core::backend::{Store, StoreOptions};
use session_store_core::{Namespace, Result, SessionKey, SessionStore, UserId};

use crate::backend::{Faults, Rows, Toy, row_key};

/// A database with a map for each namespace.
#[derive(Default)]
struct Database<const ONE: bool> {
    name: &'static str,
    faults: Option<Arc<Faults>>,
    maps: Mutex<HashMap<Namespace, Arc<Mutex<Rows>>>>,
}

impl<const ONE: bool> Database<ONE> {
    fn map(&self, namespace: &str) -> Result<Arc<Mutex<Rows>>> {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(maps.entry(Namespace::new(namespace)?).or_default()))
    }
}

#[async_trait]
impl<const ONE: bool> Harness for Database<ONE> {
    fn name(&self) -> &str {
        self.name
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        let [store, _] = self.open_with_two_handles(namespace).await?;
        Ok(store)
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let toy = Toy::<ONE> { rows: self.map(namespace)?, faults: self.faults.clone() };
        let store = Store::new(toy, StoreOptions::default());
        Ok([Arc::new(store.clone()), Arc::new(store)])
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner).remove(&Namespace::new(namespace)?);
        Ok(())
    }

    /// Plants one of four kinds of bytes, which depends on the key.
    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        // The last one is a record whose times are all the same, which no write leaves behind.
        let kinds = [vec![], vec![1; 20], vec![0xff; 60], [vec![1], vec![0; 49]].concat()];
        let bytes = kinds.into_iter().nth(usize::from(key.as_bytes()[0] % 4)).unwrap_or_default();
        self.map(namespace)?.lock().unwrap_or_else(PoisonError::into_inner).insert(row_key(key), bytes);
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        Ok(self.map(namespace)?.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }
}

fn main() -> ExitCode {
    conformance_tests::run(vec![
        Arc::new(Database::<false> { name: "toy", ..Default::default() }),
        Arc::new(Database::<true> { name: "toy, one change per key", ..Default::default() }),
        Arc::new(Database::<false> { name: "toy, with failures", faults: Some(Arc::default()), ..Default::default() }),
    ])
}
