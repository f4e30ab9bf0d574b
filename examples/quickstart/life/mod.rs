//! The life of the sessions, step by step. Each step checks what it claims.

mod ends;
mod logins;
mod requests;

use std::time::{Duration, Instant};

use session_store_core::SessionStore;
use session_store_core::codec::Codec;

use crate::check::Result;
use crate::shop::{Shop, Visitor};

/// One line of the report.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) took: Duration,
    pub(crate) shows: String,
}

impl Step {
    /// A step that began at `start` and ends here; what follows is checked outside its time.
    fn since(start: Instant, name: &'static str, count: usize) -> Self {
        Self { name, count, took: start.elapsed(), shows: String::new() }
    }

    fn shows(self, shows: impl Into<String>) -> Self {
        Self { shows: shows.into(), ..self }
    }
}

/// All steps, on a store that is empty before and afterwards.
pub(crate) async fn live(store: &dyn SessionStore, mut visitors: Vec<Visitor>) -> Result<Vec<Step>> {
    let shop = Shop { store, codec: Codec::new() };
    let mut steps = vec![
        requests::create(&shop, &visitors).await?,
        requests::read(&shop, &visitors).await?,
        requests::touch(&shop, &visitors).await?,
        requests::update(&shop, &mut visitors).await?,
        requests::conflict(&shop, &mut visitors).await?,
        logins::list(&shop, &visitors).await?,
    ];
    steps.push(logins::log_in(&shop, &mut visitors).await?);
    steps.push(logins::end_others(&shop, &mut visitors).await?);
    steps.extend(ends::log_out(&shop, &mut visitors).await?);
    steps.extend(ends::expire(&shop, visitors.len()).await?);
    steps.push(ends::clear(&shop, visitors.len()).await?);
    Ok(steps)
}
