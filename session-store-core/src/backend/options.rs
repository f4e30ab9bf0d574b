//! The settings that every store on a [`Backend`](super::Backend) has.

use std::str::FromStr;
use std::time::Duration;

use crate::{DEFAULT_DATA_LIMIT, Error, Result};

/// The settings that every store on a [`Backend`](super::Backend) has.
///
/// A store's builder embeds them, and [`set`](Self::set) takes them as text, so that an option of a URL or
/// a configuration file is written in one place.
///
/// # Example: options as text
///
/// ```
/// use std::time::Duration;
/// use session_store_core::backend::StoreOptions;
///
/// let mut options = StoreOptions::default();
/// options.set("operation_timeout", "500ms")?;
/// assert_eq!(options.operation_timeout, Duration::from_millis(500));
/// assert!(options.set("operation_timeout", "soon").is_err());
/// assert!(options.set("colour", "blue").is_err());
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// How long an operation on a session may take in all, waiting for a connection and for a batch included:
    /// 1 millisecond to 24 hours. Defaults to 5 seconds.
    pub operation_timeout: Duration,
    /// How long an attempt to connect may take: 1 millisecond to 24 hours. Defaults to 2 seconds.
    pub connect_timeout: Duration,
    /// How long a bulk operation (a list, `destroy_by_user`, `prune`, `count`, `clear`, `scan`) may take in all; each of
    /// its statements has the operation timeout. 1 millisecond to 24 hours. Defaults to 5 minutes.
    pub bulk_timeout: Duration,
    /// The most bytes of data of one session: 1 or more, up to what the database can hold. Defaults to 1 MiB.
    pub data_limit: usize,
    /// The most sessions that one statement reads or changes: 1 to 10,000. 1 turns batching off. Defaults to 64.
    pub batch_size: usize,
    /// The most bytes that one statement carries; a single session may have more. Defaults to 1 MiB.
    pub batch_bytes: usize,
    /// How many batches of a kind are in flight at once: 1 or more. More batches in flight are smaller ones. Defaults
    /// to 3: three keep a server busy, also while one of them waits for the disk. Not used where `batch_size` is 1: then
    /// only the connections limit the statements.
    pub batches_in_flight: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            operation_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            bulk_timeout: Duration::from_mins(5),
            data_limit: DEFAULT_DATA_LIMIT,
            batch_size: 64,
            batch_bytes: 1 << 20,
            batches_in_flight: 3,
        }
    }
}

impl StoreOptions {
    /// The largest `batch_size`: more sessions make a batch no faster, and one statement should not take long.
    pub const MAX_BATCH_SIZE: usize = 10_000;

    /// The options that [`set`](Self::set) takes, each with the form of its value.
    pub const NAMES: [(&'static str, &'static str); 6] = [
        ("operation_timeout", TIME),
        ("connect_timeout", TIME),
        ("bulk_timeout", TIME),
        ("data_limit", BYTES),
        ("batch_size", COUNT),
        ("batches_in_flight", COUNT),
    ];

    /// Sets one option from text.
    ///
    /// # Errors
    ///
    /// `Config` if there is no option of this name, or its value cannot be read. The error names the option and never
    /// shows the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "operation_timeout" => self.operation_timeout = read(name, TIME, parse_duration(value))?,
            "connect_timeout" => self.connect_timeout = read(name, TIME, parse_duration(value))?,
            "bulk_timeout" => self.bulk_timeout = read(name, TIME, parse_duration(value))?,
            "data_limit" => self.data_limit = read(name, BYTES, parse_count(value))?,
            "batch_size" => self.batch_size = read(name, COUNT, parse_count(value))?,
            "batches_in_flight" => self.batches_in_flight = read(name, COUNT, parse_count(value))?,
            _ => {
                let names = Self::NAMES.map(|(name, _)| name).join(", ");
                return Err(Error::config(format!("unknown option; a store has these: {names}")));
            }
        }
        Ok(())
    }

    /// Refuses settings that no store can keep. `largest_data` is the largest data limit that the database can hold.
    ///
    /// # Errors
    ///
    /// `Config`, with the name of the setting.
    pub fn check(&self, largest_data: usize) -> Result<()> {
        let timeouts = [
            ("operation_timeout", self.operation_timeout),
            ("connect_timeout", self.connect_timeout),
            ("bulk_timeout", self.bulk_timeout),
        ];
        for (name, timeout) in timeouts {
            if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
                return Err(Error::config(format!("{name} is {timeout:?}; it must be between 1 ms and 24 hours")));
            }
        }
        if !(1..=largest_data).contains(&self.data_limit) {
            return Err(Error::config(format!(
                "data_limit must be between 1 and {largest_data} bytes, which is what the database can hold"
            )));
        }
        if !(1..=Self::MAX_BATCH_SIZE).contains(&self.batch_size) {
            return Err(Error::config("batch_size must be between 1 and 10,000"));
        }
        if self.batches_in_flight == 0 || self.batch_bytes == 0 {
            return Err(Error::config("batches_in_flight and batch_bytes must be at least 1"));
        }
        Ok(())
    }
}

