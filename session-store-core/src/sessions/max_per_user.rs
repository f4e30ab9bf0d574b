//! How many sessions a user may have, as a setting.

/// What becomes of a login of a user who has as many sessions as there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MaxPerUser {
    /// The oldest end, until so many are left; of logins at once, the newest stay.
    EndOldest(u32),
    /// The login is refused: `LimitReached`. Of logins at once, as many succeed as there is room for, and a login that has
    /// succeeded is never undone by another.
    Refuse(u32),
}

impl MaxPerUser {
    pub(super) const fn count(self) -> usize {
        match self {
            Self::EndOldest(count) | Self::Refuse(count) => count as usize,
        }
    }
}
