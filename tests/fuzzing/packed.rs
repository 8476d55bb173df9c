//! Values as `cmsgpack` packs them and as Redis answers them, built from the bytes of an input: well-formed ones of any
//! shape, which bytes alone seldom are.

use redis::Value;

use crate::bytes::Bytes;

/// Nested values beyond these are nulls.
const LEVELS: usize = 6;

/// Appends one packed value; the keys of maps are mostly of these.
pub(crate) fn pack(bytes: &mut Bytes<'_>, names: &[&str], packed: &mut Vec<u8>) {
    pack_within(bytes, names, packed, LEVELS);
}

fn pack_within(bytes: &mut Bytes<'_>, names: &[&str], packed: &mut Vec<u8>, levels: usize) {
    match bytes.below(12) {
        _ if levels == 0 || bytes.is_empty() => packed.push(0xc0),
        0 => packed.push(0xc0),
        1 => packed.push(0xc2 + bytes.byte() % 2),
        2 => packed.push(bytes.byte() & 0x7f),
        3 => {
            packed.push(0xcf);
            packed.extend_from_slice(&number(bytes).to_be_bytes());
        }
        4 => packed.push(0xe0 | bytes.byte() & 0x1f),
        5 => {
            packed.push(0xcb);
            packed.extend_from_slice(&f64::from(bytes.byte()).to_be_bytes());
        }
        6 => {
            let text = bytes.pick(names);
            string(text.as_bytes(), packed);
        }
        7 => {
            let text = bytes.chunk();
            string(text, packed);
        }
        // A packed value within a text.
        8 => {
            let mut inner = Vec::new();
            pack_within(bytes, names, &mut inner, levels - 1);
            string(&inner, packed);
        }
        9 => {
            let count = bytes.below(6);
            packed.push(0x90 | count as u8);
            (0..count).for_each(|_| pack_within(bytes, names, packed, levels - 1));
        }
        10 => {
            let count = bytes.below(8);
            packed.push(0x80 | count as u8);
            for _ in 0..count {
                string(bytes.pick(names).as_bytes(), packed);
                pack_within(bytes, names, packed, levels - 1);
            }
        }
        // Lengths that are claimed and not there.
        _ => packed.extend_from_slice(bytes.pick(&[
            &b"\xdf\xff\xff\xff\xff"[..],
            b"\xdd\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xff",
            b"\xc6\x7f\xff\xff\xff",
            b"\xc1",
        ])),
    }
}

pub(crate) fn string(text: &[u8], packed: &mut Vec<u8>) {
    match text.len() {
        short @ 0..32 => packed.push(0xa0 | short as u8),
        long => {
            packed.push(0xda);
            packed.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    packed.extend_from_slice(text);
}

/// A number at which something may change.
pub(crate) fn number(bytes: &mut Bytes<'_>) -> u64 {
    match bytes.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << 63,
        3 => u64::from(u32::MAX) + u64::from(bytes.byte()),
        4 => (1 << 40) + u64::from(bytes.byte()),
        5 => 100 + u64::from(bytes.byte()),
        _ => u64::from(bytes.byte()),
    }
}

/// An answer of Redis.
pub(crate) fn answer(bytes: &mut Bytes<'_>, names: &[&str]) -> Value {
    answer_within(bytes, names, LEVELS)
}

fn answer_within(bytes: &mut Bytes<'_>, names: &[&str], levels: usize) -> Value {
    let some = |bytes: &mut Bytes<'_>| {
        let count = bytes.below(6);
        (0..count).map(|_| answer_within(bytes, names, levels - 1)).collect::<Vec<_>>()
    };
    match bytes.below(11) {
        _ if levels == 0 => Value::Nil,
        0 => Value::Nil,
        1 => Value::Int(number(bytes) as i64),
        2 => Value::BulkString(bytes.chunk().to_vec()),
        3 => Value::SimpleString(bytes.pick(names).to_owned()),
        4 => Value::Okay,
        5 => Value::Array(some(bytes)),
        6 => Value::Map(some(bytes).into_iter().map(|value| (value, Value::Nil)).collect()),
        7 => Value::Double(f64::from(bytes.byte())),
        _ => {
            let mut packed = Vec::new();
            pack(bytes, names, &mut packed);
            Value::BulkString(packed)
        }
    }
}
