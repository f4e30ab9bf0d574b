//! A PostgreSQL server that follows another one.

use session_store_core::Result;

use super::access::literal;
use super::{PostgresServer, unavailable, until};

impl PostgresServer {
    /// A standby that has this server's data and settings, and more settings of its own, and follows it by streaming
    /// replication. It takes reads only.
    ///
    /// # Errors
    ///
    /// `Unavailable` where this server does not run, or the standby does not follow it.
    pub async fn standby(&self, settings: &[(&str, &str)]) -> Result<Self> {
        let standby = Self::without_data()?;
        let (host, port) = (self.folder().to_string_lossy(), self.port().to_string());
        // This server keeps what the standby lacks while it is down.
        let slot = format!("standby_{}", standby.port());
        let connection = ["--host", &host, "--port", &port, "--username", "postgres", "--no-password"];
        let copy = ["--pgdata", "data", "--checkpoint", "fast", "--no-sync"];
        let follow = ["--write-recovery-conf", "--create-slot", "--slot", &slot];
        standby.run("pg_basebackup", &[&connection[..], &copy, &follow].concat()).await?;
        standby.configure(settings)?;
        let standby = standby.start_first().await?;
        until("the standby follows", || {
            standby.ask("SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
        })
        .await?;
        Ok(standby)
    }

    /// Returns when this standby shows what was committed on its primary before.
    ///
    /// # Errors
    ///
    /// `Unavailable` where that does not come to pass within half a minute, or one of them does not answer.
    pub async fn catch_up_with(&self, primary: &Self) -> Result<()> {
        let written: String = primary.ask("SELECT pg_current_wal_insert_lsn()::text").await?;
        let is_replayed = format!("SELECT pg_last_wal_replay_lsn() >= {}::pg_lsn", literal(&written));
        until("the standby catches up", || self.ask(&is_replayed)).await
    }

    /// Makes this standby a server that takes writes. Its primary is not told, and should be dead.
    ///
    /// # Errors
    ///
    /// `Unavailable` where it is no standby, or not a primary within half a minute.
    pub async fn promote(&self) -> Result<()> {
        // Without waiting, because an answer may take only ten seconds.
        if !self.ask::<bool>("SELECT pg_promote(false)").await? {
            return Err(unavailable("the standby is not promoted"));
        }
        until("the standby is promoted", || self.ask("SELECT NOT pg_is_in_recovery()")).await
    }
}
