//! A Redis Cluster.

use std::ops::RangeInclusive;

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use session_store_core::Result;

use super::redis::value_in;
use super::{RedisServer, unavailable, until};

const MASTERS: usize = 3;
const SLOTS: u16 = 16_384;

/// A Redis Cluster of one test's own: three masters, and a replica of each.
///
/// Nodes 0 to 2 are the masters of the start, and node 3 + n the replica of node n.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// A cluster in which all nodes agree, and each replica has its master's data. It misses a dead master
    /// within two seconds, and has a new one within about four.
    ///
    /// # Errors
    ///
    /// `Unavailable` where a server does not start, or the cluster does not form.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with more options for each server. A password needs `--requirepass` and `--masterauth`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let ours = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"];
        let options: Vec<_> = ours.iter().chain(options).copied().collect();
        let nodes = try_join_all((0..2 * MASTERS).map(|_| RedisServer::start(&options))).await?;
        let cluster = Self { nodes };
        cluster.give_out_slots().await?;
        cluster.introduce().await?;
        cluster.attach_replicas().await?;
        until("the cluster is whole", || cluster.is_whole()).await?;
        Ok(cluster)
    }

    /// The URL of each node.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Those that were masters at the start.
    #[must_use]
    pub fn masters(&self) -> &[RedisServer] {
        self.nodes.get(..MASTERS).unwrap_or_default()
    }

    /// Those that were replicas at the start.
    #[must_use]
    pub fn replicas(&self) -> &[RedisServer] {
        self.nodes.get(MASTERS..).unwrap_or_default()
    }

    /// The slot of a key.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no node answers.
    pub async fn slot_of(&self, key: &str) -> Result<u16> {
        self.any_running()?.ask(&["CLUSTER", "KEYSLOT", key]).await
    }

    /// The number of the node that is the slot's master, as a node sees it that runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` where no node answers, or no node has the slot.
    pub async fn owner_of(&self, slot: u16) -> Result<usize> {
        let ranges: Vec<Vec<redis::Value>> = self.any_running()?.ask(&["CLUSTER", "SLOTS"]).await?;
        let owner = ranges.iter().find_map(|range| master_of(slot, range));
        self.nodes
            .iter()
            .position(|node| Some(node.port()) == owner)
            .ok_or_else(|| unavailable(format!("no node has slot {slot}")))
    }

    /// Moves slots with their keys from one master to another, while clients may use them.
    ///
    /// # Errors
    ///
    /// `Unavailable` where a node is not running, or `from` has no such slots.
    pub async fn move_slots(&self, from: usize, to: usize, slots: RangeInclusive<u16>) -> Result<()> {
        let (source, target) = (self.node(from)?, self.node(to)?);
        let (source_id, target_id) = (id_of(source).await?, id_of(target).await?);
        let mut others = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if number != from && number != to && node.is_running() && role_of(node).await? == "master" {
                others.push(node.connection().await?);
            }
        }
        let (mut from, mut to) = (source.connection().await?, target.connection().await?);
        for slot in slots {
            set_slot(&mut to, slot, "IMPORTING", &source_id).await?;
            set_slot(&mut from, slot, "MIGRATING", &target_id).await?;
            move_keys(&mut from, slot, target).await?;
            // The target first, so that there is no moment at which neither of them has the slot.
            for connection in [&mut to, &mut from].into_iter().chain(&mut others) {
                set_slot(connection, slot, "NODE", &target_id).await?;
            }
        }
        Ok(())
    }

    /// Makes a replica the master, with its master's help and without loss. All nodes know it when this returns.
    ///
    /// # Errors
    ///
    /// `Unavailable` where the node is no replica, or its master is not running.
    pub async fn fail_over(&self, replica: usize) -> Result<()> {
        self.node(replica)?.ask::<()>(&["CLUSTER", "FAILOVER"]).await?;
        self.wait_for_master(replica).await
    }

    /// Waits until a replica has become master, by itself or by [`fail_over`](Self::fail_over), all nodes that
    /// run know it, and every slot is served.
    ///
    /// # Errors
    ///
    /// `Unavailable` where that does not come to pass.
    pub async fn wait_for_master(&self, replica: usize) -> Result<()> {
        let node = self.node(replica)?;
        until("the replica is master", || async { Ok(role_of(node).await? == "master") }).await?;
        let id = id_of(node).await?;
        until("all nodes know the new master", || self.know_as_master(&id)).await
    }

    fn node(&self, number: usize) -> Result<&RedisServer> {
        self.nodes.get(number).ok_or_else(|| unavailable(format!("the cluster has no node {number}")))
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    fn any_running(&self) -> Result<&RedisServer> {
        self.running().next().ok_or_else(|| unavailable("no node of the cluster is running"))
    }

    async fn give_out_slots(&self) -> Result<()> {
        let share = usize::from(SLOTS).div_ceil(MASTERS);
        let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
        for (number, (master, slots)) in self.masters().iter().zip(slots.chunks(share)).enumerate() {
            // Of their own, so that they need not settle it among themselves.
            let epoch = (number + 1).to_string();
            master.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
            let command: Vec<_> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
            master.ask::<()>(&command).await?;
        }
        Ok(())
    }

    /// Each with each, which is quicker than gossip.
    async fn introduce(&self) -> Result<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            for other in self.nodes.iter().skip(number + 1) {
                node.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()]).await?;
            }
        }
        Ok(())
    }

    async fn attach_replicas(&self) -> Result<()> {
        for (master, replica) in self.masters().iter().zip(self.replicas()) {
            let id = id_of(master).await?;
            // Refused until the replica has met its master.
            let attach = || async { replica.ask::<()>(&["CLUSTER", "REPLICATE", &id]).await.map(|()| true) };
            until("the replica knows its master", attach).await?;
        }
        Ok(())
    }

    async fn is_whole(&self) -> Result<bool> {
        for node in &self.nodes {
            let view: String = node.ask(&["CLUSTER", "NODES"]).await?;
            let replicas = view.lines().filter(|line| flags_of(line).contains(&"slave")).count();
            let settled = view.lines().count() == self.nodes.len() && !view.contains("handshake");
            if !(settled && replicas == MASTERS && serves_all(node).await?) {
                return Ok(false);
            }
        }
        for replica in self.replicas() {
            if replica.info("master_link_status").await?.as_deref() != Some("up") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn know_as_master(&self, id: &str) -> Result<bool> {
        for node in self.running() {
            let view: String = node.ask(&["CLUSTER", "NODES"]).await?;
            let mut lines = view.lines().filter(|line| line.starts_with(id));
            // The fields after the eighth are the slots.
            let known = lines.any(|line| flags_of(line).contains(&"master") && line.split(' ').nth(8).is_some());
            if !known || !serves_all(node).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn flags_of(line: &str) -> Vec<&str> {
    line.split(' ').nth(2).unwrap_or_default().split(',').collect()
}

/// The port of the master, where the range has the slot: `[first, last, [host, port, ...], replicas...]`.
fn master_of(slot: u16, range: &[redis::Value]) -> Option<u16> {
    let [first, last, redis::Value::Array(master), ..] = range else { return None };
    let number = |value| redis::from_redis_value_ref::<u16>(value).ok();
    if (number(first)?..=number(last)?).contains(&slot) { number(master.get(1)?) } else { None }
}

async fn serves_all(node: &RedisServer) -> Result<bool> {
    let state: String = node.ask(&["CLUSTER", "INFO"]).await?;
    Ok(value_in(&state, "cluster_state").as_deref() == Some("ok"))
}

async fn id_of(node: &RedisServer) -> Result<String> {
    node.ask(&["CLUSTER", "MYID"]).await
}

async fn role_of(node: &RedisServer) -> Result<String> {
    Ok(node.info("role").await?.unwrap_or_default())
}

async fn set_slot(connection: &mut MultiplexedConnection, slot: u16, state: &str, node: &str) -> Result<()> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SETSLOT").arg(slot).arg(state).arg(node);
    let failed = |error| unavailable(format!("CLUSTER SETSLOT {slot} {state} fails")).with_source(error);
    command.exec_async(connection).await.map_err(failed)
}

async fn move_keys(from: &mut MultiplexedConnection, slot: u16, target: &RedisServer) -> Result<()> {
    let failed = |error| unavailable(format!("the keys of slot {slot} do not move")).with_source(error);
    loop {
        let mut list = redis::cmd("CLUSTER");
        list.arg("GETKEYSINSLOT").arg(slot).arg(100);
        let keys: Vec<Vec<u8>> = list.query_async(from).await.map_err(failed)?;
        if keys.is_empty() {
            return Ok(());
        }
        let mut migrate = redis::cmd("MIGRATE");
        migrate.arg("127.0.0.1").arg(target.port()).arg("").arg(0).arg(5000);
        if let Some(password) = target.password() {
            migrate.arg("AUTH").arg(password);
        }
        migrate.arg("KEYS").arg(keys).exec_async(from).await.map_err(failed)?;
    }
}
