//! From RGB to 4:2:0 as video is made.

use crate::media::yuv::Yuv;
use rand::Rng;
use rand_pcg::Pcg64Mcg;

/// RGB pixels, 0..=255.
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 3]>,
}

/// A way to make YCbCr of R'G'B'.
pub struct Colour {
    /// Shares of red and of blue in luma.
    red: f32,
    blue: f32,
    /// Full range with chroma between the luma samples, as JFIF; else limited range with chroma at
    /// the left ones, as video.
    full: bool,
}

impl Colour {
    /// BT.601 or BT.709.
    pub fn of_video(rng: &mut Pcg64Mcg) -> Self {
        let (red, blue) = if rng.random() { (0.299, 0.114) } else { (0.2126, 0.0722) };
        Self { red, blue, full: false }
    }

    /// Video's conversion, but JFIF's for 1 in 5.
    pub fn of_stills(rng: &mut Pcg64Mcg) -> Self {
        if rng.random_bool(0.2) {
            Self { red: 0.299, blue: 0.114, full: true }
        } else {
            Self::of_video(rng)
        }
    }

    /// Luma, and chroma at half width and height, of a frame of even sizes.
    pub fn planes(&self, frame: &Frame) -> Yuv {
        let (width, height) = (frame.width, frame.height);
        let (luma_range, chroma_range, black) =
            if self.full { (1.0, 1.0, 0.0) } else { (219.0 / 255.0, 224.0 / 255.0, 16.0) };
        let byte = |v: f32| v.round().clamp(0.0, 255.0) as u8;
        let luma =
            |[r, g, b]: [f32; 3]| self.red * r + self.blue * b + (1.0 - self.red - self.blue) * g;
        let chroma = |channel: usize, share: f32| -> Vec<u8> {
            let difference =
                |p: &[f32; 3]| (p[channel] - luma(*p)) * chroma_range / (2.0 * (1.0 - share));
            let full: Vec<f32> = frame.pixels.iter().map(difference).collect();
            let sample = |i: usize| {
                let (x, y) = (i % (width / 2) * 2, i / (width / 2) * 2);
                let row = |row: usize| {
                    let row = &full[row * width..][..width];
                    if self.full {
                        (row[x] + row[x + 1]) / 2.0
                    } else {
                        (row[x.saturating_sub(1)] + 2.0 * row[x] + row[x + 1]) / 4.0
                    }
                };
                byte(128.0 + (row(y) + row(y + 1)) / 2.0)
            };
            (0..width * height / 4).map(sample).collect()
        };
        let (cb, cr) = (chroma(2, self.blue), chroma(0, self.red));
        let luma = frame.pixels.iter().map(|p| byte(black + luma(*p) * luma_range)).collect();
        Yuv { width, height, planes: vec![luma, cb, cr] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_are_where_the_standards_say() {
        let frame = |rgb| Frame { width: 2, height: 2, pixels: vec![rgb; 4] };
        let video = Colour { red: 0.2126, blue: 0.0722, full: false };
        let of =
            |c: &Colour, rgb| c.planes(&frame(rgb)).planes.iter().map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(of(&video, [255.0; 3]), [235, 128, 128]);
        assert_eq!(of(&video, [0.0; 3]), [16, 128, 128]);
        assert_eq!(of(&video, [255.0, 0.0, 0.0]), [63, 102, 240]);
        let jfif = Colour { red: 0.299, blue: 0.114, full: true };
        assert_eq!(of(&jfif, [0.0, 0.0, 255.0]), [29, 255, 107]);
    }
}
