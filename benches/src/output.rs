//! A report in all its forms.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use crate::chart;
use crate::measure::Summary;
use crate::report::{Comparison, Report, Row, Target, tasks};
use crate::result::Result;

/// Writes all forms into the folder of results, and prints the Markdown.
pub(crate) fn write(report: &Report) -> Result {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{}.json", report.database)), serde_json::to_string_pretty(report)? + "\n")?;
    let charts = chart::all(report)?;
    for chart in &charts {
        let name = format!("{}-{}", report.database, chart.name);
        fs::write(folder.join(format!("{name}.svg")), &chart.svg)?;
        fs::write(folder.join(format!("{name}.png")), &chart.png)?;
    }
    let text = markdown(report, &charts)?;
    fs::write(folder.join(format!("{}.md", report.database)), &text)?;
    println!("{text}");
    eprintln!("benches: written into {}", folder.display());
    Ok(())
}

fn markdown(report: &Report, charts: &[chart::Chart]) -> Result<String> {
    let mut text = format!("# {}\n\n{}, on {}; {}.\n", report.title, report.server, report.machine, report.date);
    text += "Medians of rounds in which all subjects took turns; in brackets the middle half of the rounds.\n";
    if !report.targets.is_empty() {
        text += "\n## Targets\n\n| what | reached | target | |\n| --- | --- | --- | --- |\n";
    }
    for Target { what, value, want, is_met } in &report.targets {
        let verdict = if *is_met { "met" } else { "**not met**" };
        writeln!(text, "| {what} | {} | {want} | {verdict} |", Ranged(*value))?;
    }
    for chart in charts {
        writeln!(text, "\n![{}]({}-{}.svg)", chart.title, report.database, chart.name)?;
    }
    for comparison in &report.comparisons {
        write_comparison(&mut text, comparison)?;
    }
    for table in &report.tables {
        writeln!(text, "\n## {}\n\n| {} |", table.title, table.heads.join(" | "))?;
        writeln!(text, "|{}", " --- |".repeat(table.heads.len()))?;
        for row in &table.rows {
            writeln!(text, "| {} |", row.join(" | "))?;
        }
    }
    Ok(text)
}

fn write_comparison(text: &mut String, comparison: &Comparison) -> fmt::Result {
    let Some(ours) = comparison.rows.first() else { return Ok(()) };
    writeln!(text, "\n## {}, {}\n", comparison.what, tasks(comparison.tasks))?;
    writeln!(
        text,
        "| | times as fast is {} | thousands a second | median wait, µs | CPU of the server, µs |",
        ours.subject
    )?;
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for row in &comparison.rows {
        let Row { subject, rate, wait, server, .. } = row;
        let (times, rate) = (Ranged(ours.times_as_fast(row)), Ranged(rate.times(1e-3)));
        writeln!(text, "| {subject} | {times} | {rate} | {:.1} | {:.2} |", wait.median, server.median)?;
    }
    Ok(())
}

/// A median, and between which two the middle half lies.
struct Ranged(Summary);

impl fmt::Display for Ranged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { median, low, high } = self.0;
        let is_exact = (high - low).abs() < f64::EPSILON;
        if is_exact { write!(f, "{median:.3}") } else { write!(f, "{median:.2} ({low:.2} - {high:.2})") }
    }
}
