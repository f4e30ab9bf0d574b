//! The PostgreSQL store beside the stores of tower-sessions and `axum_session`, and beside bare statements.
//!
//! All are on one server, each store with a table of its own and a pool of the same size. The others decode what they load
//! into a map, and encode what they save, as they always do; the store here has bytes, and `Sessions<T>` over it decodes
//! them into a struct. Each does what its own documentation has one do: the others have sqlx's usual pool, which asks a
//! connection whether it is alive before each use. Their save is one statement that knows no version, no owner and no
//! creation time.

mod bare;
mod server;

use std::sync::Arc;

use session_store_postgres::PostgresStore;

use self::bare::{Bare, ManyGets, Own};
use self::server::Server;
use crate::axum::AxumSession;
use crate::corpus;
use crate::costs;
use crate::measure::Subject;
use crate::ours::Ours;
use crate::report::{Report, Want};
use crate::result::Result;
use crate::store::{Contender, Entrant, Workload};
use crate::suite::{self, SESSIONS_T};
use crate::tower::TowerSessions;
use crate::typed::Typed;
use crate::users;

const OURS: &str = "session-store-postgres";
const TOWER: &str = "tower-sessions-sqlx-store";
const AXUM: &str = "axum_session_sqlx";
const STATEMENT: &str = "bare SELECT, INSERT ON CONFLICT";
const OWN: &str = "the store's own statements, bare";
const ANY: &str = "bare SELECT of 64 by ANY";
const TABLE: &str = "ours";
const TASKS: usize = 256;
const POOL: u32 = 16;
const SESSIONS: usize = 50_000;

pub(crate) async fn run() -> Result<Report> {
    let server = Server::start().await?;
    let meter = &server.meter();
    let title = "PostgreSQL: session-store-postgres beside others";
    let mut report = Report::new("postgres", title, format!("{}, pools of {POOL}", server.release().await?))?;
    let sessions = corpus::sessions()?;
    eprintln!("postgres: filling the stores with {SESSIONS} sessions each");
    let store = |table: &str| PostgresStore::builder(server.url()).table(table).connections(POOL).migrate().build();
    let filled = Ours::fill(store(TABLE).await?, &sessions, SESSIONS);
    let (our_bytes, ours) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = Typed::fill(Arc::new(store("typed").await?), SESSIONS);
    let (typed_bytes, typed) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = TowerSessions::fill(server.tower("tower").await?, &sessions, SESSIONS);
    let (tower_bytes, tower) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = AxumSession::fill(server.axum().await?, "axum", &sessions, SESSIONS);
    let (axum_bytes, axum) = costs::each_costs(&server, SESSIONS, filled).await?;
    let bare = Bare::fill(&server, &sessions, &ours).await?;
    let own = Arc::new(Own(Arc::clone(&bare)));

    let (our_entrant, typed_entrant) = (Contender::boxed(OURS, &ours), Contender::boxed(SESSIONS_T, &typed));
    let peers = [Contender::boxed(TOWER, &tower), Contender::boxed(AXUM, &axum)];
    let limit = Contender::boxed(STATEMENT, &bare);
    let [tower_entrant, axum_entrant] = &peers;
    let all: [&dyn Entrant; 5] = [&*our_entrant, &*typed_entrant, &**tower_entrant, &**axum_entrant, &*limit];
    for workload in Workload::COMPARED {
        let bare = (workload == Workload::Load).then(|| Subject::new(ANY, 4, ManyGets(Arc::clone(&bare))));
        suite::compare_with(&mut report, meter, workload, TASKS, &all, bare).await?;
    }
    // Of its own, because the server may keep other plans where there were many sessions in a statement.
    let alone = Contender::boxed(OURS, &ours.through(store(TABLE).await?));
    let one: [&dyn Entrant; 4] = [&*alone, &**tower_entrant, &*limit, &*Contender::boxed(OWN, &own)];
    for workload in [Workload::Load, Workload::Save] {
        suite::compare(&mut report, meter, workload, 1, &one).await?;
    }
    let few: [&dyn Entrant; 4] = [&*our_entrant, &*typed_entrant, &**tower_entrant, &*limit];
    suite::by_tasks(&mut report, meter, TASKS, &few).await?;
    for (data, table, bytes) in suite::DATA {
        let sized = corpus::sized(bytes)?;
        let ours = Ours::fill(store(table).await?, &sized, suite::OF_DATA).await?;
        let tower = TowerSessions::fill(server.tower(&format!("tower_{table}")).await?, &sized, suite::OF_DATA).await?;
        let entrants = [Contender::boxed(OURS, &ours), Contender::boxed(TOWER, &tower)];
        suite::with_data(&mut report, meter, data, TASKS, &entrants.each_ref().map(|entrant| &**entrant)).await?;
    }
    eprintln!("postgres: prune of {TOWER}");
    let pruned = (TOWER, tower.prune().await?);
    users::measure(&mut report, meter, TASKS, &ours, Some(pruned)).await?;
    report.tables.push(costs::table(
        "Bytes of tables and indexes per session",
        &[(OURS, our_bytes), (SESSIONS_T, typed_bytes), (TOWER, tower_bytes), (AXUM, axum_bytes)],
    ));
    let log = server.log();
    let touches = [(OURS, costs::of_touch(&log, &ours).await?), (TOWER, costs::of_touch(&log, &tower).await?)];
    report.tables.push(costs::table("Bytes that a touch writes, into the write-ahead log", &touches));

    let grown = suite::grown(&report, &sessions, store).await?;
    // As autovacuum does sooner or later: else the first reads of a page write it.
    server.execute("VACUUM ANALYZE".to_owned()).await?;
    suite::by_size(&mut report, meter, TASKS, &grown).await?;

    report.want_speed(Workload::Load, TASKS, [OURS, TOWER], Want::AtLeast(10.0))?;
    report.want_speed(Workload::Save, TASKS, [OURS, TOWER], Want::AtLeast(8.0))?;
    report.want_speed(Workload::Mix, TASKS, [OURS, TOWER], Want::AtLeast(8.0))?;
    report.want_wait(Workload::Load, [OURS, STATEMENT], Want::AtMost(1.15))?;
    report.want_wait(Workload::Save, [OURS, STATEMENT], Want::AtMost(1.15))?;
    costs::want_flat(&mut report, 1.2);
    Ok(report)
}
