//! What an error about any bytes may show.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::Mutex;

use crate::{Error, ErrorKind};

/// More than there are reasons to refuse anything.
const MOST_TEXTS: usize = 32;

/// The error is one of few, but for numbers: were there anything in it of what was decoded, they would be many.
pub(crate) fn assert_refused(error: &Error, kind: ErrorKind) {
    static TEXTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert_eq!(error.kind(), kind);
    assert!(error.source().is_none());
    let text = format!("{error} {error:?}").replace(|character: char| character.is_ascii_digit(), "");
    let mut texts = TEXTS.lock().unwrap();
    texts.insert(text);
    assert!(texts.len() <= MOST_TEXTS, "{texts:?}");
}
