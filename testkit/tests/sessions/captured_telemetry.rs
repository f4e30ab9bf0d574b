//! Everything that this process reports in this process: by tracing, by log, in metrics, and to an audit.

use std::io;
use std::sync::{Arc, Mutex};

use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use session_store_core::observed::{Audit, Event};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("log {} {} {}\n", record.level(), record.target(), record.args());
        self.0.lock().unwrap().extend(line.into_bytes());
    }

    fn flush(&self) {}
}

/// As an application may write an audit that shows nothing.
impl Audit for Lines {
    fn record(&self, event: &Event<'_>) {
        let line = format!("audit {} {} {} {event:?} {event:#?}\n", event.name(), event.reason(), event.count());
        self.0.lock().unwrap().extend(line.into_bytes());
    }
}

pub(crate) struct CapturedTelemetry {
    lines: Lines,
    metrics: Snapshotter,
}

impl CapturedTelemetry {
    /// From now on, in the whole process.
    pub(crate) fn begin() -> Self {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let subscriber = subscriber.with_span_events(FmtSpan::FULL).with_writer(lines.clone());
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        log::set_boxed_logger(Box::new(lines.clone())).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let recorder = DebuggingRecorder::new();
        let metrics = recorder.snapshotter();
        recorder.install().unwrap();
        Self { lines, metrics }
    }

    pub(crate) fn audit(&self) -> impl Audit {
        self.lines.clone()
    }

    pub(crate) fn text(&self) -> String {
        let lines = String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap();
        format!("{lines}{:?}", self.metrics.snapshot().into_vec())
    }
}
