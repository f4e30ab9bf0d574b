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

pub(crate) const GET: &str = "get";
pub(crate) const SET: &str = "set";

/// What many tasks do on a store, and on its peer, which loads and saves.
pub(crate) struct Many<'s> {
    pub(crate) get: &'s Subject,
    /// A get that decodes, as the peer's load always does.
    pub(crate) decoded: &'s Subject,
    pub(crate) load: &'s Subject,
    pub(crate) set: &'s Subject,
    pub(crate) save: &'s Subject,
    pub(crate) touch: &'s Subject,
    pub(crate) rotate: &'s Subject,
}

const DECODED: &str = "get, decode";

impl Many<'_> {
    /// Prints how many times as fast the store is, and says of load and save whether the targets are met.
    pub(crate) fn print_ratios(&self, of_load: f64, of_save: f64) -> [bool; 2] {
        println!("\nmany tasks, times as fast: median of the rounds, middle half of them, target");
        let [of_load, of_save] = [of_load, of_save].map(|least| Some(Target::AtLeast(least)));
        let are_met =
            [ratio("get / load", self.get, self.load, of_load), ratio("set / save", self.set, self.save, of_save)];
        ratio(DECODED, self.decoded, self.load, None);
        // Its touch is a save.
        ratio("touch / save", self.touch, self.save, None);
        are_met
    }

    pub(crate) fn print_values(&self) {
        println!("\nmany tasks, thousands a second: median of the rounds, middle half of them");
        let thousands = |operation, subjects: &[&Subject]| values(operation, subjects, 1e-3);
        thousands(GET, &[self.get]);
        thousands(DECODED, &[self.decoded, self.load]);
        thousands(SET, &[self.set, self.save]);
        thousands("touch", &[self.touch]);
        thousands("rotate", &[self.rotate]);
    }
}

/// Prints how long one task waits for each of these.
pub(crate) fn print_latencies(gets: &[&Subject], sets: &[&Subject]) {
    println!("\none task, microseconds: median of the rounds' medians, middle half of these");
    values(GET, gets, 1e6);
    values(SET, sets, 1e6);
}

/// Prints what comes of the targets.
pub(crate) fn conclude(are_met: &[bool]) {
    let met = are_met.iter().filter(|is_met| **is_met).count();
    let verdict = if met == are_met.len() { "All targets are met" } else { "NOT every target is met" };
    println!("\n{verdict}: {met} of {}.", are_met.len());
}
