//! What the run has shown: ratios first.

use crate::measure::Subject;
use crate::table::{Target, conclude, ratio, values};

const OF_LOAD: Target = Target::AtLeast(8.0);
const OF_SAVE: Target = Target::AtLeast(3.0);
/// One task waits this many times as long as for the bare driver.
const OF_BARE: Target = Target::AtMost(1.15);

const GET: &str = "get";
const LOAD: &str = "get / load";
const DECODED: &str = "get, decode";
const SET: &str = "set";
const SAVE: &str = "set / save";
const TOUCH: &str = "touch";
const ROTATE: &str = "rotate";

pub(super) fn print(subjects: &[Subject; 13]) {
    let [get, decoded, load, set, save, touch, rotate, one_get, find, plain_find, one_set, update, plain_update] =
        subjects;
    println!("\nmany tasks, times as fast: median of the rounds, middle half of them, target");
    let many = [ratio(LOAD, get, load, Some(OF_LOAD)), ratio(SAVE, set, save, Some(OF_SAVE))];
    // The peer's load always decodes, and a read here never does. Its touch is a save.
    ratio(DECODED, decoded, load, None);
    ratio("touch / save", touch, save, None);

    println!("\none task, times as long: median of the rounds, middle half of them, target");
    let one = [ratio(GET, one_get, find, Some(OF_BARE)), ratio(SET, one_set, update, Some(OF_BARE))];
    ratio(GET, one_get, plain_find, None);
    ratio(SET, one_set, plain_update, None);

    println!("\nmany tasks, thousands a second: median of the rounds, middle half of them");
    let thousands = |operation, subjects: &[&Subject]| values(operation, subjects, 1e-3);
    thousands(GET, &[get]);
    thousands(DECODED, &[decoded, load]);
    thousands(SET, &[set, save]);
    thousands(TOUCH, &[touch]);
    thousands(ROTATE, &[rotate]);

    println!("\none task, microseconds: median of the rounds' medians, middle half of these");
    let microseconds = |operation, subjects: &[&Subject]| values(operation, subjects, 1e6);
    microseconds(GET, &[one_get, find, plain_find]);
    microseconds(SET, &[one_set, update, plain_update]);
    conclude(&[many, one].concat());
}
