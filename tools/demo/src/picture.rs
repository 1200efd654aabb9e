//! PNG pictures in colour.

use crate::jfif;
use anyhow::{ensure, Context, Result};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Filter, Transformations};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// An 8-bit RGB picture, rows without padding.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// Whether a PNG file is of a colour picture.
pub fn has_color(path: &Path) -> Result<bool> {
    let reader = Decoder::new(BufReader::new(File::open(path)?)).read_info()?;
    Ok(!matches!(reader.info().color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha))
}

impl Picture {
    /// Reads a PNG file in colour. Transparency is dropped, deeper samples are cut to 8 bits.
    pub fn open(path: &Path) -> Result<Self> {
        let what = || path.display().to_string();
        let mut decoder = Decoder::new(BufReader::new(File::open(path).with_context(what)?));
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let mut reader = decoder.read_info().with_context(what)?;
        let mut samples = vec![0; reader.output_buffer_size().with_context(what)?];
        let info = reader.next_frame(&mut samples).with_context(what)?;
        samples.truncate(info.buffer_size());
        let rgb = match info.color_type {
            ColorType::Rgb => samples,
            ColorType::Rgba => samples.chunks_exact(4).flat_map(|p| &p[..3]).copied().collect(),
            other => anyhow::bail!("{}: {other:?}, not in colour", path.display()),
        };
        Ok(Self { width: info.width as usize, height: info.height as usize, rgb })
    }

    /// JFIF luma.
    pub fn luma(&self) -> Vec<u8> {
        self.rgb.chunks_exact(3).map(|p| jfif::luma([p[0], p[1], p[2]])).collect()
    }

    /// Writes it as PNG, as small as it gets: the same bytes for the same picture.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::High);
        encoder.set_filter(Filter::Adaptive);
        encoder.write_header()?.write_image_data(&self.rgb)?;
        std::fs::write(path, bytes).with_context(|| path.display().to_string())
    }

    /// Parts of `pictures`, `side` pixels wide and high from (`left`, `top`) on, each pixel drawn
    /// as a square of `scale`, side by side on white.
    pub fn panels(
        pictures: &[Self],
        (left, top): (usize, usize),
        side: usize,
        scale: usize,
        gap: usize,
    ) -> Result<Self> {
        let panel = side * scale;
        let (width, height) = ((panel + gap) * pictures.len() - gap, panel);
        let mut rgb = vec![255; 3 * width * height];
        for (i, picture) in pictures.iter().enumerate() {
            ensure!(
                left + side <= picture.width && top + side <= picture.height,
                "a small picture"
            );
            for (y, row) in rgb.chunks_exact_mut(3 * width).enumerate() {
                let to = &mut row[3 * (panel + gap) * i..][..3 * panel];
                for (x, pixel) in to.chunks_exact_mut(3).enumerate() {
                    let from = (top + y / scale) * picture.width + left + x / scale;
                    pixel.copy_from_slice(&picture.rgb[3 * from..][..3]);
                }
            }
        }
        Ok(Self { width, height, rgb })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_magnified_side_by_side() {
        let of = |start: u8| Picture { width: 3, height: 2, rgb: (start..start + 18).collect() };
        let out = Picture::panels(&[of(0), of(100)], (1, 0), 2, 2, 1).unwrap();
        assert_eq!((out.width, out.height), (9, 4));
        let reds = |y: usize| (0..9).map(|x| out.rgb[3 * (9 * y + x)]).collect::<Vec<_>>();
        assert_eq!(reds(0), [3, 3, 6, 6, 255, 103, 103, 106, 106]);
        assert_eq!(reds(1), reds(0));
        assert_eq!(reds(3), [12, 12, 15, 15, 255, 112, 112, 115, 115]);
        assert!(Picture::panels(&[of(0)], (2, 0), 2, 1, 0).is_err());
    }
}
