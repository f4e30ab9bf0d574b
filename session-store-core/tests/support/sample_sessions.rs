//! Sessions as an application has them: small and alike.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Session {
    name: String,
    email: String,
    roles: Vec<String>,
    visits: u32,
    last_page: Option<String>,
}

pub(crate) fn session(n: u32) -> Session {
    Session {
        name: format!("user number {n}"),
        email: format!("user-{n}@example.com"),
        roles: ["reader", "writer", "moderator"].iter().take(1 + n as usize % 3).map(ToString::to_string).collect(),
        visits: n * 7 % 1000,
        last_page: n.is_multiple_of(2).then(|| format!("/articles/{}/comments?sort=newest", n * 7919 % 10_007)),
    }
}

#[cfg(feature = "compression")]
pub(crate) fn sessions(numbers: std::ops::Range<u32>) -> Vec<Session> {
    numbers.map(session).collect()
}
