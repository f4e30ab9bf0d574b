//! N1: namespaces never mix.

use std::sync::Arc;

use session_store_core::{Bytes, ErrorKind, Namespace, SessionKey, SetMode};

use crate::Capability;
use crate::case::{Context, Outcome, key, kind_of, owned, random_name, user};
use crate::check::{gone, live, refused, same, scans};

cases! {
    "N1":
        a_name_that_begins_with_another_is_another,
        a_name_that_looks_like_a_pattern_is_taken_literally,
        a_name_with_quotes_is_taken_literally,
        a_name_in_other_letters_is_another,
        the_longest_names_do_not_mix,
        a_name_out_of_bounds_is_refused;
}

/// One key and one user in every namespace; whatever is done in one is not seen in the others.
async fn do_not_mix(cx: &Context, endings: &[&str]) -> Outcome {
    let (base, key, alice) = (random_name("n")?, key()?, user("alice")?);
    let mut stores = Vec::new();
    for ending in endings {
        let opened = cx.open(&format!("{base}{ending}")).await;
        // A database may refuse some characters, which is an answer (N1), but not letters and digits.
        if kind_of(&opened) == Some(ErrorKind::Config) && !ending.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            continue;
        }
        let store = opened?;
        gone(&*store, &key, "in a new namespace").await?;
        let data = format!("data of {ending}");
        store.set(&key, &owned(&data, &alice)?, SetMode::Create).await?;
        stores.push((store, Bytes::from(data), *ending));
    }
    for (n, (store, data, ending)) in stores.iter().enumerate() {
        same(&live(&**store, &key, "in its namespace").await?.data, data, "the data")?;
        cx.lists(&**store, &alice, &[key], "the user's list").await?;
        scans(&**store, &[key], "a walk through the namespace").await?;
        store.prune(100).await?;
        // Each is emptied in one of three ways.
        match n % 3 {
            0 => same(&store.clear().await?, &1, "what a clear ends")?,
            1 if !cx.harness().lacks().contains(&Capability::UserIndex) => {
                same(&store.destroy_by_user(&alice, None).await?, &1, "what destroy_by_user ends")?;
            }
            _ => same(&store.destroy(&key).await?, &true, "destroy")?,
        }
        for (other, (store, _, another)) in stores.iter().enumerate() {
            let expected: &[SessionKey] = if other > n { &[key] } else { &[] };
            let what = format!("after an end in the namespace ..{ending:?}, that of ..{another:?}");
            same(&store.count().await?, &(expected.len() as u64), &what)?;
            cx.lists(&**store, &alice, expected, &what).await?;
        }
    }
    Ok(())
}

async fn a_name_that_begins_with_another_is_another(cx: Arc<Context>) -> Outcome {
    do_not_mix(&cx, &["", "x", "xy", "_", ":", ":x", "_2", "1", "/", "."]).await
}

async fn a_name_that_looks_like_a_pattern_is_taken_literally(cx: Arc<Context>) -> Outcome {
    do_not_mix(&cx, &["a", "*", "?", "[a]", "[^b]", "{a}", "{}", "\\", "\\*", "%", "_%", ".*", "^", "$", "|a"]).await
}

async fn a_name_with_quotes_is_taken_literally(cx: Arc<Context>) -> Outcome {
    do_not_mix(&cx, &["q", "'", "''", "\"", "\"\"", "`", "';--", "\" x \"", " ", "a b", "\n", "$$", "@", "#"]).await
}

async fn a_name_in_other_letters_is_another(cx: Arc<Context>) -> Outcome {
    do_not_mix(&cx, &["a", "A", "\u{e9}", "e\u{301}", "\u{c9}", "\u{df}", "ss", "\u{1f600}", "\u{430}"]).await
}

async fn the_longest_names_do_not_mix(cx: Arc<Context>) -> Outcome {
    // The random part has 21 bytes.
    let room = Namespace::MAX_LEN - 21;
    let (long, other) = ("l".repeat(room), format!("{}m", "l".repeat(room - 1)));
    let wide = "\u{1f600}".repeat(room / 4);
    do_not_mix(&cx, &[&long, &other, &long[1..], &wide]).await
}

async fn a_name_out_of_bounds_is_refused(cx: Arc<Context>) -> Outcome {
    let base = random_name("n")?;
    let too_long = format!("{base}{}", "l".repeat(Namespace::MAX_LEN - base.len() + 1));
    // Not too many characters, but too many bytes.
    let too_wide = format!("{base}{}", "\u{e9}".repeat((Namespace::MAX_LEN - base.len()) / 2 + 1));
    for name in ["", &too_long, &too_wide, &format!("{base}\0"), &format!("\0{base}")] {
        refused(cx.open(name).await, ErrorKind::Config, "a name out of bounds")?;
    }
    Ok(())
}
