//! The shape of MessagePack, without its values.

use rmp::Marker;

/// Maps, arrays and extensions within each other. It bounds the stack that hostile bytes can use.
pub(super) const MAX_DEPTH: usize = 128;

pub(super) const ENDS_EARLY: &str = "the data ends too early";
pub(super) const GOES_ON: &str = "the data goes on after its value";
pub(super) const TOO_DEEP: &str = "the data is nested too deeply";

/// What is wrong with bytes that are not exactly one value of a bearable depth.
///
/// The decoder has such a bound as well, but counts maps, arrays and extensions only, and not an enum that contains itself, which
/// would use up the stack. This does not recurse, and reads no text.
pub(super) fn check(mut bytes: &[u8]) -> Result<(), &'static str> {
    // Of each map or array that is open: how many values are to come after the one that is open within it.
    let mut outer = Vec::new();
    let mut to_come = 1_u64;
    loop {
        while to_come == 0 {
            let Some(count) = outer.pop() else {
                return if bytes.is_empty() { Ok(()) } else { Err(GOES_ON) };
            };
            to_come = count;
        }
        to_come -= 1;
        if let Some(within) = value(&mut bytes, outer.len() < MAX_DEPTH)? {
            outer.push(to_come);
            to_come = within;
        }
    }
}

/// Skips a value; of a map or an array only its head, and gives how many values are within.
fn value(bytes: &mut &[u8], may_nest: bool) -> Result<Option<u64>, &'static str> {
    let [marker] = take(bytes)?;
    let marker = Marker::from_u8(marker);
    if !may_nest && nests(marker) {
        return Err(TOO_DEEP);
    }
    let skipped = match marker {
        Marker::FixMap(count) => return Ok(Some(2 * u64::from(count))),
        Marker::FixArray(count) => return Ok(Some(u64::from(count))),
        Marker::Array16 => return Ok(Some(length::<2>(bytes)?)),
        Marker::Array32 => return Ok(Some(length::<4>(bytes)?)),
        Marker::Map16 => return Ok(Some(2 * length::<2>(bytes)?)),
        Marker::Map32 => return Ok(Some(2 * length::<4>(bytes)?)),
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => 0,
        Marker::U8 | Marker::I8 => 1,
        Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
        Marker::FixExt2 => 3,
        Marker::U32 | Marker::I32 | Marker::F32 => 4,
        Marker::FixExt4 => 5,
        Marker::U64 | Marker::I64 | Marker::F64 => 8,
        Marker::FixExt8 => 9,
        Marker::FixExt16 => 17,
        Marker::FixStr(count) => u64::from(count),
        Marker::Str8 | Marker::Bin8 => length::<1>(bytes)?,
        Marker::Str16 | Marker::Bin16 => length::<2>(bytes)?,
        Marker::Str32 | Marker::Bin32 => length::<4>(bytes)?,
        Marker::Ext8 => 1 + length::<1>(bytes)?,
        Marker::Ext16 => 1 + length::<2>(bytes)?,
        Marker::Ext32 => 1 + length::<4>(bytes)?,
        Marker::Reserved => return Err("the data is not MessagePack"),
    };
    let skipped = usize::try_from(skipped).map_err(|_| ENDS_EARLY)?;
    *bytes = bytes.get(skipped..).ok_or(ENDS_EARLY)?;
    Ok(None)
}

/// Whether it is a level to the decoder.
fn nests(marker: Marker) -> bool {
    matches!(
        marker,
        Marker::FixMap(_)
            | Marker::Map16
            | Marker::Map32
            | Marker::FixArray(_)
            | Marker::Array16
            | Marker::Array32
            | Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
    )
}

fn length<const N: usize>(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    Ok(take::<N>(bytes)?.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(ENDS_EARLY)?;
    *bytes = rest;
    Ok(*taken)
}
