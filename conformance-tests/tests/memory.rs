//! The suite over the memory store.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use conformance_tests::{Harness, async_trait};
use session_store_core::{Bytes, Meta, Namespace, Result, SessionKey, SessionStore, Timestamp, UserId, Version};
use session_store_memory::MemoryStore;

/// A namespace of this store is an instance, so the harness keeps the instances by name.
#[derive(Default)]
struct Memory(Mutex<HashMap<Namespace, MemoryStore>>);

impl Memory {
    fn instance(&self, namespace: &str) -> Result<MemoryStore> {
        let mut instances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(instances.entry(Namespace::new(namespace)?).or_default().clone())
    }
}

#[async_trait]
impl Harness for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn server(&self) -> Result<Option<String>> {
        Ok(Some("embedded".to_owned()))
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        Ok(Arc::new(self.instance(namespace)?))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let store = self.instance(namespace)?;
        Ok([Arc::new(store.clone()), Arc::new(store)])
    }

    fn handles_are_one_store(&self) -> bool {
        true
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&Namespace::new(namespace)?);
        Ok(())
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, user: &UserId) -> Result<()> {
        let at = Timestamp::from_millis;
        // It expires after its deadline, which no write or touch leaves behind.
        let meta = Meta {
            user: Some(user.clone()),
            created_at: at(0),
            last_seen_at: at(0),
            expires_at: at(i64::MAX),
            deadline: at(i64::MAX - 1),
            version: Version::generate()?,
        };
        self.instance(namespace)?.plant(*key, meta, Bytes::new());
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        Ok(self.instance(namespace)?.stored() as u64)
    }
}

fn main() -> ExitCode {
    conformance_tests::run(vec![Arc::new(Memory::default())])
}
