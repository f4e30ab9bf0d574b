//! L2: users never mix.

use std::sync::Arc;

use session_store_core::{SetMode, UserId};

use crate::case::{Context, Outcome, key, owned, user};
use crate::check::{gone, lists, live, same};

cases! {
    "L2":
        users_whose_names_look_like_patterns_do_not_mix needs UserIndex,
        users_whose_names_look_alike_do_not_mix needs UserIndex,
        users_of_1_and_of_256_bytes_do_not_mix needs UserIndex;
}

/// Each user has one session and sees only that.
async fn do_not_mix(cx: &Context, names: &[&str]) -> Outcome {
    let store = cx.store().await?;
    let mut owned_by = Vec::new();
    for name in names {
        let (user, key) = (user(name)?, key()?);
        store.set(&key, &owned("data", &user)?, SetMode::Create).await?;
        same(&live(&*store, &key, "after create").await?.meta.user.as_ref(), &Some(&user), "the user that is read")?;
        owned_by.push((user, key));
    }
    for (user, key) in &owned_by {
        lists(&*store, user, &[*key], "each user's list").await?;
    }
    for (n, (user, key)) in owned_by.iter().enumerate() {
        same(&store.destroy_by_user(user, None).await?, &1, "each user's sessions that end")?;
        gone(&*store, key, "after its user's sessions ended").await?;
        same(&store.count().await?, &((owned_by.len() - n - 1) as u64), "the sessions of the other users")?;
    }
    Ok(())
}

async fn users_whose_names_look_like_patterns_do_not_mix(cx: Arc<Context>) -> Outcome {
    let names = [
        "a", "*", "?", "a*", "[a]", "{a}", "{}", "a}", "a:b", ":", "a/b", "%", "_", "a%", "a_", "'", "\"", "'; --",
        "\\", "a\\*", "$a", "$$", "a.b", ".*", "^a$", "a b", " a", "a ", "\t", "a\nb", "a\r\n", "null", "NaN", "0",
        "00", "-1",
    ];
    do_not_mix(&cx, &names).await
}

async fn users_whose_names_look_alike_do_not_mix(cx: Arc<Context>) -> Outcome {
    // One letter é in one code point and in two; Latin, Greek and Cyrillic A; wide and narrow; sharp s.
    let names = [
        "\u{e9}",
        "e\u{301}",
        "A",
        "a",
        "\u{391}",
        "\u{410}",
        "\u{ff21}",
        "ss",
        "\u{df}",
        "I",
        "i",
        "\u{130}",
        "\u{131}",
        "\u{1f600}",
        "\u{1f601}",
        "\u{4f60}\u{597d}",
        "\u{5e9}",
        "x\u{200b}",
        "x",
        "\u{feff}x",
        "\u{fffd}",
        "alice",
        "alic",
    ];
    do_not_mix(&cx, &names).await
}

async fn users_of_1_and_of_256_bytes_do_not_mix(cx: Arc<Context>) -> Outcome {
    let long = "u".repeat(UserId::MAX_LEN);
    let other = format!("{}v", &"u".repeat(UserId::MAX_LEN - 1));
    let wide = "\u{1f600}".repeat(UserId::MAX_LEN / 4);
    do_not_mix(&cx, &["u", &long, &other, &long[..255], &wide]).await
}
