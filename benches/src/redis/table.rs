//! What the run has shown: ratios first.

use crate::measure::{Subject, Summary};

/// A read must reach this part of a bare GET, and so many times the reads of tower-sessions.
const OF_GET: f64 = 0.85;
const OF_TOWER: f64 = 2.2;

const GET: &str = "get";
const LOAD: &str = "get / load";
const DECODED: &str = "get, decode";
const SET: &str = "set";

pub(super) fn print(subjects: &[Subject; 9]) {
    let [get, ours, tower, decoded, tower_decoded, set, script, ours_set, tower_set] = subjects;
    println!("\ntimes as fast: median of the rounds, middle half of them, target");
    // The peer's load always decodes, and a read here never does: the sessions of the corpus, with their fields.
    let reads = [ratio(GET, ours, get, Some(OF_GET)), ratio(LOAD, ours, tower_decoded, Some(OF_TOWER))];
    // The same where there is next to nothing to decode, and the most that any store could reach with this driver.
    ratio(GET, ours, tower, None);
    ratio(GET, get, tower, None);
    ratio(DECODED, decoded, tower_decoded, None);
    for other in [set, script, tower_set] {
        ratio(SET, ours_set, other, None);
    }

    println!("\nthousands a second: median of the rounds, middle half of them");
    rates(GET, &[get, ours, tower]);
    rates(DECODED, &[decoded, tower_decoded]);
    rates(SET, &[set, script, ours_set, tower_set]);
    println!("\n{}", if reads == [true; 2] { "Both targets are met." } else { "NOT every target is met." });
}

/// Prints one line, and says whether the target is met.
fn ratio(operation: &str, subject: &Subject, other: &Subject, target: Option<f64>) -> bool {
    let Summary { median, low, high } = subject.ratio_to(other);
    let is_met = target.is_none_or(|target| median >= target);
    let verdict = if is_met { "met" } else { "NOT met" };
    let target = target.map(|target| format!("  {target:.2} {verdict}")).unwrap_or_default();
    let pair = format!("{} / {}", subject.name, other.name);
    println!("  {operation:<13}{pair:<50}{median:>7.2}{low:>8.2} - {high:.2}{target}");
    is_met
}

fn rates(operation: &str, subjects: &[&Subject]) {
    for subject in subjects {
        let Summary { median, low, high } = subject.rate();
        let [median, low, high] = [median, low, high].map(|rate| rate / 1e3);
        println!("  {operation:<13}{:<50}{median:>7.1}{low:>8.1} - {high:.1}", subject.name);
    }
}
