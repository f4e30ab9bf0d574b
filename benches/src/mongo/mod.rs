//! The MongoDB store beside the store of tower-sessions, and beside the bare driver.
//!
//! All are on one server, each store with a database of its own and a pool of the same size. Every write, the peer's as
//! well, is acknowledged when a majority has it in its journal, as is the rule of session-store-mongo. The peer decodes
//! what it loads into a map, and encodes what it saves, as it always does; the store here has bytes, and `Sessions<T>` over
//! it decodes them into a struct. The peer's save is one command that knows no version, no owner and no creation time.

mod bare;
mod server;
mod tower;

use std::sync::Arc;

use session_store_mongo::MongoStore;

use self::bare::{Bare, ManyGets, ManySaves, Plain};
use self::server::Server;
use self::tower::Tower;
use crate::corpus;
use crate::costs;
use crate::measure::Subject;
use crate::ours::Ours;
use crate::report::{Report, Want};
use crate::result::Result;
use crate::store::{Contender, Entrant, Workload};
use crate::suite::{self, SESSIONS_T};
use crate::typed::Typed;
use crate::users;

const OURS: &str = "session-store-mongo";
const TOWER: &str = "tower-sessions-mongodb-store";
const LIVE: &str = "bare find_one, update_one, if live";
const PLAIN: &str = "bare find_one, update_one";
const IN: &str = "bare find of 64 by $in";
const BULK: &str = "bare update of 64, if live";
const TASKS: usize = 256;
const POOL: u32 = 16;
const SESSIONS: usize = 50_000;

pub(crate) async fn run() -> Result<Report> {
    let server = Server::start().await?;
    let meter = &server.meter();
    let title = "MongoDB: session-store-mongo beside another";
    let mut report = Report::new("mongo", title, format!("{}; pools of {POOL}", server.release().await?))?;
    let sessions = corpus::sessions()?;
    eprintln!("mongo: filling the stores with {SESSIONS} sessions each");
    let store = |name: &str| MongoStore::builder(server.database(name)).connections(POOL).ensure_indexes().build();
    let filled = Ours::fill(store("ours").await?, &sessions, SESSIONS);
    let (our_bytes, ours) = costs::each_costs(&server.size("ours"), SESSIONS, filled).await?;
    let filled = Typed::fill(Arc::new(store("typed").await?), SESSIONS);
    let (typed_bytes, typed) = costs::each_costs(&server.size("typed"), SESSIONS, filled).await?;
    let filled = Tower::fill(&server, "tower", &sessions, SESSIONS);
    let (tower_bytes, tower) = costs::each_costs(&server.size("tower"), SESSIONS, filled).await?;
    let bare = Bare::fill(&server.database("ours"), &sessions, &ours).await?;
    let plain = Arc::new(Plain(Arc::clone(&bare)));

    let (our_entrant, typed_entrant) = (Contender::boxed(OURS, &ours), Contender::boxed(SESSIONS_T, &typed));
    let (peer, limit) = (Contender::boxed(TOWER, &tower), Contender::boxed(LIVE, &bare));
    let all: [&dyn Entrant; 4] = [&*our_entrant, &*typed_entrant, &*peer, &*limit];
    for workload in Workload::COMPARED {
        let bare = match workload {
            Workload::Load => Some(Subject::new(IN, 4, ManyGets(Arc::clone(&bare)))),
            Workload::Save => {
                let bulk = ManySaves { bare: Arc::clone(&bare), database: server.database("ours") };
                Some(Subject::new(BULK, 4, bulk))
            }
            _ => None,
        };
        suite::compare_with(&mut report, meter, workload, TASKS, &all, bare).await?;
    }
    let one: [&dyn Entrant; 4] = [&*our_entrant, &*peer, &*limit, &*Contender::boxed(PLAIN, &plain)];
    for workload in [Workload::Load, Workload::Save] {
        suite::compare(&mut report, meter, workload, 1, &one).await?;
    }
    suite::by_tasks(&mut report, meter, TASKS, &all).await?;
    for (data, name, bytes) in suite::DATA {
        let sized = corpus::sized(bytes)?;
        let ours = Ours::fill(store(name).await?, &sized, suite::OF_DATA).await?;
        let tower = Tower::fill(&server, &format!("tower_{name}"), &sized, suite::OF_DATA).await?;
        let entrants = [Contender::boxed(OURS, &ours), Contender::boxed(TOWER, &tower)];
        suite::with_data(&mut report, meter, data, TASKS, &entrants.each_ref().map(|entrant| &**entrant)).await?;
    }
    eprintln!("mongo: prune of {TOWER}");
    let pruned = (TOWER, tower.prune().await?);
    users::measure(&mut report, meter, TASKS, &ours, Some(pruned)).await?;
    report.tables.push(costs::table(
        "Bytes of files and indexes per session",
        &[(OURS, our_bytes), (SESSIONS_T, typed_bytes), (TOWER, tower_bytes)],
    ));
    let log = server.log();
    let touches = [(OURS, costs::of_touch(&log, &ours).await?), (TOWER, costs::of_touch(&log, &tower).await?)];
    report.tables.push(costs::table("Bytes that a touch writes, into the journal", &touches));

    let grown = suite::grown(&report, &sessions, store).await?;
    suite::by_size(&mut report, meter, TASKS, &grown).await?;

    report.want_speed(Workload::Load, TASKS, [OURS, TOWER], Want::AtLeast(10.0))?;
    report.want_speed(Workload::Save, TASKS, [OURS, TOWER], Want::AtLeast(5.0))?;
    report.want_speed(Workload::Save, TASKS, [OURS, BULK], Want::AtLeast(0.8))?;
    report.want_speed(Workload::Mix, TASKS, [OURS, TOWER], Want::AtLeast(6.0))?;
    costs::want_flat(&mut report, 1.2);
    Ok(report)
}
