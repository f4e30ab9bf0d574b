//! `Sessions` on the stores as they are: two nodes on each, at once, with all that an application may switch on.
//!
//! Some of it needs a process of its own: this program once more, with its orders in a variable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod captured_telemetry;
mod child;
mod clock;
mod dump;
mod encodings;
mod encryption;
mod limits;
mod lists;
mod namespace_fixture;
mod node;
mod operations;
mod pepper;
mod policies;
mod remembering;
mod rollout;
mod secrets;
mod updates;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use testkit::containers::not_run;
use tokio::runtime::Runtime;

use crate::namespace_fixture::{Kind, NamespaceFixture, Servers};

const ALL: [Kind; 4] = [Kind::Memory, Kind::Redis, Kind::Postgres, Kind::Mongo];

/// Those whose nodes are processes.
const NETWORKED: [Kind; 3] = [Kind::Redis, Kind::Postgres, Kind::Mongo];

/// Most of them wait most of the time.
const AT_ONCE: usize = 4;

/// What the trials run with.
struct Context {
    runtime: Runtime,
    servers: Servers,
}

fn main() -> ExitCode {
    let Ok(runtime) = Runtime::new() else { return ExitCode::FAILURE };
    if let Some(orders) = child::orders() {
        runtime.block_on(child::obey(orders));
        return ExitCode::SUCCESS;
    }
    let context = Arc::new(Context { runtime, servers: Servers::default() });
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let conclusion = libtest_mimic::run(&arguments, trials(&context));
    // Containers are removed while the runtime still runs.
    if let Some(Context { runtime, servers }) = Arc::into_inner(context) {
        runtime.block_on(async { drop(servers) });
    }
    conclusion.exit_code()
}

fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in ALL {
        let mut add = |name, run| trials.push(trial(context, kind, name, run));
        add("updates_of_8_tasks_on_two_nodes_lose_nothing", |fixture| Box::pin(updates::lose_nothing(fixture)));
        add("of_rotations_at_once_one_succeeds", |fixture| Box::pin(updates::one_rotation_succeeds(fixture)));
        add("the_newest_sessions_are_left_on_every_node", |fixture| Box::pin(limits::the_newest_are_left(fixture)));
        add("logins_over_the_limit_are_refused_on_every_node", |fixture| {
            Box::pin(limits::logins_beyond_are_refused(fixture))
        });
        add("sessions_that_get_new_ids_count_against_the_limit", |fixture| Box::pin(limits::rotating_count(fixture)));
        add("sessions_that_get_new_ids_outlast_refused_logins", |fixture| Box::pin(limits::rotating_outlast(fixture)));
        add("encryption_is_introduced_and_given_up_under_load", |fixture| {
            Box::pin(encryption::comes_and_goes(fixture))
        });
        add("encryption_keys_change_under_load", |fixture| Box::pin(encryption::keys_change(fixture)));
        add("peppers_change_under_load", |fixture| Box::pin(pepper::changes(fixture)));
        add("a_touch_obeys_the_policy_of_the_login", |fixture| Box::pin(policies::a_touch_obeys(fixture)));
        add("saves_and_rotations_obey_the_policy_of_the_login", |fixture| Box::pin(policies::writes_obey(fixture)));
        add("a_user_ends_no_session_of_another", |fixture| Box::pin(lists::end_only_ones_own(fixture)));
        add("what_does_not_fit_any_more_is_listed_and_can_be_ended", |fixture| Box::pin(lists::show_misfits(fixture)));
        add("ending_others_reaches_every_node", |fixture| Box::pin(lists::end_others(fixture)));
        add("nothing_that_is_told_or_kept_shows_a_secret", |fixture| Box::pin(child::keeps_secrets(fixture)));
    }
    if not_run("faketime").is_none() {
        for kind in NETWORKED {
            let name = "a_node_whose_clock_is_an_hour_off_answers_as_the_others";
            trials.push(trial(context, kind, name, |fixture| Box::pin(clock::changes_nothing(fixture))));
        }
    }
    trials
}

type Scenario = fn(Arc<NamespaceFixture>) -> futures_util::future::BoxFuture<'static, ()>;

fn trial(context: &Arc<Context>, kind: Kind, name: &str, scenario: Scenario) -> Trial {
    let context = Arc::clone(context);
    Trial::test(format!("{}::{name}", kind.name()), move || {
        context.runtime.block_on(run(&context.servers, kind, scenario))
    })
}

/// Runs a scenario at a place of its own, and removes the place, however it has ended.
async fn run(servers: &Servers, kind: Kind, scenario: Scenario) -> Result<(), Failed> {
    let url = servers.url(kind).await.map_err(|error| namespace_fixture::all_text(&error))?;
    let fixture = Arc::new(NamespaceFixture::new(kind, url));
    let outcome = tokio::spawn(scenario(Arc::clone(&fixture))).await;
    fixture.remove().await;
    match outcome.map_err(tokio::task::JoinError::try_into_panic) {
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}
