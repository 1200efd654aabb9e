//! The luma plane of a one-picture YUV4MPEG2 file.

use anyhow::{bail, ensure, Context, Result};

/// A plane of luma, rows without padding.
#[derive(Debug)]
pub struct Luma {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

/// Reads the luma of the first picture.
pub fn luma(bytes: &[u8]) -> Result<Luma> {
    let (header, rest) = line(bytes).context("no header line")?;
    let mut words = header.split(' ');
    ensure!(words.next() == Some("YUV4MPEG2"), "not a YUV4MPEG2 file");
    let (mut width, mut height) = (0, 0);
    for word in words {
        match word.split_at_checked(1) {
            Some(("W", n)) => width = n.parse()?,
            Some(("H", n)) => height = n.parse()?,
            Some(("C", layout))
                if !["mono", "420jpeg", "422", "444", "440", "411"].contains(&layout) =>
            {
                bail!("{layout}: not a layout that jpeg_decode writes")
            }
            _ => {}
        }
    }
    ensure!(width > 0 && height > 0, "no size");
    let (frame, samples) = line(rest).context("no picture")?;
    ensure!(frame.starts_with("FRAME"), "no picture");
    let size = usize::checked_mul(width, height).context("too large")?;
    let data = samples.get(..size).context("truncated")?.to_vec();
    Ok(Luma { width, height, data })
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(1024).position(|b| *b == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_examples_write() {
        let file = b"YUV4MPEG2 W3 H2 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=FULL\nFRAME\nabcdefUUVV";
        let luma = luma(file).unwrap();
        assert_eq!((luma.width, luma.height), (3, 2));
        assert_eq!(luma.data, b"abcdef");
    }

    #[test]
    fn refuses_other_bytes() {
        let files: [&[u8]; 7] = [
            b"",
            b"P6\n3 2\n255\n",
            b"YUV4MPEG2 H2 Cmono\nFRAME\nabcdef",
            b"YUV4MPEG2 W3 H2 Cmono\nFRAME\nabcde",
            b"YUV4MPEG2 W99999999999 H99999999999\nFRAME\n",
            b"YUV4MPEG2 W3 H2 Cmono16\nFRAME\nabcdefabcdef",
            b"YUV4MPEG2 W3 H2 C420p10\nFRAME\nabcdefabcdef",
        ];
        for file in files {
            assert!(luma(file).is_err());
        }
    }
}
