//! Secrets of an application: 32 random bytes.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::{Error, Result, entropy};

const LEN: usize = 32;

/// It is wiped from memory with its last clone, and lies on the heap, so that no move leaves a copy behind.
#[derive(Clone)]
pub(crate) struct Secret(Arc<Zeroizing<[u8; LEN]>>);

impl Secret {
    pub(crate) fn generate() -> Result<Self> {
        let mut outcome = Ok(());
        let secret = Self::filled(|secret| outcome = entropy::fill(secret));
        outcome.map(|()| secret)
    }

    pub(crate) fn from_bytes(bytes: &[u8; LEN]) -> Self {
        Self::filled(|secret| secret.copy_from_slice(bytes))
    }

    fn filled(fill: impl FnOnce(&mut [u8; LEN])) -> Self {
        let mut secret: Arc<Zeroizing<[u8; LEN]>> = Arc::default();
        // Nobody else has it yet, so nothing is copied.
        let place: &mut Zeroizing<[u8; LEN]> = Arc::make_mut(&mut secret);
        fill(place);
        Self(secret)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; LEN] {
        &self.0
    }

    /// 43 characters of base64url.
    pub(crate) fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.as_bytes()))
    }

    /// Reads what `expose` wrote; `what` names it in the error.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self> {
        // The decoder wants room for whole groups of three bytes.
        let mut decoded = Zeroizing::new([0; LEN + 1]);
        match (URL_SAFE_NO_PAD.decode_slice(text, &mut *decoded), decoded.first_chunk::<LEN>()) {
            (Ok(LEN), Some(bytes)) => Ok(Self::from_bytes(bytes)),
            _ => Err(Error::invalid_input(format!(
                "{what} is 32 random bytes as 43 characters of base64url without padding; make one with `generate`"
            ))),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}
