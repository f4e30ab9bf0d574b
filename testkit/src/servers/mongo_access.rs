//! Who may do what on a MongoDB server.

use mongodb::bson::{Document, doc};
use mongodb::options::Credential;
use session_store_core::Result;

use super::MongoServer;

/// The tests' own user.
const ROOT: &str = "root";
const PASSWORD: &str = "session-store-test";

impl MongoServer {
    /// A server, as of [`start`](Self::start), that lets nobody do anything without a password. Its
    /// [`client`](Self::client), and what it is told to [`run`](Self::run), are root's.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with_authorization(options: &[&str]) -> Result<Self> {
        let mut server = Self::start(&[&["--auth"], options].concat()).await?;
        // The server takes this one command from anybody on its own machine.
        server.run("admin", doc! { "createUser": ROOT, "pwd": PASSWORD, "roles": [ROOT] }).await?;
        server.set_root(Credential::builder().username(ROOT.to_owned()).password(PASSWORD.to_owned()).build());
        Ok(server)
    }

    /// A user, known in the database `admin`, who has these privileges and no others, by a role of the same name:
    /// `vec![doc! { "resource": { "db": "app", "collection": "" }, "actions": ["find", "insert"] }]`.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the server does not do it.
    pub async fn create_user(&self, user: &str, password: &str, privileges: Vec<Document>) -> Result<()> {
        self.run("admin", doc! { "createRole": user, "privileges": privileges, "roles": [] }).await?;
        self.run("admin", doc! { "createUser": user, "pwd": password, "roles": [user] }).await?;
        Ok(())
    }

    /// [`url`](Self::url) with a user and its password, as they stand in a URL.
    #[must_use]
    pub fn url_of(&self, user: &str, password: &str) -> String {
        format!("mongodb://{user}:{password}@{}/?directConnection=true&authSource=admin", self.address())
    }
}
