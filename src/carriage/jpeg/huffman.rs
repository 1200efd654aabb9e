//! Huffman tables and the bits of coded data (ITU-T T.81, annex C and F.2.2).

use crate::error::{Error, Result};

/// A Huffman table: codes in the order of their length, left-aligned in 16 bits.
pub(super) struct Huffman {
    /// For each value of the next [`FAST`] bits: length · 256 + symbol, 0 if the code is longer.
    fast: [u16; 1 << FAST],
    /// The same where the AC coefficient behind the code is among the bits as well: value · 65536 +
    /// run · 256 + length of both; 0 if it is not, or there is none.
    with_value: [i32; 1 << FAST],
    /// Behind the last code of each length.
    limit: [u32; 17],
    /// Where a code stands in `symbols`, less the code itself.
    offset: [i32; 17],
    symbols: [u8; 256],
}

const FAST: u32 = 9;

impl Huffman {
    /// The table of `counts[i]` codes of `i + 1` bits.
    pub fn new(counts: &[u8], symbols: &[u8]) -> Result<Self> {
        let mut table = Self {
            fast: [0; 1 << FAST],
            with_value: [0; 1 << FAST],
            limit: [0; 17],
            offset: [0; 17],
            symbols: [0; 256],
        };
        table.symbols.get_mut(..symbols.len()).ok_or(Error::Corrupt)?.copy_from_slice(symbols);
        let (mut code, mut at) = (0u32, 0usize);
        for (length, count) in (1..).zip(counts) {
            table.offset[length] = at as i32 - code as i32;
            let end = code + u32::from(*count);
            if end > 1 << length {
                return Err(Error::Corrupt);
            }
            if length as u32 <= FAST {
                let shift = FAST - length as u32;
                for code in code..end {
                    let first = (code << shift) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbols[at]);
                    table.fast[first..first + (1 << shift)].fill(entry);
                    at += 1;
                }
            } else {
                at += usize::from(*count);
            }
            table.limit[length] = end << (16 - length);
            code = end << 1;
        }
        for (next, entry) in table.fast.iter().enumerate() {
            let (length, symbol) = (u32::from(entry >> 8), u32::from(entry & 255));
            let (run, size) = (symbol >> 4, symbol & 15);
            if size > 0 && length + size <= FAST {
                let bits = next as u32 >> (FAST - length - size) & ((1 << size) - 1);
                let value = extended(bits, size) << 16;
                table.with_value[next] = value | ((run << 8) | (length + size)) as i32;
            }
        }
        Ok(table)
    }
}

/// Reads bits of a piece of coded data between two markers.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    pos: usize,
    /// The next bits, from the top; zeros behind the last.
    next: u64,
    /// How many of them there are; below 0 once more were taken.
    count: i32,
}

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0, next: 0, count: 0 }
    }

    /// Makes sure of 32 bits, unless the data end.
    #[inline]
    pub fn refill(&mut self) {
        if self.count >= 32 || self.count < 0 {
            return;
        }
        if let Some(bytes) = self.data.get(self.pos..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*bytes);
            let zeros = !word;
            let has_ff = zeros.wrapping_sub(0x0101_0101_0101_0101) & !zeros & 0x8080_8080_8080_8080;
            if has_ff == 0 {
                // The bits of a byte that does not fit whole come again with the next word.
                self.next |= word >> self.count;
                self.pos += (63 - self.count as usize) >> 3;
                self.count |= 56;
                return;
            }
        }
        self.refill_bytes();
    }

    fn refill_bytes(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.pos) else { return };
            if byte == 0xff {
                // The zero behind it is stuffed; of several FFs all but the last are fill.
                let fill = self.data[self.pos..].iter().position(|&byte| byte != 0xff);
                let Some(fill) = fill else { return };
                self.pos += fill;
            }
            self.pos += 1;
            self.next |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Takes `n` bits, at most 16 since the last refill but one symbol.
    #[inline]
    pub fn take(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let value = (self.next >> (64 - n)) as u32;
        self.skip(n);
        value
    }

    #[inline]
    fn skip(&mut self, n: u32) {
        self.next <<= n;
        self.count -= n as i32;
    }

    /// A symbol, behind which 16 bits can be taken.
    #[inline]
    pub fn symbol(&mut self, table: &Huffman) -> Result<u8> {
        self.refill();
        let entry = table.fast[(self.next >> (64 - FAST)) as usize];
        if entry != 0 {
            self.skip(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        let code = (self.next >> 48) as u32;
        for length in FAST + 1..=16 {
            if code < table.limit[length as usize] {
                self.skip(length);
                let at = (code >> (16 - length)) as i32 + table.offset[length as usize];
                return table.symbols.get(at as usize).copied().ok_or(Error::Corrupt);
            }
        }
        Err(Error::Corrupt)
    }

    /// A value of `n` bits, at most 15.
    #[inline]
    pub fn value(&mut self, n: u32) -> i32 {
        if n == 0 {
            return 0;
        }
        extended(self.take(n), n)
    }

    /// A run of zeros and the AC coefficient behind it, which is 0 for an end of blocks and for
    /// sixteen zeros.
    #[inline]
    pub fn coefficient(&mut self, table: &Huffman) -> Result<(usize, i32)> {
        self.refill();
        let entry = table.with_value[(self.next >> (64 - FAST)) as usize];
        if entry != 0 {
            self.skip((entry & 255) as u32);
            return Ok(((entry >> 8 & 15) as usize, entry >> 16));
        }
        let symbol = self.symbol(table)?;
        Ok(((symbol >> 4).into(), self.value((symbol & 15).into())))
    }

    /// Whether no more bits were taken than there were.
    #[inline]
    pub fn check(&self) -> Result {
        if self.count < 0 {
            Err(Error::Corrupt)
        } else {
            Ok(())
        }
    }
}

/// What `n` bits, 1 to 15, stand for (T.81 F.2.2.1, EXTEND).
#[inline]
fn extended(bits: u32, n: u32) -> i32 {
    let value = bits as i32;
    if value < 1 << (n - 1) {
        value - (1 << n) + 1
    } else {
        value
    }
}

/// The DC table of a slot that no file needs to define (T.81 K.3, K.4).
pub(super) fn standard_dc(slot: usize) -> Option<Huffman> {
    let counts: &[u8; 16] = match slot {
        0 => &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        1 => &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        _ => return None,
    };
    Huffman::new(counts, &std::array::from_fn::<u8, 12, _>(|size| size as u8)).ok()
}

/// The AC table of such a slot (T.81 K.5, K.6).
pub(super) fn standard_ac(slot: usize) -> Option<Huffman> {
    match slot {
        0 => Huffman::new(&AC_LUMA.0, &AC_LUMA.1).ok(),
        1 => Huffman::new(&AC_CHROMA.0, &AC_CHROMA.1).ok(),
        _ => None,
    }
}

#[rustfmt::skip]
const AC_LUMA: ([u8; 16], [u8; 162]) = (
    [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    [
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
        0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
        0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
        0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
        0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
        0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
        0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
        0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
        0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
        0xf9, 0xfa,
    ],
);

#[rustfmt::skip]
const AC_CHROMA: ([u8; 16], [u8; 162]) = (
    [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
    [
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
        0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
        0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
        0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
        0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
        0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
        0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
        0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
        0xf9, 0xfa,
    ],
);
