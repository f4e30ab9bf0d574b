//! The users, and how axum-login finds them. An application has them in a database.

use std::fmt;
use std::sync::Arc;

use axum_login::{AuthUser, AuthnBackend};
use password_auth::verify_password;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::task::{JoinError, spawn_blocking};

/// ID, name and Argon2id hash of the password. The hashes are fixed, so that a session that a database keeps is still
/// good when the program is started again.
const USERS: [(u32, &str, &str); 2] = [
    // apple-tree
    (1, "ann", "$argon2id$v=19$m=19456,t=2,p=1$kooYVxaRzlu7uXDzTnI5DA$cXB/8o8XqtyQ5jq/e1TRuyDTD/md8aqwnB0ugGNnHZA"),
    // blue-bicycle
    (2, "ben", "$argon2id$v=19$m=19456,t=2,p=1$9yWwXyLGQhpczSPV44dm4A$TFuX1ijhsHhfO4iGIQaes3THUP+GnsbWJHcYs5g2BsI"),
];

/// Of a password that nobody knows: a name that is not there takes as long as one that is.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$JBAqpGCDNeL5im5c9YJZTw$bPlvAxwg1l9Fj5nvQF8p2YFWhQia/owNSrISNKTuVYs";

pub(crate) type AuthSession = axum_login::AuthSession<Backend>;

/// Cheap to clone, which axum-login does for each request.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    password: &'static str,
    auth_hash: [u8; 32],
}

/// What the login form has in its fields.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) password: String,
    /// The page to go on to.
    #[serde(default)]
    pub(crate) next: String,
}

#[derive(Clone)]
pub(crate) struct Backend {
    users: Arc<[User]>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let user = |(id, name, password): (u32, &'static str, &'static str)| User {
            id,
            name,
            password,
            auth_hash: Sha256::digest(password).into(),
        };
        Self { users: USERS.map(user).into() }
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = Credentials;
    type Error = JoinError;

    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, JoinError> {
        let user = self.users.iter().find(|user| user.name == credentials.name);
        let hash = user.map_or(NOBODY, |user| user.password);
        // It takes a hundredth of a second, in which other requests are not to wait.
        let is_right = spawn_blocking(move || verify_password(credentials.password, hash).is_ok()).await?;
        Ok(user.filter(|_| is_right).cloned())
    }

    async fn get_user(&self, id: &u32) -> Result<Option<User>, JoinError> {
        Ok(self.users.iter().find(|user| user.id == *id).cloned())
    }
}

impl AuthUser for User {
    type Id = u32;

    fn id(&self) -> u32 {
        self.id
    }

    /// Kept in each session, and compared at each request: after a change of the password, none of them is good any
    /// more. It is not the password's hash itself, which has no business in a session.
    fn session_auth_hash(&self) -> &[u8] {
        &self.auth_hash
    }
}

/// axum-login tells it to tracing: without the hashes, then.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}
