//! A node's clock that is wrong changes nothing (clause X1).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use session_store_core::sessions::Login;
use session_store_core::{Page, Sessions, UserId};
use testkit::servers::faketime_library;
use tokio::time::sleep;

use crate::child::{Orders, Task, answer};
use crate::namespace_fixture::{NamespaceFixture, new_user};
use crate::node::{NodeOrders, Report};

const HOUR: i64 = 3_600_000;

/// What a busy machine may add to an age.
const SLACK: i64 = 500;

#[allow(clippy::disallowed_methods, reason = "the clock that is to be wrong")]
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// The parent is a node as well, and its clock is right.
async fn two_logins(sessions: &Sessions<String>) -> UserId {
    let user = new_user();
    for name in ["first", "second"] {
        sessions.login(Login::new(user.clone(), name.to_owned())).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    user
}

async fn report(fixture: &NamespaceFixture, sessions: &Sessions<String>, skew: i64) -> Report {
    let user = two_logins(sessions).await;
    let orders = NodeOrders { user: user.as_str().to_owned(), now: now(), skew };
    let orders = Orders { fixture: fixture.at(fixture.url.clone()), task: Task::BeNode(orders) };
    let mut variables = Vec::new();
    if skew != 0 {
        variables.push(("LD_PRELOAD", faketime_library().unwrap().to_str().unwrap().to_owned()));
        variables.push(("FAKETIME", format!("{:+}s", skew / 1_000)));
        // Timers go by it; a real clock that is wrong leaves it alone.
        variables.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
    }
    let report: Report = serde_json::from_str(&answer(&orders, &variables).await).unwrap();
    let listed = sessions.list(&user, &Page::first(10).unwrap()).await.unwrap().sessions;
    let mut listed: Vec<_> = listed.into_iter().map(|one| (one.meta.created_at, one.data.unwrap())).collect();
    listed.sort_unstable();
    let names: Vec<_> = listed.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["third", "fifth"], "as the child has left them, in the order of the logins");
    report
}

pub(crate) async fn changes_nothing(fixture: Arc<NamespaceFixture>) {
    let sessions = Sessions::new(fixture.node().await);
    let reports = join_all([0, HOUR, -HOUR].map(|skew| report(&fixture, &sessions, skew))).await;
    let [right, ahead, behind] = reports.try_into().unwrap();
    assert!(right.answers.len() > 20 && right.ages.len() > 8, "{right:?}");
    for (what, answer) in &right.answers {
        let is_gone = ["not used in time", "after its deadline", "destroyed"].iter().any(|gone| what.starts_with(gone));
        if is_gone || what.ends_with("touched") {
            assert_eq!(answer == "true", what == "old enough for a touch: touched", "{what}: {answer}");
        }
    }
    for wrong in [ahead, behind] {
        assert_eq!(wrong.answers, right.answers);
        for ((what, age), (same, other)) in wrong.ages.iter().zip(&right.ages) {
            assert_eq!(what, same);
            assert!((age - other).abs() < SLACK, "{what}: {age} and {other}");
        }
        assert_eq!(wrong.ages.len(), right.ages.len());
    }
}
