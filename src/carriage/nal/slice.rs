//! Types of coded pictures and the order they are shown in, from their first slices' headers.

use super::unit::Nals;
use super::{Framing, NalCodec};
use crate::picture::{Layout, PictureType, MAX_SIZE};

/// What the first slice tells of a coded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// How it was coded.
    pub picture_type: PictureType,
    /// Whether it is shown before the IRAP picture that it is coded behind.
    pub leading: bool,
    /// When it is shown. `None` for other codecs than HEVC, for a header that is cut off, and without the parameter
    /// sets or the IRAP picture that it takes.
    pub output: Option<Output>,
}

impl Coded {
    fn of(picture_type: PictureType) -> Self {
        Self { picture_type, leading: false, output: None }
    }
}

/// When an HEVC picture is shown by a decoder that had all pictures before it, and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Number of its coded video sequence: all of it is shown before the next one.
    pub sequence: u64,
    /// Its picture order count, which is the order within the sequence.
    pub order: i64,
    /// Whether it is shown at all: no RASL picture is behind the IRAP picture that begins a sequence.
    pub shown: bool,
    /// Whether pictures before it that were not shown yet may be dropped.
    pub drops_prior: bool,
    /// What is shown of it.
    pub shape: Shape,
}

/// Shape of the pictures of a stream, less what the conformance window leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Luma samples in a row.
    pub width: usize,
    /// Luma rows.
    pub height: usize,
    /// How chroma is sampled.
    pub layout: Layout,
    /// Bits of a sample.
    pub bit_depth: u32,
}

/// Bytes of a NAL unit that are looked at: what is read of the longest SPS, with emulation prevention.
const HEAD: usize = 192;

/// A sequence parameter set, as far as it matters.
#[derive(Clone, Copy)]
struct Sps {
    shape: Shape,
    /// Bits of `slice_pic_order_cnt_lsb`.
    order_bits: u32,
}

/// A picture parameter set, as far as it matters.
#[derive(Clone, Copy, Default)]
struct Pps {
    /// Bits of a slice's header in front of its type.
    extra_bits: u32,
    /// Whether slices say if their picture is shown.
    output_flag: bool,
    /// `None`: the set is unknown.
    sps: Option<usize>,
}

/// What the order of an HEVC picture depends on.
struct Sequence {
    /// 0 before the first IRAP picture.
    number: u64,
    /// Whether the next IRAP picture begins one.
    ended: bool,
    /// Whether RASL pictures are dropped.
    without_rasl: bool,
    /// Order of the last picture that others count from.
    anchor: i64,
}

/// Reads types of pictures in decoding order; remembers of HEVC's parameter sets what it takes.
pub struct Types {
    codec: NalCodec,
    sps: [Option<Sps>; 16],
    pps: [Pps; 64],
    sequence: Sequence,
}

impl Types {
    /// Knows no parameter sets yet.
    #[must_use]
    pub fn new(codec: NalCodec) -> Self {
        let sequence = Sequence { number: 0, ended: true, without_rasl: true, anchor: 0 };
        Self { codec, sps: [None; 16], pps: [Pps::default(); 64], sequence }
    }

    /// Takes an access unit, or parameter sets alone; `None` without a slice that can be read.
    pub fn read(&mut self, framing: Framing, bytes: &[u8]) -> Option<Coded> {
        let mut found = None;
        let mut nals = Nals::new(self.codec, framing, bytes).ok()?;
        while let Ok(Some(nal)) = nals.next() {
            // A picture has one first slice. What stands behind it may be for the next picture.
            if found.is_none() || !self.is_slice(nal.bytes) {
                found = self.nal(nal.bytes).or(found);
            }
        }
        found
    }

    /// Takes one NAL unit without its start code or length.
    pub fn nal(&mut self, nal: &[u8]) -> Option<Coded> {
        match self.codec {
            NalCodec::Hevc => self.hevc(nal),
            NalCodec::H264 => h264(nal),
            NalCodec::Vvc => None,
        }
    }

    fn is_slice(&self, nal: &[u8]) -> bool {
        nal.first().is_some_and(|first| match self.codec {
            NalCodec::Hevc => first >> 1 & 63 < 32,
            _ => matches!(first & 31, 1..=5),
        })
    }

