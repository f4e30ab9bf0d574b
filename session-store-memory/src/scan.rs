//! Where a scan goes on.

use session_store_core::{Result, ScanCursor, SessionKey};

use crate::shard::Shards;

const KIND: &str = "memory";

/// A shard, and the last key of it that was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    pub(crate) shard: usize,
    pub(crate) after: Option<SessionKey>,
}

impl Position {
    pub(crate) fn encode(self) -> ScanCursor {
        let mut bytes = vec![u8::try_from(self.shard).unwrap_or(u8::MAX)];
        bytes.extend(self.after.iter().flat_map(SessionKey::as_bytes));
        ScanCursor::encode(KIND, &bytes)
    }

    pub(crate) fn decode(cursor: &ScanCursor) -> Result<Self> {
        let bytes = cursor.decode(KIND)?;
        let (shard, after) = match bytes.split_first() {
            Some((shard, [])) => (*shard, None),
            Some((shard, after)) => {
                let after = after.try_into().map_err(|_| ScanCursor::refused())?;
                (*shard, Some(SessionKey::from_bytes(after)))
            }
            None => return Err(ScanCursor::refused()),
        };
        let shard = usize::from(shard);
        if shard >= Shards::COUNT {
            return Err(ScanCursor::refused());
        }
        Ok(Self { shard, after })
    }
}
