//! Charts of what a run has shown.

use charts_rs::{BarChart, ChartBase, LineChart, Series, svg_to_png_with_size};

use crate::report::{BY_SIZE, Comparison, Report, tasks};
use crate::result::Result;
use crate::store::Workload;

pub(crate) struct Chart {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) svg: String,
    pub(crate) png: Vec<u8>,
}

const WIDTH: f32 = 900.0;
const HEIGHT: f32 = 420.0;

/// Those that there are figures for.
pub(crate) fn all(report: &Report) -> Result<Vec<Chart>> {
    let charts = [times_as_fast(report)?, by_tasks(report)?, by_size(report)?];
    Ok(charts.into_iter().flatten().collect())
}

/// How many times as fast the first subject is as the others, at each workload.
fn times_as_fast(report: &Report) -> Result<Option<Chart>> {
    let is_workload =
        |comparison: &&Comparison| Workload::COMPARED.iter().any(|workload| workload.to_string() == comparison.what);
    let Some(tasks) = report.comparisons.iter().find(is_workload).map(|comparison| comparison.tasks) else {
        return Ok(None);
    };
    let chosen: Vec<_> =
        report.comparisons.iter().filter(is_workload).filter(|comparison| comparison.tasks == tasks).collect();
    let Some(ours) = chosen.first().and_then(|comparison| comparison.rows.first()) else { return Ok(None) };
    // Those that do the same: not what is decoded as well, nor what is sent many at a time.
    let is_peer = |name: &&str| {
        *name != ours.subject
            && !name.starts_with("Sessions<T>")
            && chosen.iter().all(|comparison| comparison.row(name).is_ok())
    };
    let names: Vec<_> = chosen
        .first()
        .map(|comparison| comparison.rows.iter().map(|row| row.subject.as_str()).filter(is_peer).collect())
        .unwrap_or_default();
    let series = names.iter().map(|name| {
        let ratios = chosen.iter().map(|comparison| {
            let (ours, other) = (comparison.rows.first()?, comparison.row(name).ok()?);
            Some(short(ours.times_as_fast(other).median))
        });
        let mut series = Series::new_nullable((*name).to_owned(), ratios.collect());
        series.label_show = true;
        series
    });
    let title = format!("{}: times as fast as, {tasks} tasks", ours.subject);
    let categories = chosen.iter().map(|comparison| comparison.what.clone()).collect();
    let mut chart = BarChart::new(series.collect(), categories);
    lay_out(&mut chart.base, &title);
    Ok(Some(drawn("ratios", title, chart.svg()?)?))
}

/// Thousands of loads a second by the number of tasks.
fn by_tasks(report: &Report) -> Result<Option<Chart>> {
    let load = Workload::Load.to_string();
    let mut chosen: Vec<_> = report.comparisons.iter().filter(|comparison| comparison.what == load).collect();
    chosen.sort_by_key(|comparison| comparison.tasks);
    let Some(first) = chosen.first().filter(|_| chosen.len() > 2) else { return Ok(None) };
    let everywhere = |name: &&str| chosen.iter().all(|comparison| comparison.row(name).is_ok());
    let names = first.rows.iter().map(|row| row.subject.as_str()).filter(everywhere);
    let series = names.map(|name| {
        let rates = chosen.iter().filter_map(|comparison| comparison.row(name).ok());
        Series::new(name.to_owned(), rates.map(|row| short(row.rate.median / 1e3)).collect())
    });
    let categories = chosen.iter().map(|comparison| tasks(comparison.tasks)).collect();
    let title = "load: thousands a second".to_owned();
    Ok(Some(drawn("tasks", title.clone(), lines(&title, series.collect(), categories)?)?))
}

/// Thousands a second by the number of sessions in the store.
fn by_size(report: &Report) -> Result<Option<Chart>> {
    let grown = |comparison: &&Comparison| comparison.what.ends_with(BY_SIZE);
    let chosen: Vec<_> = report.comparisons.iter().filter(grown).collect();
    let Some(first) = chosen.first() else { return Ok(None) };
    let series = chosen.iter().map(|comparison| {
        let rates = comparison.rows.iter().map(|row| short(row.rate.median / 1e3));
        let name = comparison.what.split(',').next().unwrap_or_default();
        Series::new(name.to_owned(), rates.collect())
    });
    let categories = first.rows.iter().map(|row| row.subject.clone()).collect();
    let title = "thousands a second, by the sessions in the store".to_owned();
    Ok(Some(drawn("growth", title.clone(), lines(&title, series.collect(), categories)?)?))
}

fn lines(title: &str, series: Vec<Series>, categories: Vec<String>) -> Result<String> {
    let mut chart = LineChart::new(series, categories);
    lay_out(&mut chart.base, title);
    for axis in &mut chart.y_axis_configs {
        axis.min = Some(0.0);
    }
    Ok(chart.svg()?)
}

fn lay_out(base: &mut ChartBase, title: &str) {
    title.clone_into(&mut base.title.text);
    (base.width, base.height) = (WIDTH, HEIGHT);
    base.margin = 12.0.into();
    base.legend.margin = Some(charts_rs::Box { top: 34.0, bottom: 12.0, ..Default::default() });
}

fn drawn(name: &'static str, title: String, svg: String) -> Result<Chart> {
    let png = svg_to_png_with_size(&svg, Some(1_800), None)?;
    Ok(Chart { name, title, svg, png })
}

/// With two digits, as it is shown.
#[allow(clippy::cast_possible_truncation, reason = "a chart needs few digits")]
fn short(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}
