//! RFC 1951, bit by bit, and how RFC 7692 ends a message: one message of permessage-deflate, without context takeover.

use crate::outcomes::reached;

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TooBig,
    Corrupt,
}

/// Where reading stops.
enum Stop {
    /// The bits are used up.
    End,
    Refused(Refused),
}

type Step<T> = Result<T, Stop>;

/// What the sender left out at the end of the message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

const DISTANCES: [(usize, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// The order in which the lengths of the code for lengths are sent.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The message in a payload. What follows a last block is refused, but for the first byte of an empty one.
pub(crate) fn inflated(payload: &[u8], most: usize) -> Result<Vec<u8>, Refused> {
    let bytes = [payload, &TAIL].concat();
    let mut bits = Bits { bytes: &bytes, at: 0 };
    let mut message = Vec::new();
    match blocks(&mut bits, &mut message, most) {
        Err(Stop::Refused(refused)) => return Err(refused),
        Err(Stop::End) => return Ok(message),
        Ok(()) => {}
    }
    reached("a last block");
    let used = bits.at.div_ceil(8);
    let behind = if used <= payload.len() { &payload[used..] } else { &bytes[used..] };
    if matches!(behind, [] | [0]) { Ok(message) } else { Err(Refused::Corrupt) }
}

/// All blocks up to the last.
fn blocks(bits: &mut Bits<'_>, message: &mut Vec<u8>, most: usize) -> Step<()> {
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(bits, message, most)?,
            1 => {
                let mut literals = [8; 288];
                literals[144..256].fill(9);
                literals[256..280].fill(7);
                symbols(bits, &Code::new(&literals), &Code::new(&[5; 32]), message, most)?;
            }
            2 => {
                reached("a block with codes of its own");
                let (literals, distances) = codes(bits)?;
                symbols(bits, &literals, &distances, message, most)?;
            }
            _ => return Err(Stop::Refused(Refused::Corrupt)),
        }
        if is_last {
            return Ok(());
        }
    }
}

fn stored(bits: &mut Bits<'_>, message: &mut Vec<u8>, most: usize) -> Step<()> {
    bits.at = bits.at.next_multiple_of(8);
    let (length, complement) = (bits.take(16)?, bits.take(16)?);
    if length != complement ^ 0xffff {
        return Err(Stop::Refused(Refused::Corrupt));
    }
    (0..length).try_for_each(|_| push(message, bits.take(8)? as u8, most))
}

/// The two codes that stand in front of a block.
fn codes(bits: &mut Bits<'_>) -> Step<(Code, Code)> {
    let corrupt = || Err(Stop::Refused(Refused::Corrupt));
    let (literals, distances, count) =
        (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? as usize + 4);
    if literals > 286 || distances > 30 {
        return corrupt();
    }
    let mut lengths = [0; 19];
    for place in &ORDER[..count] {
        lengths[*place] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths);
    let all = (literals + distances) as usize;
    if code.symbols.is_empty() {
        // Refused as well, but not before the bits of the lengths are there.
        bits.take(all as u32)?;
        return corrupt();
    }
    if code.left != 0 {
        return corrupt();
    }
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < all {
        let symbol = code.symbol(bits)?;
        let (length, times) = match symbol {
            0..16 => (symbol as u8, 1),
            // The one before is looked at when the bits of the count are there.
            16 => {
                let times = 3 + bits.take(2)?;
                let Some(&before) = lengths.last() else { return corrupt() };
                (before, times)
            }
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        if lengths.len() + times as usize > all {
            return corrupt();
        }
        lengths.extend(std::iter::repeat_n(length, times as usize));
    }
    let (literals, distances) = lengths.split_at(literals as usize);
    let has_end = literals[256] != 0;
    let (literals, distances) = (Code::new(literals), Code::new(distances));
    match has_end && literals.is_usable() && distances.is_usable() {
        true => Ok((literals, distances)),
        false => corrupt(),
    }
}

fn symbols(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    message: &mut Vec<u8>,
    most: usize,
) -> Step<()> {
    loop {
        match literals.symbol(bits)? {
            byte @ 0..256 => push(message, byte as u8, most)?,
            256 => return Ok(()),
            symbol => {
                let Some(&(length, extra)) = LENGTHS.get(symbol - 257) else {
                    return Err(Stop::Refused(Refused::Corrupt));
                };
                let length = length + bits.take(extra)? as usize;
                let Some(&(distance, extra)) = DISTANCES.get(distances.symbol(bits)?) else {
                    return Err(Stop::Refused(Refused::Corrupt));
                };
                let distance = distance + bits.take(extra)? as usize;
                if distance > message.len() {
                    return Err(Stop::Refused(Refused::Corrupt));
                }
                for _ in 0..length {
                    push(message, message[message.len() - distance], most)?;
                }
            }
        }
    }
}

fn push(message: &mut Vec<u8>, byte: u8, most: usize) -> Step<()> {
    if message.len() == most {
        return Err(Stop::Refused(Refused::TooBig));
    }
    message.push(byte);
    Ok(())
}

/// A canonical Huffman code: how many symbols each length has, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
    /// Codes that stand for nothing; less than 0 where symbols are too many.
    left: i32,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        let of_length = |wanted: u8| {
            lengths
                .iter()
                .enumerate()
                .filter(move |(_, length)| **length == wanted)
                .map(|(at, _)| at)
        };
        let symbols = (1..16).flat_map(of_length).collect();
        let left = counts[1..].iter().fold(1, |left, count| left * 2 - *count as i32);
        Self { counts, symbols, left }
    }

    /// Complete, or without a symbol, or with a single one of one bit.
    fn is_usable(&self) -> bool {
        self.left == 0
            || self.symbols.is_empty()
            || (self.symbols.len() == 1 && self.counts[1] == 1)
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Step<usize> {
        if self.left != 0 {
            let is_only = bits.take(1)? == 0;
            let only = self.symbols.first().filter(|_| is_only);
            return only.copied().ok_or(Stop::Refused(Refused::Corrupt));
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)? as usize;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            (first, code) = ((first + count) * 2, code * 2);
        }
        Err(Stop::Refused(Refused::Corrupt))
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// A number of so many bits, the lowest first.
    fn take(&mut self, count: u32) -> Step<u32> {
        let mut number = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Stop::End)?;
            number |= u32::from(byte >> (self.at % 8) & 1).wrapping_shl(place);
            self.at += 1;
        }
        Ok(number)
    }
}
