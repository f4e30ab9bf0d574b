//! Old and new databases.

/// Which release of a database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Release {
    /// A current one.
    Current,
    /// The oldest that the stores support, or the nearest to it.
    Old,
}
