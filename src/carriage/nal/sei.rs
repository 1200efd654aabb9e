//! SEI messages, and the emulation prevention around them.

use super::UUID;
use crate::util::alloc;
use crate::Result;
use std::ops::Range;

/// `payloadType` of our message.
const USER_DATA_UNREGISTERED: usize = 5;
/// `rbsp_trailing_bits` of an SEI NAL unit, whose messages end on whole bytes.
const TRAILING_BITS: u8 = 0x80;

/// A NAL unit of `header` and `rbsp` with emulation prevention.
pub(super) fn escape(header: &[u8], rbsp: &[u8]) -> Result<Vec<u8>> {
    // At worst a byte comes behind each two.
    let mut nal = alloc::try_with_capacity(header.len() + rbsp.len() / 2 * 3 + 2)?;
    nal.extend(header);
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros == 2 && byte <= 3 {
            nal.push(3); // emulation_prevention_three_byte
            zeros = 0;
        }
        nal.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    // The last byte of a NAL unit is never 0.
    if rbsp.last() == Some(&0) {
        nal.push(3);
    }
    Ok(nal)
}

/// The RBSP in what follows a NAL unit's header.
pub(super) fn unescape(body: &[u8]) -> Result<Vec<u8>> {
    let mut rbsp = alloc::try_with_capacity(body.len())?;
    let mut zeros = 0;
    for &byte in body {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        rbsp.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    Ok(rbsp)
}

/// The RBSP of an SEI NAL unit that carries `payload` and nothing else.
pub(super) fn write(payload: &[u8]) -> Result<Vec<u8>> {
    let mut size = UUID.len() + payload.len();
    let mut rbsp = alloc::try_with_capacity(size + size / 255 + 3)?;
    rbsp.push(USER_DATA_UNREGISTERED as u8);
    rbsp.extend(std::iter::repeat_n(255, size / 255));
    size %= 255;
    rbsp.push(size as u8);
    rbsp.extend(UUID);
    rbsp.extend(payload);
    rbsp.push(TRAILING_BITS);
    Ok(rbsp)
}

/// The messages of an SEI RBSP. Ends early where one is damaged.
pub(super) struct Messages<'a> {
    rbsp: &'a [u8],
    /// End of the last message returned.
    pos: usize,
}

/// One SEI message.
pub(super) struct Message<'a> {
    /// Bytes of the message in the RBSP, type and size included.
    pub span: Range<usize>,
    kind: usize,
    data: &'a [u8],
}

impl<'a> Messages<'a> {
    pub fn new(rbsp: &'a [u8]) -> Self {
        Messages { rbsp, pos: 0 }
    }

    /// What is behind the last message returned: trailing bits, or damage.
    pub fn rest(&self) -> &'a [u8] {
        self.rbsp.get(self.pos..).unwrap_or_default()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let rest = self.rest();
        // No message begins with these bits: they would leave no room for its size.
        if let [] | [TRAILING_BITS] = rest {
            return None;
        }
        let (kind, used) = number(rest)?;
        let (size, more) = number(&rest[used..])?;
        let data = used + more;
        let end = data.checked_add(size)?;
        let message = Message { span: self.pos..self.pos + end, kind, data: rest.get(data..end)? };
        self.pos += end;
        Some(message)
    }
}

/// A type or size at the head of `bytes`, 255 for each byte of 255 and then the rest, and how many
/// bytes it has.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let ones = bytes.iter().position(|&byte| byte != 255)?;
    Some((255 * ones + usize::from(bytes[ones]), ones + 1))
}

impl<'a> Message<'a> {
    /// The payload, if the message is ours.
    pub fn payload(&self) -> Option<&'a [u8]> {
        if self.kind != USER_DATA_UNREGISTERED {
            return None;
        }
        payload_of(self.data)
    }
}

/// The payload in a message `user_data_unregistered`, which begins with its UUID: what follows
/// ours. x265 puts a UUID of its own in front.
#[must_use]
pub fn payload_of(message: &[u8]) -> Option<&[u8]> {
    let behind = |at: usize| message.get(at..)?.strip_prefix(&UUID);
    behind(0).or_else(|| behind(UUID.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention() {
        for (rbsp, nal) in [
            (&[0, 0, 0, 0, 1, 0, 0, 4, 0, 0][..], &[0, 0, 3, 0, 0, 3, 1, 0, 0, 4, 0, 0, 3][..]),
            (&[0, 0, 3, 0, 0, 2], &[0, 0, 3, 3, 0, 0, 3, 2]),
            (&[0, 0, 0, 0, 0], &[0, 0, 3, 0, 0, 3, 0, 3]),
            (&[1, 0], &[1, 0, 3]),
            (&[], &[]),
        ] {
            assert_eq!(escape(&[], rbsp).unwrap(), nal);
            assert!(!nal.windows(3).any(|w| w[..2] == [0, 0] && w[2] < 3));
        }
        // What no encoder writes.
        assert_eq!(
            unescape(&[0, 0, 3, 9, 0, 0, 0, 3, 0, 0, 1]),
            Ok(vec![0, 0, 9, 0, 0, 0, 0, 0, 1])
        );
    }

    #[test]
    fn emulation_prevention_comes_off() {
        // All strings of five bytes of 0 to 4.
        for n in 0..5usize.pow(5) {
            let mut rbsp: Vec<u8> = (0..5).map(|i| (n / 5usize.pow(i) % 5) as u8).collect();
            rbsp.push(TRAILING_BITS);
            assert_eq!(unescape(&escape(&[], &rbsp).unwrap()), Ok(rbsp));
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(write(&[7; 238]).unwrap()[..3], [5, 254, UUID[0]]);
        assert_eq!(write(&[7; 239]).unwrap()[..4], [5, 255, 0, UUID[0]]);
        assert_eq!(write(&[7; 600]).unwrap()[..4], [5, 255, 255, 106]);
        for size in [1, 238, 239, 494, crate::carriage::MAX_PAYLOAD, 65536] {
            let rbsp = write(&vec![7; size]).unwrap();
            let payloads: Vec<_> =
                Messages::new(&rbsp).map(|m| m.payload().unwrap().len()).collect();
            assert_eq!(payloads, [size]);
        }
    }
}
