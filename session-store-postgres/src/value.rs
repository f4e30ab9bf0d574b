//! The values of a statement: sent beside it or, through a transaction pooler, written into it.

use std::fmt::Write as _;
use std::time::Duration;

use session_store_core::backend::Deadline;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

/// A value of a statement. It has no `Debug`, which would show keys, users and data.
pub(crate) enum Value<'v> {
    Bytes(Option<&'v [u8]>),
    Int(i64),
    Text(&'static str),
    ManyBytes(Vec<Option<&'v [u8]>>),
    ManyInts(Vec<i64>),
    ManyTexts(Vec<&'static str>),
    /// How long the statement may wait for a row, in milliseconds, from the moment at which it is sent.
    LockTimeout(Deadline),
}

/// What a lock timeout leaves of the time until the deadline, so that the server's answer arrives before it.
pub(crate) const LOCK_MARGIN: Duration = Duration::from_millis(200);

fn lock_timeout(deadline: Deadline) -> i64 {
    let timeout = deadline.remaining().saturating_sub(LOCK_MARGIN);
    // 0 would turn the timeout off.
    i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).clamp(1, i64::from(i32::MAX))
}

impl<'v> Value<'v> {
    pub(crate) fn bind<'q>(&'q self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        match self {
            Self::Bytes(bytes) => query.bind(bytes),
            Self::Int(int) => query.bind(int),
            Self::Text(text) => query.bind(text),
            Self::ManyBytes(many) => query.bind(many),
            Self::ManyInts(many) => query.bind(many),
            Self::ManyTexts(many) => query.bind(many),
            Self::LockTimeout(deadline) => query.bind(lock_timeout(*deadline)),
        }
    }

    /// Returns the one value of an array of one.
    pub(crate) fn single(&self) -> Option<Value<'v>> {
        Some(match self {
            Self::ManyBytes(many) => Self::Bytes(*single(many)?),
            Self::ManyInts(many) => Self::Int(*single(many)?),
            Self::ManyTexts(many) => Self::Text(single(many)?),
            _ => return None,
        })
    }

    fn write(&self, sql: &mut String) {
        match self {
            Self::Bytes(bytes) => write_bytes(*bytes, sql),
            Self::Int(int) => write_int(*int, sql),
            Self::Text(text) => write_text(text, sql),
            Self::ManyBytes(many) => write_many(many, "bytea", sql, |bytes, sql| write_bytes(*bytes, sql)),
            Self::ManyInts(many) => write_many(many, "bigint", sql, |int, sql| write_int(*int, sql)),
            Self::ManyTexts(many) => write_many(many, "text", sql, |text, sql| write_text(text, sql)),
            Self::LockTimeout(deadline) => write_int(lock_timeout(*deadline), sql),
        }
    }
}

fn single<T>(many: &[T]) -> Option<&T> {
    many.first().filter(|_| many.len() == 1)
}

/// Returns the statement with its values in the places of `$1` and so on. Between double quotes is a name, which may
/// have any characters.
pub(crate) fn write_values(sql: &str, values: &[Value<'_>]) -> String {
    let mut written = String::with_capacity(sql.len());
    for (n, part) in sql.split('"').enumerate() {
        if n > 0 {
            written.push('"');
        }
        let is_name = n % 2 == 1;
        let mut pieces = part.split('$');
        written.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let end = piece.find(|character: char| !character.is_ascii_digit()).unwrap_or(piece.len());
            let (digits, rest) = piece.split_at(end);
            let place = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            if let Some(value) = place.and_then(|place| values.get(place)).filter(|_| !is_name) {
                value.write(&mut written);
                written.push_str(rest);
            } else {
                written.push('$');
                written.push_str(piece);
            }
        }
    }
    written
}

fn write_many<T>(many: &[T], of: &str, sql: &mut String, write_one: impl Fn(&T, &mut String)) {
    sql.push_str("ARRAY[");
    for (n, one) in many.iter().enumerate() {
        if n > 0 {
            sql.push(',');
        }
        write_one(one, sql);
    }
    // Writing to a string does not fail.
    let _ = write!(sql, "]::{of}[]");
}

/// Writes hexadecimal digits, so that no byte has a meaning in SQL.
fn write_bytes(bytes: Option<&[u8]>, sql: &mut String) {
    match bytes {
        Some(bytes) => {
            let _ = write!(sql, "E'\\\\x{}'::bytea", hex::encode(bytes));
        }
        None => sql.push_str("NULL::bytea"),
    }
}

fn write_int(int: i64, sql: &mut String) {
    let _ = write!(sql, "({int})::bigint");
}

/// Writes a word of the statements' own, which needs no escaping.
fn write_text(text: &'static str, sql: &mut String) {
    let _ = write!(sql, "'{text}'::text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_their_places_and_not_into_names() {
        let values = [
            Value::Bytes(Some(b"a'\\")),
            Value::Bytes(None),
            Value::Int(-1),
            Value::Text("ok"),
            Value::ManyBytes(vec![Some(b"\0"), None]),
            Value::ManyInts(vec![1, 2]),
            Value::ManyTexts(vec!["keep", "user"]),
            Value::Int(8),
            Value::Int(9),
            Value::Int(10),
        ];
        let sql = "$1 $2 $3 $4 $5 $6 $7 $11 $10::text $1::bytea $ \"$1\"\"$2\" '$4' \"\u{e9}$\u{e9}\"";
        assert_eq!(
            write_values(sql, &values),
            "E'\\\\x61275c'::bytea NULL::bytea (-1)::bigint 'ok'::text ARRAY[E'\\\\x00'::bytea,NULL::bytea]::bytea[] \
             ARRAY[(1)::bigint,(2)::bigint]::bigint[] ARRAY['keep'::text,'user'::text]::text[] $11 (10)::bigint::text \
             E'\\\\x61275c'::bytea::bytea $ \"$1\"\"$2\" ''ok'::text' \"\u{e9}$\u{e9}\""
        );
    }
}
