//! Times as people say them, by the store's clock alone.

use std::time::Duration;

use maud::{Markup, html};
use session_store::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time in the past, seen from when the store read it.
pub(crate) fn past(then: Timestamp, read_at: Timestamp) -> Markup {
    let since = read_at.saturating_since(then);
    time(then, &if since < Duration::from_secs(5) { "just now".to_owned() } else { format!("{} ago", length(since)) })
}

/// A time to come.
pub(crate) fn future(then: Timestamp, read_at: Timestamp) -> Markup {
    time(then, &format!("in {}", length(then.saturating_since(read_at))))
}

fn time(then: Timestamp, words: &str) -> Markup {
    let Ok(then) = jiff::Timestamp::from_millisecond(then.as_millis()) else { return html! { (words) } };
    html! {
        time datetime=(then) { (words) }
        span.exactly { (then.strftime("%-d %b %Y, %H:%M UTC")) }
    }
}

/// To the nearest of the largest unit of which there is one.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..MINUTE => (seconds, "second"),
        MINUTE..HOUR => (nearest(seconds, MINUTE), "minute"),
        HOUR..DAY => (nearest(seconds, HOUR), "hour"),
        _ => (nearest(seconds, DAY), "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn nearest(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_in_the_largest_unit() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (149, "2 minutes"),
            (3599, "60 minutes"),
            (3600, "1 hour"),
            (7100, "2 hours"),
            (86_400, "1 day"),
            (90 * 86_400, "90 days"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn a_time_is_said_from_the_stores_point_of_view() {
        let read_at = Timestamp::from_millis(1_700_000_000_000);
        let before = Timestamp::from_millis(1_699_999_880_000);
        let said = past(before, read_at).into_string();
        assert!(said.contains("2 minutes ago") && said.contains("14 Nov 2023, 22:11 UTC"), "{said}");
        assert!(past(read_at, read_at).into_string().contains("just now"));
        assert!(future(read_at, before).into_string().contains("in 2 minutes"));
    }
}
