//! The Redis store beside bare commands, and beside the stores of tower-sessions, `axum_session` and actix-session.
//!
//! All are on one server, each with sessions of its own. The others decode what they load into a map, and encode what
//! they save, as they always do; the store here has bytes, and `Sessions<T>` over it decodes them into a struct. The bare
//! commands have the store's own bytes. tower-sessions has the pool of its documentation, and so have the others.

mod bare;
mod server;
mod tower;

use session_store_redis::RedisStore;

use self::bare::{Bare, ByScript, ManyGets};
use self::server::Server;
use crate::actix::ActixSession;
use crate::axum::AxumSession;
use crate::corpus;
use crate::costs;
use crate::measure::{Result, Subject};
use crate::ours::Ours;
use crate::report::{Report, Want};
use crate::store::{Contender, Entrant, Workload};
use crate::tower::TowerSessions;
use crate::typed::Typed;
use crate::{suite, users};

const OURS: &str = "session-store-redis";
const SESSIONS_T: &str = "Sessions<T> over it";
const TOWER: &str = "tower-sessions-redis-store";
const AXUM: &str = "axum_session_redispool";
const ACTIX: &str = "actix-session";
const GET: &str = "bare GET, SET PX";
const EVALSHA: &str = "bare EVALSHA of that SET";
const MGET: &str = "bare MGET of 64";
const TASKS: usize = 64;
const SESSIONS: usize = 20_000;
/// How many sessions a large store has, and how such a store is called.
const SIZES: [(usize, &str); 3] = [(10_000, "10 thousand"), (100_000, "100 thousand"), (1_000_000, "1 million")];

pub(crate) async fn run() -> Result<Report> {
    let server = Server::start().await?;
    let meter = &server.meter();
    let title = "Redis: session-store-redis beside others";
    let mut report = Report::new("redis", title, server.release().await?)?;
    let sessions = corpus::sessions()?;
    eprintln!("redis: filling the stores with {SESSIONS} sessions each");
    let store = |prefix: &str| RedisStore::builder(server.url()).prefix(prefix).build();
    let filled = Ours::fill(store("ours").await?, &sessions, SESSIONS);
    let (our_bytes, ours) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = Typed::fill(std::sync::Arc::new(store("typed").await?), SESSIONS);
    let (typed_bytes, typed) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = TowerSessions::fill(tower::connect(&server).await?, &sessions, SESSIONS);
    let (tower_bytes, tower) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = AxumSession::fill(server.axum_pool()?, "axum", &sessions, SESSIONS);
    let (axum_bytes, axum) = costs::each_costs(&server, SESSIONS, filled).await?;
    let filled = ActixSession::fill(server.url(), &sessions, SESSIONS);
    let (actix_bytes, actix) = costs::each_costs(&server, SESSIONS, filled).await?;
    let bare = Bare::fill(&server, &sessions, SESSIONS).await?;
    let script = ByScript::new(&bare).await?;

    let (our_entrant, typed_entrant) = (Contender::boxed(OURS, &ours), Contender::boxed(SESSIONS_T, &typed));
    let peers = [Contender::boxed(TOWER, &tower), Contender::boxed(AXUM, &axum), Contender::boxed(ACTIX, &actix)];
    let limit = Contender::boxed(GET, &bare);
    let mut all: Vec<&dyn Entrant> = vec![&*our_entrant, &*typed_entrant];
    all.extend(peers.iter().map(|peer| &**peer));
    all.push(&*limit);
    for workload in [Workload::Load, Workload::Save, Workload::Create, Workload::Mix] {
        let mut subjects: Vec<Subject> = all.iter().map(|entrant| entrant.subject(workload, TASKS)).collect();
        match workload {
            Workload::Load => subjects.push(Subject::new(MGET, 4, ManyGets::new(&bare))),
            Workload::Save => subjects.push(Contender::boxed(EVALSHA, &script).subject(workload, TASKS)),
            _ => {}
        }
        suite::compare_subjects(&mut report, meter, &workload.to_string(), TASKS, subjects).await?;
    }
    let [tower_entrant, _, _] = &peers;
    let few: [&dyn Entrant; 4] = [&*our_entrant, &*typed_entrant, &**tower_entrant, &*limit];
    for workload in [Workload::Load, Workload::Save] {
        suite::compare(&mut report, meter, workload, 1, &few).await?;
    }
    suite::by_tasks(&mut report, meter, TASKS, &few).await?;
    for (name, bytes) in [("data of 200 bytes", 200), ("data of 32 KiB", 32 * 1_024)] {
        let sized = corpus::sized(bytes)?;
        let ours = Ours::fill(store(name).await?, &sized, 2_000).await?;
        let tower = TowerSessions::fill(tower::connect(&server).await?, &sized, 2_000).await?;
        let entrants = [Contender::boxed(OURS, &ours), Contender::boxed(TOWER, &tower)];
        suite::with_data(&mut report, meter, name, TASKS, &entrants.each_ref().map(|entrant| &**entrant)).await?;
    }
    users::measure(&mut report, meter, TASKS, &ours).await?;

    let mut grown = Vec::new();
    for (count, name) in SIZES {
        eprintln!("redis: filling a store with {count} sessions");
        grown.push((name, Contender::boxed(name, &Ours::fill(store(name).await?, &sessions, count).await?)));
    }
    let sizes: Vec<(&str, &dyn Entrant)> = grown.iter().map(|(name, entrant)| (*name, &**entrant)).collect();
    suite::by_size(&mut report, meter, TASKS, &sizes).await?;

    report.tables.push(costs::table(
        "Bytes of memory per session, in Redis",
        &[(OURS, our_bytes), (SESSIONS_T, typed_bytes), (TOWER, tower_bytes), (AXUM, axum_bytes), (ACTIX, actix_bytes)],
    ));
    let log = server.with_log().await?;
    let touches = [(OURS, costs::of_touch(&log, &ours).await?), (TOWER, costs::of_touch(&log, &tower).await?)];
    report.tables.push(costs::table("Bytes that a touch writes, into the append-only file", &touches));

    report.want_speed(Workload::Load, TASKS, [OURS, TOWER], Want::AtLeast(3.0))?;
    report.want_speed(Workload::Load, TASKS, [OURS, GET], Want::AtLeast(0.9))?;
    report.want_speed(Workload::Save, TASKS, [OURS, TOWER], Want::AtLeast(2.0))?;
    report.want_speed(Workload::Save, TASKS, [OURS, EVALSHA], Want::AtLeast(0.8))?;
    report.want_speed(Workload::Mix, TASKS, [OURS, TOWER], Want::AtLeast(2.5))?;
    costs::want_flat(&mut report, 1.2);
    Ok(report)
}
