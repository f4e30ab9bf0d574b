//! How many bytes a session takes.

use session_store::codec::{Codec, Dictionary, EncryptionKey, KeyRing};
use session_store::{SessionId, SessionKey};

use crate::check::{Result, ensure};
use crate::session::Session;

/// So many sessions train the dictionary, and so many others are measured.
pub(crate) const MEASURED: usize = 100;
const DICTIONARY: usize = 16 * 1024;
/// What the dictionary must reach: this part of the JSON.
const GOAL: f64 = 0.17;

/// One line of the report: the mean of a session, and its part of the JSON.
pub(crate) struct Size {
    pub(crate) form: &'static str,
    pub(crate) bytes: f64,
    pub(crate) ratio: f64,
}

/// The first of every two sessions trains, the second is measured.
pub(crate) fn measure(sessions: &[Session]) -> Result<Vec<Size>> {
    let training: Vec<_> = sessions.iter().step_by(2).collect();
    let measured: Vec<_> = sessions.iter().skip(1).step_by(2).collect();
    ensure((training.len(), measured.len()) == (MEASURED, MEASURED), "there are two halves of the same size")?;

    let dictionary = Dictionary::train(&training, DICTIONARY)?;
    ensure(dictionary.as_bytes().len() <= DICTIONARY, "the dictionary is as small as it was asked to be")?;
    let small = Codec::new().with_dictionary(dictionary);
    let encrypted = small.clone().with_encryption(KeyRing::new(EncryptionKey::generate()?));
    let json = json_bytes(&measured)?;
    let line = |form, bytes: usize| Size { form, bytes: mean(bytes), ratio: mean(bytes) / mean(json) };
    let smallest = line("MessagePack, zstd, dictionary of 16 KiB", bytes(&small, &measured)?);
    let ratio = smallest.ratio;
    ensure(ratio <= GOAL, &format!("with a dictionary a session takes {GOAL} of its JSON; it takes {ratio:.3}"))?;
    Ok(vec![
        line("JSON", json),
        line("MessagePack", bytes(&Codec::new().with_compression_over(usize::MAX), &measured)?),
        line("MessagePack, zstd", bytes(&Codec::new(), &measured)?),
        smallest,
        line("the same, encrypted", bytes(&encrypted, &measured)?),
    ])
}

fn json_bytes(sessions: &[&Session]) -> Result<usize> {
    sessions.iter().map(|session| Ok(serde_json::to_vec(session)?.len())).sum()
}

/// What a store would keep of the sessions, envelope included, each of which must read back the same.
fn bytes(codec: &Codec, sessions: &[&Session]) -> Result<usize> {
    let key = SessionKey::from(&SessionId::generate()?);
    let mut total = 0;
    for &session in sessions {
        let data = codec.encode(&key, session)?;
        ensure(codec.decode::<Session>(&key, &data)? == *session, "what was encoded decodes to the same")?;
        total += data.len();
    }
    Ok(total)
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred thousand bytes")]
fn mean(total: usize) -> f64 {
    total as f64 / MEASURED as f64
}
