//! Luma pictures for training and measuring.

use anyhow::{Context, Result};
use sidelight::Plane;
use std::path::Path;

/// One 8-bit luma plane, rows without padding.
#[derive(Clone, Debug)]
pub struct Luma {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

impl Luma {
    /// JFIF luma of a picture file, rounded to 8 bits as libjpeg does; gray pictures as they are.
    pub fn open(path: &Path) -> Result<Self> {
        let picture = image::open(path).with_context(|| path.display().to_string())?;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let data = match picture {
            image::DynamicImage::ImageLuma8(gray) => gray.into_raw(),
            other => other.to_rgb8().pixels().map(|p| luma_of(p.0)).collect(),
        };
        Ok(Self { width, height, data })
    }

    /// The library's view of it.
    pub fn plane(&self) -> Plane<'_> {
        Plane::new(&self.data, self.width, self.width, self.height)
            .expect("a plane holds width × height samples")
    }

    /// The picture scaled by `factor` < 1 with a Lanczos filter.
    pub fn scaled(&self, factor: f64) -> Self {
        let size = |n: usize| ((n as f64 * factor).round() as u32).max(1);
        let (w, h) = (size(self.width), size(self.height));
        let gray =
            image::GrayImage::from_raw(self.width as u32, self.height as u32, self.data.clone())
                .expect("a plane holds width × height samples");
        let out = image::imageops::resize(&gray, w, h, image::imageops::FilterType::Lanczos3);
        Self { width: w as usize, height: h as usize, data: out.into_raw() }
    }
}

/// JFIF luma in 16-bit fixed point.
pub fn luma_of([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8
}

/// Mean squared error.
pub fn mse(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    sum as f64 / a.len() as f64
}

/// PSNR in dB for 8-bit samples; infinite where the planes are equal.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    10.0 * (255.0 * 255.0 / mse(a, b)).log10()
}
