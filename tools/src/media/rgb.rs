//! RGB pictures to look at, as libjpeg makes them of decoded planes.

use super::yuv::Yuv;
use image::{Rgb, RgbImage};

/// RGB of luma and half-resolution chroma, bit for bit as libjpeg's decompressor makes it by
/// default: fancy upsampling, then JFIF's conversion. Gray pictures have three equal channels.
pub fn from_yuv(yuv: &Yuv) -> RgbImage {
    let (width, height) = (yuv.width as u32, yuv.height as u32);
    let luma = &yuv.planes[0];
    let at = |x: u32, y: u32| y as usize * yuv.width + x as usize;
    let [_, cb, cr] = &yuv.planes[..] else {
        return RgbImage::from_fn(width, height, |x, y| Rgb([luma[at(x, y)]; 3]));
    };
    let [cb, cr] = [cb, cr].map(|plane| upsampled(plane, yuv));
    RgbImage::from_fn(width, height, |x, y| {
        let i = at(x, y);
        Rgb(converted([luma[i], cb[i], cr[i]]))
    })
}

/// A plane at twice the width and height: weights of 9, 3, 3 and 1 for the nearest four samples.
fn upsampled(plane: &[u8], yuv: &Yuv) -> Vec<u8> {
    let (width, height) = yuv.size(1);
    let mut out = vec![0; yuv.width * yuv.height];
    for (y, row) in out.chunks_exact_mut(yuv.width).enumerate() {
        let line = |y: usize| &plane[y * width..][..width];
        let near = line(y / 2);
        // libjpeg repeats samples where there is no room for its loop.
        if width <= 2 {
            row.iter_mut().enumerate().for_each(|(x, s)| *s = near[x / 2]);
            continue;
        }
        let far =
            line(if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(height - 1) });
        let sum = |x: usize| 3 * u32::from(near[x]) + u32::from(far[x]);
        for (x, sample) in row.iter_mut().enumerate() {
            let (beside, round) = if x % 2 == 0 {
                ((x / 2).saturating_sub(1), 8)
            } else {
                ((x / 2 + 1).min(width - 1), 7)
            };
            *sample = ((3 * sum(x / 2) + sum(beside) + round) >> 4) as u8;
        }
    }
    out
}

/// One pixel's RGB of Y, Cb and Cr, with libjpeg's constants of 16 bits.
fn converted([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{command, Kind};
    use crate::media::yuv::{Original, Planes};

    #[test]
    fn pixels_are_those_of_djpeg() {
        if command::version("djpeg", "-version").is_err() {
            eprintln!("djpeg: not installed, not tested");
            return;
        }
        for (width, height) in [(61, 47), (64, 32), (5, 9), (4, 3), (3, 5), (1, 1), (33, 2)] {
            let picture = RgbImage::from_fn(width, height, |x, y| {
                Rgb([(x * 37) as u8, (y * 53) as u8, ((x * y * 11) ^ (x * 5)) as u8])
            });
            for planes in [Planes::Colour, Planes::Luma] {
                let original = Original::new(picture.clone().into(), planes);
                let codec = Kind::Jpeg.open();
                let file = codec.encode(&original, 60).unwrap();
                let ours = from_yuv(&codec.decode(&file, &original.yuv).unwrap());
                let pnm = command::pipe("djpeg", &["-pnm"], &file).unwrap();
                let theirs = &pnm[pnm.len() - original.image.as_bytes().len()..];
                let ours = match planes {
                    Planes::Colour => ours.into_raw(),
                    _ => ours.pixels().map(|p| p.0[0]).collect(),
                };
                assert!(ours == theirs, "{width}x{height} {planes:?}");
            }
        }
    }
}
