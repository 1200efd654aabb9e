//! Types of coded pictures, from their first slice's header: decoders of GStreamer do not tell them.

use sidelight::carriage::nal::{Framing, NalCodec};
use sidelight::PictureType;

/// What the first slice tells of a coded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// How it was coded.
    pub picture_type: PictureType,
    /// Whether it is shown before the IRAP picture that it is coded behind.
    pub leading: bool,
}

impl Coded {
    fn of(picture_type: PictureType) -> Self {
        Self { picture_type, leading: false }
    }
}

/// Bytes of a NAL unit that are looked at: an SPS identifier, flags and a few numbers stand in front.
const HEAD: usize = 64;

/// Reads picture types; remembers of HEVC's picture parameter sets what it takes.
pub struct Types {
    codec: NalCodec,
    /// Of each picture parameter set, bits of a slice's header in front of its type.
    extra_bits: [u8; 64],
}

impl Types {
    /// Knows no parameter sets yet.
    pub fn new(codec: NalCodec) -> Self {
        Self { codec, extra_bits: [0; 64] }
    }

    /// Takes an access unit, or parameter sets alone; `None` without a slice that can be read.
    pub fn read(&mut self, framing: Framing, bytes: &[u8]) -> Option<Coded> {
        let mut found = None;
        for_each_nal(framing, bytes, |nal| {
            if found.is_none() {
                found = self.nal(nal);
            }
        });
        found
    }

    /// Takes one NAL unit without its start code or length.
    pub fn nal(&mut self, nal: &[u8]) -> Option<Coded> {
        match self.codec {
            NalCodec::Hevc => self.hevc(nal),
            NalCodec::H264 => h264(nal),
            _ => None,
        }
    }

    fn hevc(&mut self, nal: &[u8]) -> Option<Coded> {
        const PPS: u8 = 34;
        let &[first, second, ref rest @ ..] = nal else { return None };
        let kind = first >> 1 & 63;
        // Base layer only.
        if first & 1 != 0 || second >> 3 != 0 {
            return None;
        }
        let mut bits = Bits::new(rest);
        if kind == PPS {
            let id = bits.exp_golomb()? as usize;
            let _sps = bits.exp_golomb()?;
            let _dependent_slices_and_output_flag = bits.bits(2)?;
            *self.extra_bits.get_mut(id)? = bits.bits(3)? as u8;
            return None;
        }
        let irap = (16..=23).contains(&kind);
        if !(kind <= 9 || irap) || bits.bits(1)? == 0 {
            return None;
        }
        if irap {
            return Some(Coded::of(PictureType::Irap));
        }
        let pps = bits.exp_golomb()? as usize;
        bits.bits(u32::from(*self.extra_bits.get(pps)?))?;
        let picture_type = match bits.exp_golomb()? {
            0 => PictureType::B,
            1 => PictureType::P,
            2 => PictureType::I,
            _ => return None,
        };
        // RADL and RASL pictures.
        Some(Coded { picture_type, leading: (6..=9).contains(&kind) })
    }
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

fn for_each_nal(framing: Framing, bytes: &[u8], mut call: impl FnMut(&[u8])) {
    match framing {
        Framing::AnnexB => {
            let mut rest = bytes;
            while let Some(start) = rest.windows(3).position(|w| w == [0, 0, 1]) {
                rest = &rest[start + 3..];
                // Heads are enough; a short unit's runs into the next, whose start code is no payload.
                call(&rest[..rest.len().min(HEAD)]);
            }
        }
        Framing::LengthPrefixed(size) => {
            let (size, mut rest) = (usize::from(size), bytes);
            while let Some((length, after)) = rest.split_at_checked(size) {
                let length = length.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
                let Some((nal, after)) = after.split_at_checked(length) else { return };
                call(&nal[..nal.len().min(HEAD)]);
                rest = after;
            }
        }
    }
}

/// Bits of a NAL unit, without emulation prevention bytes.
struct Bits {
    bytes: Vec<u8>,
    next: usize,
}

impl Bits {
    fn new(nal: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD);
        let mut zeros = 0;
        for &byte in nal.iter().take(HEAD) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, next: 0 }
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.next / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.next % 8) & 1);
            self.next += 1;
        }
        Some(value)
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
        let leading = Some(Coded { picture_type: PictureType::B, leading: true });
        assert_eq!(types.nal(&nal(&[8 << 1, 1], "1 1 1")), leading);
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
                for kind in [0, 2, 34 << 1, 38, 0x65] {
                    let mut bytes = vec![byte; length];
                    bytes.splice(0..0, [0, 0, 1, kind, 1]);
                    types.read(Framing::AnnexB, &bytes);
                    Types::new(NalCodec::H264).read(Framing::AnnexB, &bytes);
                }
            }
        }
    }
}
