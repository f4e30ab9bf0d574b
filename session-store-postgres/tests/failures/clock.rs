//! What begins before a session expires, and is held up until after, does not bring it back (clauses T2, X1).

use std::time::Duration;

use futures_util::future::{join, join_all};
use session_store_core::{Error, ErrorKind, SessionStore as _, SetMode, Write};
use testkit::failures::operations::Fixture;

use crate::database::{Database, Foreign, LOCK_TABLE};
use crate::support::{HOUR, builder, classify, write_of};

/// Long enough for all operations to begin.
const LIFE: Duration = Duration::from_secs(2);

/// What holds an operation up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Held {
    /// Its row: the store asks again and again.
    Row,
    /// The table: its statement waits on the server.
    Table,
}

impl Held {
    async fn hold(self, database: &Database, fixtures: &[Fixture]) -> Vec<Foreign> {
        match self {
            Self::Row => join_all(fixtures.iter().map(|fixture| database.hold(&fixture.live))).await,
            Self::Table => vec![database.begin(LOCK_TABLE).await],
        }
    }
}

fn is_not_found(error: &Error, fixture: &Fixture) {
    assert_eq!(classify(error, fixture), (ErrorKind::NotFound, false, false), "{error:?}");
}

/// Every write on a session that expires while it is held up.
async fn outlive(name: &'static str, held: Held) {
    let database = Database::new(name).await;
    // Each operation has a statement of its own.
    let store = builder(database.url()).batch_size(1).build().await.unwrap();
    let fixtures = [(); 5].map(|()| Fixture::without_session());
    let life = Write::new("data", LIFE, HOUR).unwrap();
    let mut expiries = Vec::new();
    for fixture in &fixtures {
        store.set(&fixture.live, &life, SetMode::Create).await.unwrap();
        expiries.push(store.get(&fixture.live).await.unwrap().unwrap().meta.expires_at.as_millis());
    }
    let [touched, destroyed, replaced, rotated, created] = &fixtures;
    let foreigners = held.hold(&database, &fixtures).await;
    let expiry = async {
        match held {
            Held::Row => database.until_held_up(4).await,
            Held::Table => database.until_waiting(5).await,
        }
        let now = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let (first, last) = (expiries[0], expiries[4]);
        assert!(database.ask::<bool>(&format!("SELECT {now} < {first}")).await, "it has begun too late");
        database.until(&format!("{now} >= {last}")).await;
        for foreign in foreigners {
            foreign.roll_back().await;
        }
    };
    let writes = [replaced, rotated, created].map(|fixture| write_of(&fixture.user));
    let answers = async {
        tokio::join!(
            store.touch(&touched.live, HOUR),
            store.destroy(&destroyed.live),
            store.set(&replaced.live, &writes[0], SetMode::Replace),
            store.rotate(&rotated.live, &rotated.free, &writes[1], None),
            store.set(&created.live, &writes[2], SetMode::Create),
        )
    };
    let ((touch, destroy, replace, rotate, create), ()) = join(answers, expiry).await;
    assert!(!touch.unwrap());
    assert!(!destroy.unwrap());
    is_not_found(&replace.unwrap_err(), replaced);
    is_not_found(&rotate.unwrap_err(), rotated);
    for key in [touched.live, destroyed.live, replaced.live, rotated.live, rotated.free] {
        assert!(store.get(&key).await.unwrap().is_none());
    }
    let record = store.get(&created.live).await.unwrap().unwrap();
    assert_eq!(record.meta.version, create.unwrap());
    assert!(record.meta.deadline.as_millis() - record.meta.created_at.as_millis() == 3_600_000);
}

#[tokio::test]
async fn a_write_that_meets_a_held_row_until_the_expiry_does_not_revive() {
    outlive("outlived_rows", Held::Row).await;
}

#[tokio::test]
async fn a_write_that_waits_on_the_server_past_the_expiry_does_not_revive() {
    outlive("outlived_table", Held::Table).await;
}
