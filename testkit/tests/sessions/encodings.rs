//! A secret in all the forms in which it could be told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Text of which every character is a byte, so that bytes of any kind can be searched.
pub(crate) fn searchable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// As it is; in hexadecimal digits; in base64, wherever it stands in what was encoded; and as a list of numbers.
pub(crate) fn forms(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![searchable(secret), hex::encode(secret), hex::encode_upper(secret)];
    for offset in 0..3 {
        let whole = [&[0; 2][..offset], secret].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&whole);
            // Not the characters that hold bits of a neighbour.
            forms.push(text[(offset * 8).div_ceil(6)..whole.len() * 8 / 6].to_owned());
        }
    }
    forms.push(format!("{secret:?}").trim_matches(['[', ']']).to_owned());
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(&'static str, Vec<String>)>);

impl Secrets {
    pub(crate) fn add(&mut self, what: &'static str, secret: &[u8]) {
        self.0.push((what, forms(secret)));
    }

    /// Which of them a text shows.
    pub(crate) fn shown_by(&self, text: &str) -> Option<(&'static str, &str)> {
        self.0.iter().find_map(|(what, forms)| {
            forms.iter().find(|form| text.contains(form.as_str())).map(|form| (*what, form.as_str()))
        })
    }
}
