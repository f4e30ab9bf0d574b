//! What the run has shown: ratios first.

use crate::measure::Subject;
use crate::table::{Target, conclude, ratio, values};

/// A read must reach this part of a bare GET, and so many times the reads of tower-sessions.
const OF_GET: Target = Target::AtLeast(0.85);
const OF_TOWER: Target = Target::AtLeast(2.2);

/// Thousands.
const SCALE: f64 = 1e-3;

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
    values(GET, &[get, ours, tower], SCALE);
    values(DECODED, &[decoded, tower_decoded], SCALE);
    values(SET, &[set, script, ours_set, tower_set], SCALE);
    conclude(&reads);
}
