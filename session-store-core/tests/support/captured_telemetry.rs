//! Captures logs and metrics while a test runs.
#![allow(dead_code, reason = "each test looks at a part of it")]

#[cfg(feature = "observed")]
mod captured_events;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::runtime::Builder;

#[cfg(feature = "observed")]
#[allow(unused_imports, reason = "each test looks at a part of it")]
pub(crate) use self::captured_events::CapturedEvents;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What was logged, and each metric by its name and labels.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) log: String,
    pub(crate) metrics: BTreeMap<String, DebugValue>,
}

impl Telemetry {
    /// Counters whose name and labels contain this.
    pub(crate) fn counters(&self, part: &str) -> Vec<(&str, u64)> {
        let counter = |(name, value)| match value {
            &DebugValue::Counter(count) => Some((String::as_str(name), count)),
            _ => None,
        };
        self.metrics.iter().filter(|(name, _)| name.contains(part)).filter_map(counter).collect()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counters(name).iter().map(|(_, count)| count).sum()
    }

    pub(crate) fn histogram(&self, name: &str) -> Vec<f64> {
        match self.metrics.get(name) {
            Some(DebugValue::Histogram(values)) => values.iter().map(|value| value.0).collect(),
            _ => Vec::new(),
        }
    }

    /// The lines of the log that contain this.
    pub(crate) fn lines(&self, part: &str) -> Vec<&str> {
        self.log.lines().filter(|line| line.contains(part)).collect()
    }
}

/// Runs a test in a runtime whose time is paused, and captures what is logged and measured meanwhile.
pub(crate) fn capture<F: Future>(test: impl FnOnce() -> F) -> (Telemetry, F::Output) {
    let (log, recorder) = (Log::default(), DebuggingRecorder::new());
    let measured = recorder.snapshotter();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || written.clone())
        .with_ansi(false)
        .finish();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let answer = tracing::subscriber::with_default(subscriber, || {
        metrics::with_local_recorder(&recorder, || runtime.block_on(async { test().await }))
    });
    let measured = measured.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (Telemetry { log, metrics: measured.collect() }, answer)
}
