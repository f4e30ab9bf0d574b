//! Captures the events of an audit.

use std::sync::{Arc, Mutex};

use session_store_core::SessionKey;
use session_store_core::observed::{Audit, Event};

/// An audit that writes down each event, with what it is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct CapturedEvents(Arc<Mutex<Vec<String>>>);

impl CapturedEvents {
    /// Those since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Audit for CapturedEvents {
    fn record(&self, event: &Event<'_>) {
        let about = match event {
            Event::LoggedIn { key, user } => format!("{} {}", user.as_str(), key.to_text()),
            Event::Created { key }
            | Event::Imported { key }
            | Event::Ended { key, .. }
            | Event::Refused { key, .. }
            | Event::Conflict { key } => key.to_text(),
            Event::Rotated { from, to } => format!("{} {}", from.to_text(), to.to_text()),
            Event::EndedAll { user, except, .. } => {
                format!("{} {}", user.as_str(), except.map_or_else(String::new, SessionKey::to_text))
            }
            _ => String::new(),
        };
        let note = format!("{} {} {} {about}", event.name(), event.reason(), event.count());
        self.0.lock().unwrap().push(note.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}
