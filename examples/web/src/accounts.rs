//! The users of the demo. A real application has them in a database.

use session_store::UserId;

pub(crate) struct Account {
    pub(crate) name: &'static str,
    /// A real one has nothing but the hash.
    pub(crate) password: &'static str,
    /// Argon2id, with the parameters that OWASP gives first.
    pub(crate) hash: &'static str,
    is_admin: bool,
}

pub(crate) const ACCOUNTS: [Account; 3] = [
    Account {
        name: "ann",
        password: "apple-tree",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$kooYVxaRzlu7uXDzTnI5DA$cXB/8o8XqtyQ5jq/e1TRuyDTD/md8aqwnB0ugGNnHZA",
        is_admin: false,
    },
    Account {
        name: "ben",
        password: "blue-bicycle",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$9yWwXyLGQhpczSPV44dm4A$TFuX1ijhsHhfO4iGIQaes3THUP+GnsbWJHcYs5g2BsI",
        is_admin: false,
    },
    Account {
        name: "root",
        password: "red-lighthouse",
        hash: "$argon2id$v=19$m=19456,t=2,p=1$itS4Db8yaA1fnsX6wU7sBQ$/zdNaPUiCBtfqv/ZpmYtMEps8jFZ7kyeD3L0wZKMuYU",
        is_admin: true,
    },
];

/// Of a password that nobody knows: a name that does not exist takes as long as one that does.
pub(crate) const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$JBAqpGCDNeL5im5c9YJZTw$bPlvAxwg1l9Fj5nvQF8p2YFWhQia/owNSrISNKTuVYs";

pub(crate) fn named(name: &str) -> Option<&'static Account> {
    ACCOUNTS.iter().find(|account| account.name == name)
}

pub(crate) fn is_admin(user: &UserId) -> bool {
    named(user.as_str()).is_some_and(|account| account.is_admin)
}
