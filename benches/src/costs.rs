//! What a store costs besides time: bytes that are kept and bytes that are written.

use std::sync::Arc;

use session_store_core::SessionKey;
use session_store_core::codec::{Codec, Dictionary};

use crate::corpus::{self, Session};
use crate::measure::Summary;
use crate::report::{Report, Table, Target, Want};
use crate::result::Result;
use crate::store::{Store, each};

/// How many sessions are touched to see what that writes.
const TOUCHED: usize = 20_000;

/// How many bytes a server has of something.
pub(crate) trait Bytes {
    fn bytes(&self) -> impl Future<Output = Result<f64>>;
}

/// How many bytes more there are for each of so many, after something was done.
pub(crate) async fn each_costs<T>(
    bytes: &impl Bytes,
    count: usize,
    act: impl Future<Output = Result<T>>,
) -> Result<(f64, T)> {
    let before = bytes.bytes().await?;
    let done = act.await?;
    Ok(((bytes.bytes().await? - before) / f64::from(u32::try_from(count)?), done))
}

/// How many bytes one touch of a store writes into the server's log.
pub(crate) async fn of_touch<S: Store>(log: &impl Bytes, store: &Arc<S>) -> Result<f64> {
    let store = Arc::clone(store);
    let touch = each(TOUCHED, move |session| {
        let store = Arc::clone(&store);
        async move { store.touch(session).await }
    });
    Ok(each_costs(log, TOUCHED, touch).await?.0)
}

/// A table of bytes by subject.
pub(crate) fn table(title: &str, rows: &[(&str, f64)]) -> Table {
    let first = rows.first().map_or(1.0, |(_, bytes)| *bytes);
    Table {
        title: title.to_owned(),
        heads: ["", "bytes", "times as many as the first"].map(str::to_owned).to_vec(),
        rows: rows
            .iter()
            .map(|(name, bytes)| vec![(*name).to_owned(), format!("{bytes:.0}"), format!("{:.2}", bytes / first)])
            .collect(),
    }
}

/// How long the data of a session are in each form, and whether ours are short enough.
pub(crate) fn of_forms(report: &mut Report) -> Result {
    let (sessions, typed) = (corpus::sessions()?, corpus::typed()?);
    let (training, measured) = typed.split_at(typed.len() / 2);
    let mean = |codec: &Codec| -> Result<f64> {
        let lengths = measured.iter().map(|session| Ok(codec.encode(&SessionKey::from_bytes([0; 32]), session)?.len()));
        average(lengths.collect::<Result<Vec<_>>>()?)
    };
    let of = |length: fn(&Session) -> usize| average(sessions.iter().skip(training.len()).map(length).collect());
    let dictionary = Codec::new().with_dictionary(Dictionary::train(training, 16 * 1_024)?);
    let rows = [
        ("JSON, as axum_session and actix-session keep it", of(|session| session.json.len())?),
        ("MessagePack, as tower-sessions keeps it", of(|session| session.messagepack.len())?),
        ("Sessions<T>, the default codec", mean(&Codec::new())?),
        ("Sessions<T>, zstd at level 3", mean(&Codec::new().with_compression_level(3))?),
        ("Sessions<T>, a dictionary of 16 KiB", mean(&dictionary)?),
    ];
    let [(_, json), _, _, (_, level_3), (_, trained)] = rows;
    report.tables.push(table("Bytes of the data of a session", &rows));
    for (what, bytes, most) in
        [("without a dictionary, at level 3", level_3, 0.5), ("with a dictionary", trained, 0.17)]
    {
        report.targets.push(Target::of_value(
            format!("stored bytes {what}, of JSON"),
            bytes / json,
            Want::AtMost(most),
        ));
    }
    Ok(())
}

fn average(lengths: Vec<usize>) -> Result<f64> {
    let count = f64::from(u32::try_from(lengths.len())?);
    Ok(f64::from(u32::try_from(lengths.into_iter().sum::<usize>())?) / count)
}

/// A target for how little slower the largest of some sizes is than the smallest.
pub(crate) fn want_flat(report: &mut Report, slowest: f64) {
    let grown: Vec<_> = report.comparisons.iter().filter(|it| it.what.ends_with(crate::report::BY_SIZE)).collect();
    let targets: Vec<_> = grown
        .iter()
        .filter_map(|comparison| {
            let (first, last) = (comparison.rows.first()?, comparison.rows.last()?);
            let value: Summary = first.times_as_fast(last);
            let what = format!("{}: time at {}, times that at {}", comparison.what, last.subject, first.subject);
            Some(Target::new(what, value, Want::AtMost(slowest)))
        })
        .collect();
    report.targets.extend(targets);
}
