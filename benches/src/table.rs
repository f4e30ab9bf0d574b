//! What a run has shown, in lines, of subjects that took turns.

use crate::measure::{Subject, Summary};

/// What a ratio must reach, or must not exceed.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }

    fn verdict(self, is_met: bool) -> String {
        let verdict = if is_met { "met" } else { "NOT met" };
        match self {
            Self::AtLeast(least) => format!("  at least {least:.2} {verdict}"),
            Self::AtMost(most) => format!("  at most {most:.2} {verdict}"),
        }
    }
}

/// Prints the ratio of a subject to another, and says whether the target is met.
pub(crate) fn ratio(operation: &str, subject: &Subject, other: &Subject, target: Option<Target>) -> bool {
    let Summary { median, low, high } = subject.ratio_to(other);
    let is_met = target.is_none_or(|target| target.is_met(median));
    let verdict = target.map(|target| target.verdict(is_met)).unwrap_or_default();
    let pair = format!("{} / {}", subject.name, other.name);
    println!("  {operation:<13}{pair:<54}{median:>7.2}{low:>8.2} - {high:.2}{verdict}");
    is_met
}

/// Prints what was measured of subjects, so many times as large.
pub(crate) fn values(operation: &str, subjects: &[&Subject], scale: f64) {
    for subject in subjects {
        let Summary { median, low, high } = subject.values();
        let [median, low, high] = [median, low, high].map(|value| value * scale);
        println!("  {operation:<13}{:<54}{median:>7.1}{low:>8.1} - {high:.1}", subject.name);
    }
}

/// Prints what comes of the targets.
pub(crate) fn conclude(are_met: &[bool]) {
    let met = are_met.iter().filter(|is_met| **is_met).count();
    let verdict = if met == are_met.len() { "All targets are met" } else { "NOT every target is met" };
    println!("\n{verdict}: {met} of {}.", are_met.len());
}
