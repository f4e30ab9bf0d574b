//! `Sessions` on the stores as they are: two nodes on each, at once, with all that an application may switch on.
//!
//! Some of it needs a process of its own: this program once more, with its orders in a variable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod child;
mod clock;
mod doings;
mod dump;
mod encodings;
mod encryption;
mod fleet;
mod limits;
mod lists;
mod node;
mod pepper;
mod place;
mod policies;
mod remembering;
mod secrets;
mod told;
mod updates;

use std::process::ExitCode;
use std::sync::Arc;

use conformance_tests::containers::not_run;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::place::{Kind, Place, Servers};

const ALL: [Kind; 4] = [Kind::Memory, Kind::Redis, Kind::Postgres, Kind::Mongo];

/// Those whose nodes are processes.
const NETWORKED: [Kind; 3] = [Kind::Redis, Kind::Postgres, Kind::Mongo];

/// Most of them wait most of the time.
const AT_ONCE: usize = 4;

/// What the trials run with.
struct Stage {
    runtime: Runtime,
    servers: Servers,
}

fn main() -> ExitCode {
    let Ok(runtime) = Runtime::new() else { return ExitCode::FAILURE };
    if let Some(orders) = child::orders() {
        runtime.block_on(child::obey(orders));
        return ExitCode::SUCCESS;
    }
    let stage = Arc::new(Stage { runtime, servers: Servers::default() });
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let conclusion = libtest_mimic::run(&arguments, trials(&stage));
    // Containers are removed while the runtime still runs.
    if let Some(Stage { runtime, servers }) = Arc::into_inner(stage) {
        runtime.block_on(async { drop(servers) });
    }
    conclusion.exit_code()
}

fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in ALL {
        let mut add = |name, run| trials.push(trial(stage, kind, name, run));
        add("updates_of_8_tasks_on_two_nodes_lose_nothing", |place| Box::pin(updates::lose_nothing(place)));
        add("of_rotations_at_once_one_succeeds", |place| Box::pin(updates::one_rotation_succeeds(place)));
        add("the_newest_sessions_are_left_on_every_node", |place| Box::pin(limits::the_newest_are_left(place)));
        add("logins_over_the_limit_are_refused_on_every_node", |place| {
            Box::pin(limits::logins_beyond_are_refused(place))
        });
        add("sessions_that_get_new_ids_count_against_the_limit", |place| Box::pin(limits::rotating_count(place)));
        add("sessions_that_get_new_ids_outlast_refused_logins", |place| Box::pin(limits::rotating_outlast(place)));
        add("encryption_is_introduced_and_given_up_under_load", |place| Box::pin(encryption::comes_and_goes(place)));
        add("encryption_keys_change_under_load", |place| Box::pin(encryption::keys_change(place)));
        add("peppers_change_under_load", |place| Box::pin(pepper::changes(place)));
        add("a_touch_obeys_the_policy_of_the_login", |place| Box::pin(policies::a_touch_obeys(place)));
        add("saves_and_rotations_obey_the_policy_of_the_login", |place| Box::pin(policies::writes_obey(place)));
        add("a_user_ends_no_session_of_another", |place| Box::pin(lists::end_only_ones_own(place)));
        add("what_does_not_fit_any_more_is_listed_and_can_be_ended", |place| Box::pin(lists::show_misfits(place)));
        add("ending_others_reaches_every_node", |place| Box::pin(lists::end_others(place)));
        add("nothing_that_is_told_or_kept_shows_a_secret", |place| Box::pin(child::keeps_secrets(place)));
    }
    if not_run("faketime").is_none() {
        for kind in NETWORKED {
            let name = "a_node_whose_clock_is_an_hour_off_answers_as_the_others";
            trials.push(trial(stage, kind, name, |place| Box::pin(clock::changes_nothing(place))));
        }
    }
    trials
}

type Scenario = fn(Arc<Place>) -> futures_util::future::BoxFuture<'static, ()>;

fn trial(stage: &Arc<Stage>, kind: Kind, name: &str, scenario: Scenario) -> Trial {
    let stage = Arc::clone(stage);
    Trial::test(format!("{}::{name}", kind.name()), move || stage.runtime.block_on(run(&stage.servers, kind, scenario)))
}

/// Runs a scenario at a place of its own, and removes the place, however it has ended.
async fn run(servers: &Servers, kind: Kind, scenario: Scenario) -> Result<(), Failed> {
    let url = servers.url(kind).await.map_err(|error| place::all_text(&error))?;
    let place = Arc::new(Place::new(kind, url));
    let outcome = tokio::spawn(scenario(Arc::clone(&place))).await;
    place.remove().await;
    match outcome.map_err(tokio::task::JoinError::try_into_panic) {
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}
