//! What the run has shown: ratios first.

use crate::measure::Subject;
use crate::table::{GET, Many, SET, Target, conclude, print_latencies, ratio};

const OF_LOAD: f64 = 8.0;
const OF_SAVE: f64 = 3.0;
/// One task waits this many times as long as for the bare driver.
const OF_BARE: Target = Target::AtMost(1.15);

pub(super) fn print(subjects: &[Subject; 13]) {
    let [get, decoded, load, set, save, touch, rotate, one @ ..] = subjects;
    let [one_get, find, plain_find, one_set, update, plain_update] = one;
    let many = Many { get, decoded, load, set, save, touch, rotate };
    let are_met = many.print_ratios(OF_LOAD, OF_SAVE);

    println!("\none task, times as long: median of the rounds, middle half of them, target");
    let one = [ratio(GET, one_get, find, Some(OF_BARE)), ratio(SET, one_set, update, Some(OF_BARE))];
    ratio(GET, one_get, plain_find, None);
    ratio(SET, one_set, plain_update, None);

    many.print_values();
    print_latencies(&[one_get, find, plain_find], &[one_set, update, plain_update]);
    conclude(&[are_met, one].concat());
}
