//! The operations on a whole namespace, on Cluster.

use futures_util::future::join_all;
use redis::Value;
use session_store_core::SessionKey;
use session_store_core::backend::Call;

use super::user::{AT_ONCE, Marked};
use super::{Cluster, Entry, Only, Result, count_ended};
use crate::error::Error;
use crate::identifiers::Kind;
use crate::protocol::scan::{Master, ScanPosition, scan, scanned};
use crate::protocol::{parse, read};
use crate::record::{Stored, decode};

impl Cluster {
    /// Ends some of these sessions, for `clear`; their entries are left to the next prune. Returns how many it looked at,
    /// ended and removed.
    pub(crate) async fn clear_some(&self, call: &Call, found: &[Vec<u8>]) -> Result<(usize, u64, u64)> {
        let some = found.chunks(AT_ONCE).next().unwrap_or_default();
        let (live, removed) = count_ended(join_all(some.iter().map(|key| self.end(Some(call), key, Only::Any))).await)?;
        Ok((some.len(), live, removed))
    }

    /// Returns these without what rotations have left under old keys, and what has ended meanwhile.
    pub(crate) async fn sessions_among(&self, keys: Vec<SessionKey>) -> Result<Vec<SessionKey>> {
        let names: Vec<_> = keys.iter().map(|key| self.keys.session(key)).collect();
        let heads = self.heads(&names).await?;
        let is_session =
            |key: &SessionKey, head: &[u8]| !head.is_empty() && !matches!(decode(key, head), Ok(Stored::Moved));
        Ok(keys.into_iter().zip(heads).filter(|(key, head)| is_session(key, head)).map(|(key, _)| key).collect())
    }

    /// Returns the heads of sessions, in order.
    pub(crate) async fn heads(&self, sessions: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let mut heads = Vec::with_capacity(sessions.len());
        for some in sessions.chunks(AT_ONCE) {
            let gets: Vec<_> = some.iter().map(|session| read::get_head(session)).collect();
            for answer in self.connections.read_all(&gets).await? {
                heads.push(read::head_bytes(answer)?);
            }
        }
        Ok(heads)
    }

    /// Removes some entries of an index that are of no write under way, and whose sessions are gone. Returns how many,
    /// and the key to go on after; nothing at the end.
    pub(crate) async fn prune_some(&self, index: &[u8], after: &[u8], limit: u32) -> Result<(u64, Vec<u8>)> {
        let user = index.strip_prefix(self.keys.prefix(Kind::Index)).unwrap_or_default();
        let mut marked = self.index_of(index).await?;
        marked.retain(|marked| marked.is_old && marked.key.as_bytes().as_slice() > after);
        let some = marked.get(..AT_ONCE).unwrap_or(&marked);
        let mut removed = 0;
        for (Marked { key, mark, .. }, head) in self.read_all(some).await? {
            let is_listed = !head.is_empty()
                && match decode(&key, &head) {
                    Ok(Stored::Session(head)) => head.meta.user.is_some_and(|owner| owner.as_str().as_bytes() == user),
                    Ok(Stored::Moved) => false,
                    // It may be this user's: destroy_by_user removes it.
                    Err(_) => true,
                };
            if !is_listed {
                removed += self.unlist(&key, &Entry { user: user.to_vec(), mark }).await?;
            }
            if removed >= u64::from(limit) {
                return Ok((removed, Vec::new()));
            }
        }
        let is_last = some.len() == marked.len();
        let next = some.last().filter(|_| !is_last).map_or(Vec::new(), |last| last.key.as_bytes().to_vec());
        Ok((removed, next))
    }

