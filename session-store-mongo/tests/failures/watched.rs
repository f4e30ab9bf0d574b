//! A client that notes what it sends.

use std::mem;
use std::sync::{Arc, Mutex};

use session_store_mongo::mongodb::Client;
use session_store_mongo::mongodb::bson::Document;
use session_store_mongo::mongodb::event::EventHandler;
use session_store_mongo::mongodb::event::command::CommandEvent;
use session_store_mongo::mongodb::options::ClientOptions;

pub(crate) struct Watched {
    pub(crate) client: Client,
    sent: Arc<Mutex<Vec<Document>>>,
}

impl Watched {
    pub(crate) async fn new(url: &str) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&sent);
        let note = move |event| {
            if let CommandEvent::Started(started) = event {
                notes.lock().unwrap().push(started.command);
            }
        };
        let mut options = ClientOptions::parse(url).await.unwrap();
        options.command_event_handler = Some(EventHandler::callback(note));
        Self { client: Client::with_options(options).unwrap(), sent }
    }

    /// The commands since the last time.
    pub(crate) fn sent(&self) -> Vec<Document> {
        mem::take(&mut *self.sent.lock().unwrap())
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sent().into_iter().map(|command| command.keys().next().unwrap().clone()).collect()
    }
}
