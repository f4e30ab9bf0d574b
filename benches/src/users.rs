//! What is done to many sessions at once, which but for the removal of what has expired only the stores of this project can.

use std::sync::Arc;
use std::time::Instant;

use session_store_core::SessionStore;

use crate::measure::Subject;
use crate::meter::Meter;
use crate::ours::{self, ListByUser, Ours, Users};
use crate::report::{Report, Table};
use crate::result::Result;
use crate::suite;

/// How many sessions a user has.
const SESSIONS: [usize; 3] = [1, 10, 100];
/// How many users there are of each kind.
const USERS: usize = 200;
/// How many sessions expire, and how long they live: until all are there.
pub(crate) const PRUNED: usize = 100_000;

/// A peer, and how many seconds it takes to remove as many that have expired.
pub(crate) type PeersPrune = (&'static str, f64);

pub(crate) async fn measure<S: SessionStore + 'static>(
    report: &mut Report,
    meter: &Meter,
    tasks: usize,
    ours: &Arc<Ours<S>>,
    peer: Option<PeersPrune>,
) -> Result {
    let mut lists = Vec::new();
    for sessions in SESSIONS {
        let users = Users::fill(ours, USERS, sessions).await?;
        lists.push(Subject::new(format!("{sessions} sessions"), tasks, ListByUser(users)));
    }
    suite::compare_subjects(report, meter, "list_by_user", tasks, lists).await?;
    let mut rows = Vec::new();
    for sessions in SESSIONS {
        eprintln!("{}: destroy_by_user, {sessions} sessions", report.database);
        let rate = ours::destroy_by_user(ours, USERS, sessions).await?;
        rows.push(vec![format!("destroy_by_user, {sessions} sessions"), format!("{rate:.0} users a second")]);
    }
    eprintln!("{}: prune of {PRUNED}", report.database);
    let begin = Instant::now();
    let (seconds, removed) = ours::prune(ours, PRUNED).await?;
    eprintln!("{}: pruned; {:.0} s with the filling", report.database, begin.elapsed().as_secs_f64());
    let what = format!("prune of {PRUNED} that have expired, 1,000 at a time");
    rows.push(vec![what, format!("{seconds:.1} s, in which it removed {removed}")]);
    if let Some((name, seconds)) = peer {
        rows.push(vec![format!("delete_expired of {PRUNED} by {name}, all at once"), format!("{seconds:.1} s")]);
    }
    report.tables.push(Table {
        title: "Many sessions at once".to_owned(),
        heads: vec![String::new(), String::new()],
        rows,
    });
    Ok(())
}