    /// Looks at some keys of one master, for `scan`. The walk visits the masters one after the other.
    ///
    /// A session whose slot moves may be missed: behind the walk, or on its way. So masters and slots are compared before
    /// each step and after the last one, and no slot may be on its way then.
    pub(crate) async fn scan(
        &self,
        position: Option<ScanPosition>,
        limit: u32,
    ) -> Result<(Option<ScanPosition>, Vec<Vec<u8>>)> {
        let topology = self.topology().await?;
        let started = Master { topology: topology.hash, number: 0 };
        let ScanPosition { cursor, master } = position.unwrap_or(ScanPosition { cursor: 0, master: Some(started) });
        let master = master.unwrap_or(started);
        if master.topology != topology.hash {
            return Err(Error::SlotsMoved);
        }
        let node = topology.addresses.get(usize::from(master.number)).ok_or(Error::SlotsMoved)?;
        let command = scan(&self.keys, Kind::Session, cursor, limit);
        let (cursor, found) = scanned(self.connections.ask(&Some(node.clone()), &command).await?)?;
        if cursor != 0 {
            return Ok((Some(ScanPosition { cursor, master: Some(master) }), found));
        }
        let number = master.number.saturating_add(1);
        if usize::from(number) < topology.addresses.len() {
            return Ok((Some(ScanPosition { cursor: 0, master: Some(Master { number, ..master }) }), found));
        }
        if self.topology().await?.hash != master.topology {
            return Err(Error::SlotsMoved);
        }
        Ok((None, found))
    }

    /// Asks each master for its slots.
    async fn topology(&self) -> Result<Topology> {
        let mut nodes = redis::cmd("CLUSTER");
        nodes.arg("NODES");
        Topology::read(self.connections.ask_all(&nodes).await?)
    }
}

/// The masters of a Cluster that have slots.
#[derive(Debug)]
pub(super) struct Topology {
    /// A hash of their IDs and slots.
    hash: u64,
    /// By their IDs.
    addresses: Vec<String>,
}

impl Topology {
    /// Reads what each master answers to CLUSTER NODES about itself.
    pub(super) fn read(answers: Vec<(Option<String>, Value)>) -> Result<Self> {
        let mut masters = Vec::with_capacity(answers.len());
        for (address, answer) in answers {
            let text: String = parse(answer)?;
            let myself = text.lines().find(|line| line.split(' ').nth(2).is_some_and(|flags| flags.contains("myself")));
            let mut fields = myself.ok_or(Error::Unexpected)?.split(' ');
            let id = fields.next().unwrap_or_default().to_owned();
            let slots: Vec<_> = fields.skip(7).collect();
            // It is written so: `[93->-node]`.
            if slots.iter().any(|slots| slots.starts_with('[')) {
                return Err(Error::SlotsMove);
            }
            if !slots.is_empty() {
                masters.push((id, slots.join(" "), address.ok_or(Error::Unexpected)?));
            }
        }
        masters.sort_unstable();
        let mut hash = Fnv::default();
        for (id, slots, _) in &masters {
            hash.add(id.as_bytes());
            hash.add(slots.as_bytes());
        }
        Ok(Self { hash: hash.0, addresses: masters.into_iter().map(|(_, _, address)| address).collect() })
    }
}

/// FNV-1a: the same in every process and release, because cursors are given to other nodes. It is no protection.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(id: &str, slots: &str) -> (Option<String>, Value) {
        let other = "ffff 127.0.0.1:9@19 master - 0 0 2 connected 9000-9001 [1-<-x]\n";
        let text = format!("{other}{id} 127.0.0.1:7@17 myself,master - 0 0 1 connected {slots}\n");
        (Some(format!("{id}:7")), Value::BulkString(text.into_bytes()))
    }

    #[test]
    fn a_topology_is_that_of_the_masters_own_slots() {
        let topology = |answers: &[(&str, &str)]| {
            Topology::read(answers.iter().map(|(id, slots)| nodes(id, slots)).collect()).unwrap()
        };
        let one = topology(&[("b", "0-5"), ("a", "6 8-9")]);
        assert_eq!(one.addresses, ["a:7", "b:7"]);
        assert_eq!(one.hash, topology(&[("a", "6 8-9"), ("b", "0-5")]).hash);
        for other in [&[("b", "0-6"), ("a", "6 8-9")][..], &[("c", "0-5"), ("a", "6 8-9")], &[("a", "6 8-9")]] {
            assert_ne!(one.hash, topology(other).hash);
        }
    }

    #[test]
    fn a_slot_on_its_way_is_no_topology() {
        for marker in ["[93->-b]", "[93-<-b]"] {
            let answers = vec![nodes("a", &format!("0-92 {marker}"))];
            assert!(matches!(Topology::read(answers), Err(Error::SlotsMove)), "{marker}");
        }
        assert!(matches!(Topology::read(vec![(None, Value::Nil)]), Err(Error::Unexpected)));
    }
}
