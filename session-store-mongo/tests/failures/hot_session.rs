//! A session that many callers change: they do not wait for one acknowledgement after the other (clause O1).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use session_store_core::{SessionStore as _, SetMode};
use session_store_mongo::mongodb::bson::doc;

use crate::database::{CAN_FAIL, Database};
use crate::support::{HOUR, builder, new_key, new_user, write_of};

const CALLERS: usize = 48;

/// How long the server takes to acknowledge a change.
const SLOW: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_one_session_wait_for_a_few_acknowledgements_only() {
    let database = Database::alone(&CAN_FAIL).await;
    // In a batch, 16 changes of a session go together; of commands of their own, 8 are under way.
    for (batch_size, most) in [(64, 10), (1, 20)] {
        for is_live in [true, false] {
            database.mend().await;
            let store = builder(database.url()).batch_size(batch_size).build().await.unwrap();
            let (key, user) = (new_key(), new_user());
            if is_live {
                store.set(&key, &write_of(&user), SetMode::Create).await.unwrap();
            }
            let slow = doc! { "blockConnection": true, "blockTimeMS": i64::try_from(SLOW.as_millis()).unwrap() };
            database.fail(&["update"], None, slow).await;
            let end = Instant::now() + 20 * SLOW;
            let callers = (0..CALLERS).map(|number| {
                let (store, write) = (store.clone(), write_of(&user));
                tokio::spawn(async move {
                    let mut longest = Duration::ZERO;
                    while Instant::now() < end {
                        let begun = Instant::now();
                        let is_found = match number % 2 {
                            0 => store.set(&key, &write, SetMode::Replace).await.is_ok(),
                            _ => store.touch(&key, HOUR).await.unwrap(),
                        };
                        assert_eq!(is_found, is_live);
                        longest = longest.max(begun.elapsed());
                    }
                    longest
                })
            });
            let longest = join_all(callers.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).max().unwrap();
            assert!(longest < most * SLOW, "{batch_size}, live: {is_live}: {longest:?}");
        }
    }
}