    fn hevc(&mut self, nal: &[u8]) -> Option<Coded> {
        const END_OF_SEQUENCE: u8 = 36;
        const END_OF_BITSTREAM: u8 = 37;
        let &[first, second, ref rest @ ..] = nal else { return None };
        // Base layer only.
        if first & 0x81 != 0 || second >> 3 != 0 {
            return None;
        }
        let temporal_id = (second & 7).checked_sub(1)?;
        let kind = first >> 1;
        let mut bits = Bits::new(rest);
        match kind {
            0..=9 | 16..=21 => return self.slice(kind, temporal_id, &mut bits),
            33 => {
                let (id, sps) = sps(&mut bits)?;
                *self.sps.get_mut(id)? = sps;
            }
            34 => {
                let id = bits.exp_golomb()? as usize;
                *self.pps.get_mut(id)? = pps(&mut bits).unwrap_or_default();
            }
            END_OF_SEQUENCE | END_OF_BITSTREAM => self.sequence.ended = true,
            _ => {}
        }
        None
    }

    fn slice(&mut self, kind: u8, temporal_id: u8, bits: &mut Bits) -> Option<Coded> {
        if bits.bits(1)? == 0 {
            return None;
        }
        if kind >= 16 {
            let output = self.output(kind, temporal_id, bits);
            return Some(Coded { output, ..Coded::of(PictureType::Irap) });
        }
        let mut ahead = bits.clone();
        let (_, slice_type) = self.slice_type(&mut ahead)?;
        let picture_type = match slice_type {
            0 => PictureType::B,
            1 => PictureType::P,
            2 => PictureType::I,
            _ => return None,
        };
        // RADL and RASL pictures.
        let leading = (6..=9).contains(&kind);
        Some(Coded { picture_type, leading, output: self.output(kind, temporal_id, bits) })
    }

    fn slice_type(&self, bits: &mut Bits) -> Option<(Pps, u32)> {
        let pps = *self.pps.get(bits.exp_golomb()? as usize)?;
        bits.bits(pps.extra_bits)?;
        Some((pps, bits.exp_golomb()?))
    }

    /// From what follows `first_slice_segment_in_pic_flag` (H.265 7.3.6.1, 8.3.1 and C.5.2.2).
    fn output(&mut self, kind: u8, temporal_id: u8, bits: &mut Bits) -> Option<Output> {
        const CRA: u8 = 21;
        let (irap, idr) = (kind >= 16, matches!(kind, 19 | 20));
        let (leading, rasl) = ((6..=9).contains(&kind), matches!(kind, 8 | 9));
        let sequence = &mut self.sequence;
        let begins = irap && (sequence.ended || kind != CRA);
        // Also if the rest can't be read, so that no order before counts for what follows.
        let continues = sequence.ended && sequence.number > 0;
        if irap {
            sequence.ended = false;
            sequence.without_rasl = begins;
            sequence.number += u64::from(begins);
        }
        let number = sequence.number;
        let without_rasl = sequence.without_rasl;
        // A CRA picture behind an end of sequence drops pictures whatever it says.
        let flagged = irap && bits.bits(1)? == 1;
        let drops_prior = begins && number > 1 && (flagged || (kind == CRA && continues));
        let (pps, _) = self.slice_type(bits)?;
        let sps = (*self.sps.get(pps.sps?)?)?;
        let shown = !pps.output_flag || bits.bits(1)? == 1;
        let low = if idr { 0 } else { i64::from(bits.bits(sps.order_bits)?) };
        if number == 0 {
            return None;
        }
        let order = if begins { low } else { near(self.sequence.anchor, low, sps.order_bits) };
        let sub_layer_reference = kind > 14 || kind % 2 == 1;
        if temporal_id == 0 && !leading && sub_layer_reference {
            self.sequence.anchor = order;
        }
        let shown = shown && !(rasl && without_rasl);
        Some(Output { sequence: number, order, shown, drops_prior, shape: sps.shape })
    }
}

/// The number nearest to `anchor` whose last `bits` bits are `low`; of two as near, the higher one.
fn near(anchor: i64, low: i64, bits: u32) -> i64 {
    let range = 1i64 << bits;
    let ahead = low - anchor.rem_euclid(range);
    anchor
        + match ahead {
            _ if ahead <= -range / 2 => ahead + range,
            _ if ahead > range / 2 => ahead - range,
            _ => ahead,
        }
}

