//! The values of a statement: sent beside it or, through a pooler, written into it.

use std::fmt::Write as _;

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
        }
    }

    /// The one value of an array of one.
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
        }
    }
}

fn single<T>(many: &[T]) -> Option<&T> {
    many.first().filter(|_| many.len() == 1)
}

/// The statement with its values in the places of `$1` and so on. Between double quotes is a name, which may have any
/// characters.
pub(crate) fn written(sql: &str, values: &[Value<'_>]) -> String {
    let mut written = String::with_capacity(sql.len());
    for (n, part) in sql.split('"').enumerate() {
        if n > 0 {
            written.push('"');
        }
        let is_name = n % 2 == 1;
        let mut pieces = part.split('$');
        written.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let place = piece.bytes().next().and_then(|digit| usize::from(digit).checked_sub(usize::from(b'1')));
            if let Some(value) = place.and_then(|place| values.get(place)).filter(|_| !is_name) {
                value.write(&mut written);
                written.push_str(piece.get(1..).unwrap_or_default());
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

/// In hexadecimal digits, so that nothing in them is taken for anything else.
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

/// A word of the statements' own.
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
        ];
        let sql = "$1 $2 $3 $4 $5 $6 $7 $9 $1::bytea $ \"$1\"\"$2\" '$4' \"\u{e9}$\u{e9}\"";
        assert_eq!(
            written(sql, &values),
            "E'\\\\x61275c'::bytea NULL::bytea (-1)::bigint 'ok'::text ARRAY[E'\\\\x00'::bytea,NULL::bytea]::bytea[] \
             ARRAY[(1)::bigint,(2)::bigint]::bigint[] ARRAY['keep'::text,'user'::text]::text[] $9 \
             E'\\\\x61275c'::bytea::bytea $ \"$1\"\"$2\" ''ok'::text' \"\u{e9}$\u{e9}\""
        );
    }
}
