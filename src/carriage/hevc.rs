//! HEVC (ITU-T H.265) byte streams: a payload as a prefix SEI message `user_data_unregistered`.

use crate::{Error, Result};

/// The message's `uuid_iso_iec_11578`: 6fe53531-3928-45b9-8d14-90ec3b13ed9f.
pub const UUID: [u8; 16] = [
    0x6f, 0xe5, 0x35, 0x31, 0x39, 0x28, 0x45, 0xb9, 0x8d, 0x14, 0x90, 0xec, 0x3b, 0x13, 0xed, 0x9f,
];

/// `nal_unit_type` of a prefix SEI; those below 32 are slices.
const PREFIX_SEI: u8 = 39;
const FIRST_NON_VCL: u8 = 32;
const USER_DATA_UNREGISTERED: u8 = 5;

/// What a payload of up to 238 bytes adds to a stream besides itself and emulation prevention: start
/// code, NAL unit header, type, size, UUID and trailing bits.
pub const CARRIAGE_BYTES: u32 = 4 + 2 + 1 + 1 + UUID.len() as u32 + 1;

/// The NAL unit, start code in front, that carries `payload`.
#[must_use]
pub fn sei(payload: &[u8]) -> Vec<u8> {
    let mut rbsp = vec![USER_DATA_UNREGISTERED];
    let mut size = UUID.len() + payload.len();
    while size >= 255 {
        rbsp.push(255);
        size -= 255;
    }
    rbsp.push(size as u8);
    rbsp.extend(UUID);
    rbsp.extend(payload);
    rbsp.push(0x80); // rbsp_trailing_bits

    // nuh_layer_id 0, nuh_temporal_id_plus1 1.
    let mut nal = vec![0, 0, 0, 1, PREFIX_SEI << 1, 1];
    let mut zeros = 0;
    for byte in rbsp {
        if zeros == 2 && byte <= 3 {
            nal.push(3); // emulation_prevention_three_byte
            zeros = 0;
        }
        nal.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    nal
}

/// Copies a byte stream with `payload` in front of its first slice: that of its first picture.
///
/// # Errors
/// [`Error::Corrupt`] if the stream has no slice.
pub fn insert(stream: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    let start_code = |i: &usize| stream[*i..].starts_with(&[0, 0, 1]);
    let slice = |i: &usize| stream.get(i + 3).is_some_and(|b| b >> 1 & 63 < FIRST_NON_VCL);
    let at = (0..stream.len()).filter(start_code).find(slice).ok_or(Error::Corrupt)?;
    // A start code of four bytes begins one byte earlier.
    let at = if at > 0 && stream[at - 1] == 0 { at - 1 } else { at };
    Ok([&stream[..at], &sei(payload), &stream[at..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_protected() {
        let nal = sei(&[0, 0, 0, 0, 1, 0, 0, 4, 0, 0]);
        assert_eq!(nal[..8], [0, 0, 0, 1, 78, 1, 5, 26]);
        assert_eq!(nal[8..24], UUID);
        assert_eq!(nal[24..], [0, 0, 3, 0, 0, 3, 1, 0, 0, 4, 0, 0, 0x80]);
        assert_eq!(sei(&[7; 238]).len(), 238 + CARRIAGE_BYTES as usize);
        assert_eq!(sei(&[7; 600])[6..10], [5, 255, 255, 106]);
    }

    #[test]
    fn goes_before_the_first_slice() {
        let parameter_sets = [0, 0, 0, 1, 64, 1, 9, 0, 0, 1, 66, 1, 9];
        for slice in [&[0, 0, 0, 1, 40, 1, 5][..], &[0, 0, 1, 40, 1, 5]] {
            let stream = [&parameter_sets, slice].concat();
            let with = insert(&stream, b"payload").unwrap();
            assert_eq!(with, [&parameter_sets[..], &sei(b"payload"), slice].concat());
        }
        assert_eq!(insert(&parameter_sets, b"payload"), Err(Error::Corrupt));
        assert_eq!(insert(&[0, 0, 1], b""), Err(Error::Corrupt));
    }
}