/// H.265 7.3.2.2.1; `None` in place of a set that can't be used.
fn sps(bits: &mut Bits) -> Option<(usize, Option<Sps>)> {
    bits.bits(4)?;
    let sub_layers = bits.bits(3)?;
    bits.bits(1)?;
    // Profile and level: of all, then of each sub-layer, behind two flags for each of up to eight.
    bits.skip(96)?;
    let mut skipped = 0;
    for _ in 0..sub_layers {
        skipped += 88 * bits.bits(1)? + 8 * bits.bits(1)?;
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(skipped)?;
    let id = bits.exp_golomb()? as usize;
    Some((id, sps_shape(bits)))
}

fn sps_shape(bits: &mut Bits) -> Option<Sps> {
    let (layout, [unit_width, unit_height]) = match bits.exp_golomb()? {
        0 => (Layout::I400, [1, 1]),
        1 => (Layout::I420, [2, 2]),
        2 => (Layout::I422, [2, 1]),
        // Not with planes that are coded one by one.
        3 if bits.bits(1)? == 0 => (Layout::I444, [1, 1]),
        _ => return None,
    };
    let [mut width, mut height] = [bits.exp_golomb()? as usize, bits.exp_golomb()? as usize];
    if bits.bits(1)? == 1 {
        let mut outside = |unit: usize| -> Option<usize> {
            Some(unit * (bits.exp_golomb()? as usize + bits.exp_golomb()? as usize))
        };
        width = width.checked_sub(outside(unit_width)?)?;
        height = height.checked_sub(outside(unit_height)?)?;
    }
    let [luma, chroma] = [bits.exp_golomb()?, bits.exp_golomb()?];
    let order_bits = bits.exp_golomb()?.checked_add(4)?;
    let possible = (1..=MAX_SIZE).contains(&width) && (1..=MAX_SIZE).contains(&height);
    let alike = layout == Layout::I400 || luma == chroma;
    let usable = possible && alike && luma <= 8 && order_bits <= 16;
    let shape = Shape { width, height, layout, bit_depth: luma.min(8) + 8 };
    usable.then_some(Sps { shape, order_bits })
}

/// H.265 7.3.2.3.1, behind the set's number.
fn pps(bits: &mut Bits) -> Option<Pps> {
    let sps = Some(bits.exp_golomb()? as usize);
    let _dependent_slices = bits.bits(1)?;
    let output_flag = bits.bits(1)? == 1;
    Some(Pps { extra_bits: bits.bits(3)?, output_flag, sps })
}

fn h264(nal: &[u8]) -> Option<Coded> {
    let (&first, rest) = nal.split_first()?;
    match first & 31 {
        5 => return Some(Coded::of(PictureType::Irap)),
        1 | 2 => {}
        _ => return None,
    }
    let mut bits = Bits::new(rest);
    let _first_macroblock = bits.exp_golomb()?;
    Some(Coded::of(match bits.exp_golomb()? % 5 {
        0 | 3 => PictureType::P,
        1 => PictureType::B,
        _ => PictureType::I,
    }))
}

/// Bits of a NAL unit, without emulation prevention bytes.
#[derive(Clone)]
struct Bits {
    bytes: [u8; HEAD],
    len: usize,
    next: usize,
}

impl Bits {
    fn new(nal: &[u8]) -> Self {
        let mut all = Self { bytes: [0; HEAD], len: 0, next: 0 };
        let mut zeros = 0;
        for &byte in nal.iter().take(HEAD) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            all.bytes[all.len] = byte;
            all.len += 1;
        }
        all
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes[..self.len].get(self.next / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.next % 8) & 1);
            self.next += 1;
        }
        Some(value)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.next += count as usize;
        (self.next <= 8 * self.len).then_some(())
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
            if zeros > 24 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(picture_type: PictureType) -> Option<Coded> {
        Some(Coded::of(picture_type))
    }

    /// Bits as text, padded with a one and zeros.
    fn nal(head: &[u8], bits: &str) -> Vec<u8> {
        let mut bits: Vec<u8> =
            bits.bytes().filter(|b| b"01".contains(b)).map(|b| b - b'0').collect();
        bits.push(1);
        let mut nal = head.to_vec();
        nal.extend(
            bits.chunks(8)
                .map(|c| c.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << (7 - i))),
        );
        nal
    }

    #[test]
    fn hevc_types() {
        let mut types = Types::new(NalCodec::Hevc);
        // First slice, parameter set 0, type P.
        let slice = nal(&[1 << 1, 1], "1 1 010");
        assert_eq!(types.nal(&slice), coded(PictureType::P));
        assert_eq!(types.nal(&nal(&[1 << 1, 1], "1 1 1")), coded(PictureType::B));
        assert_eq!(types.nal(&nal(&[0, 1], "1 1 011")), coded(PictureType::I));
        assert_eq!(types.nal(&nal(&[19 << 1, 1], "1 0 1")), coded(PictureType::Irap));
        let leading = Coded { leading: true, ..Coded::of(PictureType::B) };
        assert_eq!(types.nal(&nal(&[8 << 1, 1], "1 1 1")), Some(leading));
        // Not the first slice; another layer; another kind of unit.
        assert_eq!(types.nal(&nal(&[1 << 1, 1], "0 1 010")), None);
        assert_eq!(types.nal(&nal(&[1 << 1, 9], "1 1 010")), None);
        assert_eq!(types.nal(&nal(&[39 << 1, 1], "1 1 010")), None);
        // Parameter set 1 has two more bits.
        assert_eq!(types.nal(&nal(&[34 << 1, 1], "010 1 0 0 010")), None);
        assert_eq!(types.nal(&nal(&[1 << 1, 1], "1 010 00 011")), coded(PictureType::I));
        assert_eq!(types.nal(&slice), coded(PictureType::P));
    }

    #[test]
    fn h264_types() {
        let mut types = Types::new(NalCodec::H264);
        assert_eq!(types.nal(&nal(&[0x65], "1 00110")), coded(PictureType::Irap));
        assert_eq!(types.nal(&nal(&[0x41], "1 00110")), coded(PictureType::P));
        assert_eq!(types.nal(&nal(&[0x41], "1 010")), coded(PictureType::B));
        assert_eq!(types.nal(&nal(&[0x41], "1 00111")), coded(PictureType::B));
        assert_eq!(types.nal(&nal(&[0x41], "1 0001000")), coded(PictureType::I));
        assert_eq!(types.nal(&nal(&[0x67], "1 010")), None);
    }

    /// SPS 0 of 64x64 samples in 4:2:0, of which 60x64 are shown, with 4 bits of the order; and PPS 0.
    fn sets() -> [Vec<u8>; 2] {
        let sub_layer = format!("1 1 {} {}", "00".repeat(7), "0".repeat(96));
        let sps = format!("0000 001 1 {} {sub_layer} 1 010", "0".repeat(96));
        let size = "0000001000001 0000001000001";
        let sps = format!("{sps} {size} 1 1 011 1 1 1 1 1");
        // Emulation prevention, as of all NAL units.
        let sps = nal(&[33 << 1, 1], &sps).iter().fold(Vec::new(), |mut out: Vec<u8>, &byte| {
            if byte <= 3 && out.ends_with(&[0, 0]) {
                out.push(3);
            }
            out.push(byte);
            out
        });
        [sps, nal(&[34 << 1, 1], "1 1 0 1 000")]
    }

    const SHAPE: Shape = Shape { width: 60, height: 64, layout: Layout::I420, bit_depth: 8 };

    /// Kind of NAL unit, bits behind the first flag, and sequence, order, whether it is shown and drops others.
    type Case = (u8, &'static str, Option<(u64, i64, bool, bool)>);

    #[test]
    fn hevc_order() {
        let mut types = Types::new(NalCodec::Hevc);
        for set in sets() {
            assert_eq!(types.nal(&set), None);
        }
        let cases: [Case; 16] = [
            // Nothing to begin at; then a CRA picture, and its RASL and RADL pictures.
            (1, "1 010 1 0001", None),
            (21, "0 1 011 1 0010", Some((1, 2, true, false))),
            (9, "1 1 1 0000", Some((1, 0, false, false))),
            (7, "1 1 1 0001", Some((1, 1, true, false))),
            (1, "1 010 1 1010", Some((1, 10, true, false))),
            // One that is not shown; the order runs on past its bits, for others than references not for good.
            (1, "1 010 0 0001", Some((1, 17, false, false))),
            (0, "1 010 1 1001", Some((1, 25, true, false))),
            (1, "1 010 1 0000", Some((1, 16, true, false))),
            // Within the sequence RASL pictures of a CRA picture are shown.
            (21, "1 1 011 1 0101", Some((1, 21, true, false))),
            (8, "1 1 1 0100", Some((1, 20, true, false))),
            (19, "0 1 011 1", Some((2, 0, true, false))),
            (1, "1 010 1 1111", Some((2, -1, true, false))),
            (20, "1 1 011 1", Some((3, 0, true, true))),
            (36, "", None),
            (21, "0 1 011 1 0000", Some((4, 0, true, true))),
            (16, "0 1 011 1 0011", Some((5, 3, true, false))),
        ];
        for (i, (kind, bits, expected)) in cases.into_iter().enumerate() {
            let coded = types.nal(&nal(&[kind << 1, 1], &format!("1 {bits}")));
            let output = coded.and_then(|coded| coded.output);
            let got = output.map(|o| (o.sequence, o.order, o.shown, o.drops_prior));
            assert_eq!(got, expected, "{i}");
            assert!(output.is_none_or(|output| output.shape == SHAPE), "{i}: {output:?}");
        }
        // Cut off, or without its sets: the type alone.
        let slice = nal(&[1 << 1, 1], "1 1 010");
        assert_eq!(types.nal(&slice), coded(PictureType::P));
        assert_eq!(types.nal(&nal(&[1 << 1, 1], "1 010 010 1 0001")), coded(PictureType::P));
    }

    #[test]
    fn sets_that_are_cut_off_or_wild() {
        let [sps, pps] = sets();
        let idr = nal(&[19 << 1, 1], "1 0 1 011 1");
        let shape = |sps: &[u8], pps: &[u8]| {
            let mut types = Types::new(NalCodec::Hevc);
            types.nal(sps);
            types.nal(pps);
            types.nal(&idr).and_then(|coded| coded.output).map(|output| output.shape)
        };
        assert_eq!(shape(&sps, &pps), Some(SHAPE));
        for cut in 0..sps.len() - 1 {
            assert_eq!(shape(&sps[..cut], &pps), None, "{cut}");
        }
        assert_eq!(shape(&sps, &pps[..2]), None);
        // Sets that name others than there are; sizes and depths that none has.
        assert_eq!(shape(&sps, &nal(&[34 << 1, 1], "1 0000010001 0 1 000")), None);
        let head = format!("0000 000 1 {} 1 010", "0".repeat(96));
        for rest in [
            "00000000000000000000000100000000000000000000000 1 0 1 1 1",
            "010 010 1 1 1 010 1 1 1 1",
            "010 010 0 1 010 1",
            "010 010 0 0001010 0001010 1",
            "010 010 0 1 1 0001110",
        ] {
            assert_eq!(shape(&nal(&[33 << 1, 1], &format!("{head} {rest}")), &pps), None, "{rest}");
        }
    }

    #[test]
    fn orders_wrap() {
        for (anchor, low, order) in [(0, 8, 8), (1, 8, 8), (0, 9, -7), (8, 0, 16), (7, 0, 0)] {
            assert_eq!(near(anchor, low, 4), order);
            assert_eq!(near(anchor - 32, low, 4), order - 32);
        }
    }

    #[test]
    fn framings_and_damage() {
        let unit =
            [&[0, 0, 0, 1][..], &nal(&[39 << 1, 1], "1"), &[0, 0, 1], &nal(&[2, 1], "1 1 010")]
                .concat();
        assert_eq!(Types::new(NalCodec::Hevc).read(Framing::AnnexB, &unit), coded(PictureType::P));
        let slice = nal(&[2, 1], "1 1 010");
        let sample = [&[0, slice.len() as u8][..], &slice].concat();
        let mut types = Types::new(NalCodec::Hevc);
        assert_eq!(types.read(Framing::LengthPrefixed(2), &sample), coded(PictureType::P));
        for cut in 0..sample.len() {
            assert_eq!(types.read(Framing::LengthPrefixed(2), &sample[..cut]), None);
        }
        for byte in 0..=255u8 {
            for length in 0..80 {
                for kind in [0, 2, 33 << 1, 34 << 1, 38, 0x65] {
                    let mut bytes = vec![byte; length];
                    bytes.splice(0..0, [0, 0, 1, kind, 1]);
                    types.read(Framing::AnnexB, &bytes);
                    Types::new(NalCodec::H264).read(Framing::AnnexB, &bytes);
                }
            }
        }
    }
}
