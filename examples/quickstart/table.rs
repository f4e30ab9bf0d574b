//! Columns that line up.

use std::time::Duration;

use crate::life::Step;
use crate::sizes::Size;

const MILLISECOND: Duration = Duration::from_millis(1);
const MICROSECOND: Duration = Duration::from_micros(1);

pub(crate) fn steps(steps: &[Step]) -> String {
    let header = [step_line("step", ["count", "total ms", "µs each"], "what it shows"), rule()];
    let lines = steps.iter().map(|step| {
        let each = step.took / u32::try_from(step.count.max(1)).unwrap_or(u32::MAX);
        let total = format!("{:.2}", step.took.div_duration_f64(MILLISECOND));
        let each = format!("{:.1}", each.div_duration_f64(MICROSECOND));
        step_line(step.name, [&step.count.to_string(), &total, &each], &step.shows)
    });
    header.into_iter().chain(lines).collect()
}

fn step_line(step: &str, [count, total, each]: [&str; 3], shows: &str) -> String {
    format!("{step:<10}  {count:>5}  {total:>8}  {each:>7}  {shows}\n")
}

pub(crate) fn sizes(sizes: &[Size]) -> String {
    let header = [size_line("kept as", "bytes", "of JSON"), rule()];
    let lines = sizes.iter().map(|size| {
        let (bytes, ratio) = (format!("{:.0}", size.bytes), format!("{:.3}", size.ratio));
        size_line(size.form, &bytes, &ratio)
    });
    header.into_iter().chain(lines).collect()
}

fn size_line(form: &str, bytes: &str, ratio: &str) -> String {
    format!("{form:<39}  {bytes:>5}  {ratio:>7}\n")
}

fn rule() -> String {
    format!("{}\n", "─".repeat(96))
}
