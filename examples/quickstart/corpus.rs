//! The sessions that the program begins with.

use serde::Deserialize;

use crate::check::Result;
use crate::session::Session;

/// One session a line, each with the ID from its cookie, as express-session keeps them.
const LINES: &str = include_str!("../data/express-sessions.jsonl");

#[derive(Deserialize)]
struct Line {
    session: Session,
}

pub(crate) fn sessions() -> Result<Vec<Session>> {
    LINES.lines().map(|line| Ok(serde_json::from_str::<Line>(line)?.session)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// So that the sizes are compared on whole sessions.
    #[test]
    fn the_struct_drops_nothing_and_adds_nothing() {
        for (line, session) in LINES.lines().zip(sessions().unwrap()) {
            let original = &serde_json::from_str::<Value>(line).unwrap()["session"];
            assert_eq!(serde_json::to_value(&session).unwrap(), *original);
            assert_eq!(serde_json::to_vec(&session).unwrap().len(), serde_json::to_vec(original).unwrap().len());
        }
    }

    #[test]
    fn there_are_users_of_several_sessions_and_anonymous_visitors() {
        let sessions = sessions().unwrap();
        let of = |user| sessions.iter().filter(|session| session.user_id == user).count();
        assert_eq!((sessions.len(), of(Some(1735)), of(None)), (200, 7, 57));
    }
}
