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
use crate::measure::Subject;
use crate::ours::Ours;
use crate::report::{Report, Want};
use crate::result::Result;
use crate::store::{Contender, Entrant, Workload};
use crate::suite::{self, SESSIONS_T};
use crate::tower::TowerSessions;
use crate::typed::Typed;
use crate::users;

const OURS: &str = "session-store-redis";
const TOWER: &str = "tower-sessions-redis-store";
const AXUM: &str = "axum_session_redispool";
const ACTIX: &str = "actix-session";
const GET: &str = "bare GET, SET PX";
const EVALSHA: &str = "bare EVALSHA of that SET";
const MGET: &str = "bare MGET of 64";
const TASKS: usize = 64;
const SESSIONS: usize = 20_000;

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
    let [tower_entrant, axum_entrant, actix_entrant] = peers.each_ref().map(|peer| &**peer);
    let all = [&*our_entrant, &*typed_entrant, tower_entrant, axum_entrant, actix_entrant, &*limit];
    for workload in Workload::COMPARED {
        let bare = match workload {
            Workload::Load => Some(Subject::new(MGET, 4, ManyGets::new(&bare))),
            Workload::Save => Some(Contender::boxed(EVALSHA, &script).subject(workload, TASKS)),
            _ => None,
        };
        suite::compare_with(&mut report, meter, workload, TASKS, &all, bare).await?;
    }
    let few: [&dyn Entrant; 4] = [&*our_entrant, &*typed_entrant, tower_entrant, &*limit];
    for workload in [Workload::Load, Workload::Save] {
        suite::compare(&mut report, meter, workload, 1, &few).await?;
    }
    suite::by_tasks(&mut report, meter, TASKS, &few).await?;
    for (data, name, bytes) in suite::DATA {
        let sized = corpus::sized(bytes)?;
        let ours = Ours::fill(store(name).await?, &sized, suite::OF_DATA).await?;
        let tower = TowerSessions::fill(tower::connect(&server).await?, &sized, suite::OF_DATA).await?;
        let entrants = [Contender::boxed(OURS, &ours), Contender::boxed(TOWER, &tower)];
        suite::with_data(&mut report, meter, data, TASKS, &entrants.each_ref().map(|entrant| &**entrant)).await?;
    }
    users::measure(&mut report, meter, TASKS, &ours, None).await?;

    let grown = suite::grown(&report, &sessions, store).await?;
    suite::by_size(&mut report, meter, TASKS, &grown).await?;

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
