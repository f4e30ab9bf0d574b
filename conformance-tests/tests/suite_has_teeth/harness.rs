//! The harness of the reference store, whose clock is moved by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conformance_tests::{Capability, Harness, async_trait};
use session_store_core::{Namespace, Result, SessionKey, SessionStore, UserId};

use crate::state::World;
use crate::store::Reference;
use crate::wrong::Fault;

/// All namespaces of one database.
pub(crate) type Worlds = Arc<Mutex<HashMap<String, Arc<World>>>>;

/// A store with a fault, or the reference without one.
pub(crate) struct Marked {
    fault: Option<Fault>,
    lacks: Vec<Capability>,
    worlds: Worlds,
}

impl Marked {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, lacks: Vec::new(), worlds: Worlds::default() }
    }

    /// The same, saying that it lacks something.
    pub(crate) fn lacking(mut self, capability: Capability) -> Self {
        self.lacks.push(capability);
        self
    }

    /// The name under which this store keeps a namespace.
    fn kept_name(&self, namespace: &str) -> Result<String> {
        if self.fault == Some(Fault::NamespacesTakeAnyName) {
            return Ok(namespace.to_owned());
        }
        let name = Namespace::new(namespace)?;
        Ok(match self.fault {
            Some(Fault::NamespacesIgnoreCase) => name.as_str().to_lowercase(),
            Some(Fault::NamespacesAreCutAt30Bytes) => name.as_str().chars().take(30).collect(),
            Some(Fault::NamespacesLoseTheirSymbols) => name.as_str().chars().filter(|c| c.is_alphanumeric()).collect(),
            _ => name.as_str().to_owned(),
        })
    }

    fn world(&self, namespace: &str) -> Result<(String, Arc<World>)> {
        let name = self.kept_name(namespace)?;
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        let world = worlds.entry(name.clone()).or_insert_with(|| Arc::new(World::new(self.fault)));
        Ok((name, Arc::clone(world)))
    }
}

#[async_trait]
impl Harness for Marked {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn lacks(&self) -> &[Capability] {
        &self.lacks
    }

    async fn open(&self, namespace: &str) -> Result<Arc<dyn SessionStore>> {
        let (name, world) = self.world(namespace)?;
        Ok(Arc::new(Reference::new(name, world, Arc::clone(&self.worlds))))
    }

    async fn open_with_two_handles(&self, namespace: &str) -> Result<[Arc<dyn SessionStore>; 2]> {
        let (name, world) = self.world(namespace)?;
        let one = Reference::new(name, world, Arc::clone(&self.worlds));
        let two = one.another_handle();
        Ok([Arc::new(one), Arc::new(two)])
    }

    async fn remove(&self, namespace: &str) -> Result<()> {
        let name = self.kept_name(namespace)?;
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        Ok(())
    }

    async fn pass(&self, namespace: &str, duration: Duration) {
        if let Ok((_, world)) = self.world(namespace) {
            let mut state = world.lock();
            state.now = state.now.saturating_add(duration);
        }
    }

    async fn plant_corrupt(&self, namespace: &str, key: &SessionKey, _user: &UserId) -> Result<()> {
        if let Some(row) = self.world(namespace)?.1.lock().rows.get_mut(key) {
            row.corrupt = true;
        }
        Ok(())
    }

    async fn leftovers(&self, namespace: &str) -> Result<u64> {
        let (_, world) = self.world(namespace)?;
        let state = world.lock();
        Ok((state.rows.len() + state.index.len()) as u64)
    }
}

/// One of the stores panics on purpose; its backtrace would look like a fault of the test.
pub(crate) fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}
