//! The files of a fuzzer's corpus, as ordinary tests.
//!
//! ```no_run
//! use testkit::corpus::Corpus;
//!
//! fn decode(_bytes: &[u8]) {}
//!
//! let corpus = Corpus::new(env!("CARGO_MANIFEST_DIR"), "document");
//! corpus.assert_seeds(&[("empty", vec![])]);
//! corpus.run(decode);
//! ```

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "it panics if the test fails")]

use std::env;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The corpus of one decoder: the folder `corpus/<decoder>` of a crate.
#[derive(Debug)]
pub struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    /// Returns the corpus of a decoder, in the crate that has this folder: `env!("CARGO_MANIFEST_DIR")`.
    #[must_use]
    pub fn new(crate_folder: &str, decoder: &str) -> Self {
        Self { folder: Path::new(crate_folder).join("corpus").join(decoder) }
    }

    /// Runs the decoder on every file. Panics if the decoder does, or if there is no file.
    pub fn run(&self, decode: fn(&[u8])) {
        let files = fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        let runs = files.map(|file| {
            let bytes = fs::read(&file).unwrap();
            assert!(catch_unwind(|| decode(&bytes)).is_ok(), "{}", file.display());
        });
        assert!(runs.count() > 0, "{} is empty", self.folder.display());
    }

    /// Panics if the file of a seed differs from the seed as it is built now.
    ///
    /// The seeds are kept as files for the fuzzer. With `SESSION_STORE_WRITE_SEEDS=1` they are written, too.
    pub fn assert_seeds(&self, seeds: &[(&str, Vec<u8>)]) {
        for (name, bytes) in seeds {
            let file = self.folder.join(name);
            if env::var_os("SESSION_STORE_WRITE_SEEDS").is_some() {
                fs::write(&file, bytes).unwrap();
            }
            assert!(fs::read(&file).is_ok_and(|kept| kept == *bytes), "{} is not as it is built", file.display());
        }
    }
}
