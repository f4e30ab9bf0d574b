//! The sessions that the program begins with.

use serde::Deserialize;
use session_store_core::{SessionId, UserId};

use crate::check::Result;
use crate::session::Session;
use crate::shop::Visitor;

/// One session a line, each with the ID from its cookie, as express-session keeps them.
const LINES: &str = include_str!("../data/express-sessions.jsonl");

#[derive(Deserialize)]
struct Line {
    sid: String,
    session: Session,
}

/// A visitor for each session, anonymous ones among them.
pub(crate) fn visitors() -> Result<Vec<Visitor>> {
    LINES.lines().map(visitor).collect()
}

fn visitor(line: &str) -> Result<Visitor> {
    let Line { sid, session } = serde_json::from_str(line)?;
    let id: SessionId = sid.parse()?;
    let user = session.user_id.map(|number| UserId::new(number.to_string())).transpose()?;
    Ok(Visitor { id, user, session })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// So that the sizes are compared on whole sessions.
    #[test]
    fn the_struct_drops_nothing_and_adds_nothing() {
        for line in LINES.lines() {
            let original = &serde_json::from_str::<Value>(line).unwrap()["session"];
            let session = visitor(line).unwrap().session;
            assert_eq!(serde_json::to_value(&session).unwrap(), *original);
            assert_eq!(serde_json::to_vec(&session).unwrap().len(), serde_json::to_vec(original).unwrap().len());
        }
    }

    #[test]
    fn there_are_users_of_several_sessions_and_anonymous_visitors() {
        let visitors = visitors().unwrap();
        let of = |user: &str| visitors.iter().filter(|v| v.user.as_ref().is_some_and(|u| u.as_str() == user)).count();
        assert_eq!(visitors.len(), 200);
        assert_eq!(of("1735"), 7);
        assert_eq!(visitors.iter().filter(|visitor| visitor.user.is_none()).count(), 57);
    }
}
