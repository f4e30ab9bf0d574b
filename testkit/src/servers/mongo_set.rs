//! A replica set of MongoDB.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use mongodb::bson::{Document, doc};
use session_store_core::Result;
use tokio::time::timeout;

use super::{MongoServer, unavailable, until, until_some};

const MEMBERS: usize = 3;
const NAME: &str = "session-store-test";

/// A member leaves one that it copies from, and that is stopped, within about a second. Else a write that waits for a
/// majority would wait for ten.
const IMPATIENT: [&str; 4] = [
    "--setParameter",
    "oplogNetworkTimeoutBufferSeconds=1",
    "--setParameter",
    "oplogFetcherSteadyStateMaxFetcherRestarts=0",
];

/// A replica set of one test's own: three members that keep data, each of which may become the primary.
///
/// What it says of members, it says by their number in [`members`](Self::members).
#[derive(Debug)]
pub struct MongoReplicaSet {
    members: Vec<MongoServer>,
}

impl MongoReplicaSet {
    /// A set that is whole. Where the primary is dead or stopped, it has a new one within about two seconds.
    ///
    /// # Errors
    ///
    /// `Unavailable` where a server does not start, or they do not find together.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with more options for each server.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let options = [&["--replSet", NAME], &IMPATIENT[..], options].concat();
        let members = try_join_all((0..MEMBERS).map(|_| MongoServer::start(&options))).await?;
        let set = Self { members };
        set.member(0)?.run("admin", doc! { "replSetInitiate": set.configuration() }).await?;
        set.wait_until_whole().await?;
        Ok(set)
    }

    fn configuration(&self) -> Document {
        let members = (0i32..).zip(&self.members);
        let members: Vec<_> = members.map(|(id, member)| doc! { "_id": id, "host": member.address() }).collect();
        let haste = doc! { "electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200 };
        doc! { "_id": NAME, "members": members, "settings": haste }
    }

    /// `mongodb://127.0.0.1:<port>,127.0.0.1:<port>,127.0.0.1:<port>/?replicaSet=<name>`.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.members.iter().map(MongoServer::address).collect();
        format!("mongodb://{}/?replicaSet={NAME}", addresses.join(","))
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[MongoServer] {
        &self.members
    }

    /// The member that takes writes and is the primary in the eyes of more than half of all members. Where there is
    /// none yet, as in an election, it waits for one.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is none within half a minute.
    pub async fn primary(&self) -> Result<usize> {
        until_some("the set has a primary", || async { Ok(self.primary_in(&self.views().await)) }).await
    }

    /// Waits for a primary that is another member than this one.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is none within half a minute.
    pub async fn wait_for_new_primary(&self, before: usize) -> Result<usize> {
        let new = || async { Ok(self.primary_in(&self.views().await).filter(|primary| *primary != before)) };
        until_some("the set has a new primary", new).await
    }

    /// Makes another member the primary, without loss, and says which. The former one goes on as a secondary,
    /// and may become the primary again.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is no primary, or no other member that can take over.
    pub async fn step_down(&self) -> Result<usize> {
        let before = self.primary().await?;
        let order = doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5 };
        self.member(before)?.run("admin", order).await?;
        let now = self.wait_for_new_primary(before).await?;
        // It would refuse to be elected for ten seconds.
        self.member(before)?.run("admin", doc! { "replSetFreeze": 0 }).await?;
        Ok(now)
    }

    /// Kills the primary by `SIGKILL`, and says which it was. The others have not elected a new one yet.
    ///
    /// # Errors
    ///
    /// `Unavailable` where there is no primary.
    pub async fn kill_primary(&self) -> Result<usize> {
        let primary = self.primary().await?;
        self.member(primary)?.kill();
        Ok(primary)
    }

    /// Kills a member if it runs, and starts it with the same port, options and data. It is a secondary, or the
    /// primary, when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it gives no answer, or has no part in the set.
    pub async fn restart(&self, member: usize) -> Result<()> {
        let server = self.member(member)?;
        server.restart().await?;
        until("the member is back", || async {
            let view = view_of(server).await;
            Ok(view.is_some_and(|view| says(&view, "secondary") || says(&view, "isWritablePrimary")))
        })
        .await
    }

    /// Returns when all members run, one of them is the primary, and the others follow it and have all that it had.
    ///
    /// # Errors
    ///
    /// `Unavailable` where that does not come to pass within half a minute.
    pub async fn wait_until_whole(&self) -> Result<()> {
        until("the set is whole", || async {
            let views = self.views().await;
            let secondaries = views.iter().flatten().filter(|view| says(view, "secondary")).count();
            match self.primary_in(&views) {
                Some(primary) if secondaries == MEMBERS - 1 => self.catch_up_with(primary).await.map(|()| true),
                _ => Ok(false),
            }
        })
        .await
    }

    /// A write that changes nothing, and is acknowledged when all members have it.
    async fn catch_up_with(&self, primary: usize) -> Result<()> {
        let by_all = doc! { "w": i32::try_from(MEMBERS).unwrap_or(i32::MAX), "wtimeout": 5000 };
        let note = doc! { "appendOplogNote": 1, "data": { "all": "have this" }, "writeConcern": by_all };
        self.member(primary)?.run("admin", note).await.map(drop)
    }

    fn member(&self, number: usize) -> Result<&MongoServer> {
        self.members.get(number).ok_or_else(|| unavailable(format!("the set has no member {number}")))
    }

    /// What each member says of the set.
    async fn views(&self) -> Vec<Option<Document>> {
        join_all(self.members.iter().map(view_of)).await
    }

    fn primary_in(&self, views: &[Option<Document>]) -> Option<usize> {
        let is_primary = |address: &str| {
            let of_this = |view: &&Document| view.get_str("primary").is_ok_and(|primary| primary == address);
            views.iter().flatten().filter(of_this).count() > MEMBERS / 2
        };
        let takes_writes = |view: &Option<Document>| view.as_ref().is_some_and(|view| says(view, "isWritablePrimary"));
        self.members.iter().zip(views).position(|(member, view)| takes_writes(view) && is_primary(&member.address()))
    }
}

/// None where it gives no answer.
async fn view_of(member: &MongoServer) -> Option<Document> {
    // The driver would go on looking for one that is not there.
    if !member.is_running() {
        return None;
    }
    timeout(Duration::from_secs(1), member.run("admin", doc! { "hello": 1 })).await.ok()?.ok()
}

fn says(view: &Document, field: &str) -> bool {
    view.get_bool(field).unwrap_or_default()
}
