//! The one list of cases.

use crate::Case;

/// Names each case after its clause and its function.
macro_rules! cases {
    ($($clause:literal: $($name:ident $(needs $($need:ident)+)?),+;)+) => {
        pub(super) const CASES: &[crate::Case] = &[$($(crate::Case {
            name: concat!($clause, "/", stringify!($name)),
            needs: &[$($(crate::Capability::$need),+)?],
            run: |context| Box::pin($name(context)),
        }),+),+];
    };
}

mod close;
mod corrupt;
mod destroy;
mod destroy_if;
mod dropped;
mod errors;
mod get;
mod hot_sessions;
mod if_changed;
mod import;
mod in_flight;
mod input;
mod list;
mod namespaces;
mod owner;
mod placement;
mod prune;
mod races;
mod revoke;
mod rotate;
mod scan;
mod set;
mod size;
mod sweep;
mod times;
mod touch;
mod upsert;
mod users;

/// Every case of the suite, in the contract's order within each topic.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        get::CASES,
        if_changed::CASES,
        set::CASES,
        times::CASES,
        owner::CASES,
        upsert::CASES,
        touch::CASES,
        destroy::CASES,
        in_flight::CASES,
        destroy_if::CASES,
        import::CASES,
        rotate::CASES,
        placement::CASES,
        list::CASES,
        users::CASES,
        revoke::CASES,
        prune::CASES,
        sweep::CASES,
        scan::CASES,
        close::CASES,
        namespaces::CASES,
        races::CASES,
        dropped::CASES,
        hot_sessions::CASES,
        input::CASES,
        errors::CASES,
        size::CASES,
        corrupt::CASES,
    ]
    .into_iter()
    .flatten()
}