/// Writes the setters of [`StoreOptions`](crate::backend::StoreOptions) into a store's builder, which has them in its
/// field `options`.
///
/// # Example: a builder with the options of all stores
///
/// ```
/// use std::time::Duration;
/// use session_store_core::backend::StoreOptions;
///
/// /// Builds a store.
/// #[derive(Default)]
/// pub struct MyStoreBuilder {
///     options: StoreOptions,
/// }
///
/// impl MyStoreBuilder {
///     session_store_core::store_option_setters!();
/// }
///
/// let builder = MyStoreBuilder::default().bulk_timeout(Duration::from_secs(60)).option("batch_size", "10")?;
/// assert_eq!(builder.options.batch_size, 10);
/// # Ok::<(), session_store_core::Error>(())
/// ```
#[macro_export]
macro_rules! store_option_setters {
    () => {
        /// Sets all options that every store has.
        #[must_use]
        pub fn options(mut self, options: $crate::backend::StoreOptions) -> Self {
            self.options = options;
            self
        }

        /// Sets one of these options from text, as in a URL or a configuration file.
        ///
        /// # Errors
        ///
        /// `Config` if there is no option of this name, or its value cannot be read.
        pub fn option(mut self, name: &str, value: &str) -> $crate::Result<Self> {
            self.options.set(name, value)?;
            Ok(self)
        }

        /// Sets how long an operation on a session may take in all, waiting for a connection and a batch included: 1
        /// millisecond to 24 hours. Defaults to 5 seconds.
        #[must_use]
        pub fn operation_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.options.operation_timeout = timeout;
            self
        }

        /// Sets how long an attempt to connect may take: 1 millisecond to 24 hours. Defaults to 2 seconds.
        #[must_use]
        pub fn connect_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.options.connect_timeout = timeout;
            self
        }

        /// Sets how long a list, `destroy_by_user`, `prune`, `count`, `clear` or `scan` may take in all; each of its
        /// statements has the operation timeout. 1 millisecond to 24 hours. Defaults to 5 minutes.
        #[must_use]
        pub fn bulk_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.options.bulk_timeout = timeout;
            self
        }

        /// Sets the most bytes of data of one session. Defaults to 1 MiB.
        #[must_use]
        pub fn data_limit(mut self, bytes: usize) -> Self {
            self.options.data_limit = bytes;
            self
        }

        /// Sets the most sessions that one statement reads or changes: 1 to 10,000. 1 turns batching off. Defaults to
        /// 64.
        #[must_use]
        pub fn batch_size(mut self, sessions: usize) -> Self {
            self.options.batch_size = sessions;
            self
        }

        /// Sets how many batches of a kind are in flight at once. More of them are smaller ones.
        #[must_use]
        pub fn batches_in_flight(mut self, count: usize) -> Self {
            self.options.batches_in_flight = count;
            self
        }
    };
}

const TIME: &str = "a time such as `500ms`, `5s` or `2m`, from 1 millisecond to 24 hours";
const BYTES: &str = "a number of bytes, 1 or more";
const COUNT: &str = "a number, 1 or more";

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

fn read<V>(name: &str, takes: &str, value: Option<V>) -> Result<V> {
    value.ok_or_else(|| Error::config(format!("the value of `{name}` cannot be read; it takes {takes}")))
}

/// Reads a number and its unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_lowercase());
    let count: u64 = parse_digits(digits)?;
    let millis = match text.strip_prefix(digits)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let time = Duration::from_millis(count.checked_mul(millis)?);
    (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&time).then_some(time)
}

fn parse_count(text: &str) -> Option<usize> {
    parse_digits(text).filter(|count| *count > 0)
}

/// Reads digits alone: Rust's own numbers may have a sign.
fn parse_digits<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let good = [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1ms", 1), ("1440m", 86_400_000), ("007s", 7_000)];
        for (text, millis) in good {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        let huge = format!("{}m", u64::MAX);
        let bad =
            ["", "5", "s", "ms", "0s", "0ms", "5 s", " 5s", "-5s", "+5s", "1.5s", "5S", "5h", "5sm", "s5", "1441m"];
        for text in bad.into_iter().chain(["86400001ms", "5s5", "٥s", &huge]) {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn counts_are_digits_and_not_zero() {
        assert_eq!(parse_count("1048576"), Some(1_048_576));
        for text in ["", "0", "-1", "+1", "1e3", "0x10", "1_000", " 1", "99999999999999999999"] {
            assert_eq!(parse_count(text), None, "{text}");
        }
    }

    #[test]
    fn every_option_is_set_by_its_name_and_a_bad_value_is_not_shown() {
        let mut options = StoreOptions::default();
        for (name, takes) in StoreOptions::NAMES {
            let value = if takes == TIME { "7s" } else { "7" };
            let before = options;
            options.set(name, value).unwrap();
            assert_ne!(options, before, "{name}");
            let error = options.set(name, "hunter2").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name) && error.to_string().contains(takes), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = options.set("hunter2", "1").unwrap_err();
        assert!(error.to_string().contains("batch_size") && !error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn settings_out_of_their_bounds_are_refused_by_name() {
        let usual = StoreOptions::default();
        usual.check(usize::MAX).unwrap();
        let mut refused = Vec::new();
        for timeout in [Duration::ZERO, Duration::from_micros(999), Duration::from_hours(25)] {
            refused.push(("operation_timeout", StoreOptions { operation_timeout: timeout, ..usual }));
            refused.push(("connect_timeout", StoreOptions { connect_timeout: timeout, ..usual }));
            refused.push(("bulk_timeout", StoreOptions { bulk_timeout: timeout, ..usual }));
        }
        refused.extend([0, 2_000_000].map(|data_limit| ("data_limit", StoreOptions { data_limit, ..usual })));
        refused.extend([0, 10_001].map(|batch_size| ("batch_size", StoreOptions { batch_size, ..usual })));
        refused.push(("batches_in_flight", StoreOptions { batches_in_flight: 0, ..usual }));
        for (name, options) in refused {
            let error = options.check(1_500_000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
