//! Colour pictures for training: JFIF YCbCr planes, cut and sampled down as a JPEG encoder does.

use super::tables::Quantiser;
use crate::jpeg;
use crate::luma::{luma_of, mse, Luma};
use anyhow::{Context, Result};
use sidelight::{Layout, Picture, PictureMut, PlaneMut};
use std::path::Path;

/// Planes of one picture: luma, and Cb and Cr unless it is gray.
#[derive(Clone, Debug)]
pub struct Planes {
    pub layout: Layout,
    pub planes: Vec<Luma>,
}

impl Planes {
    /// Y, Cb, Cr of a picture file at full size, full range, rounded as libjpeg does.
    pub fn open(path: &Path) -> Result<Self> {
        let picture = image::open(path).with_context(|| path.display().to_string())?.to_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let plane = |of: &dyn Fn([u8; 3]) -> u8| Luma {
            width,
            height,
            data: picture.pixels().map(|p| of(p.0)).collect(),
        };
        // 16-bit fixed point; "− 1" as in libjpeg, so that 255.5 does not round to 256.
        let chroma = |r: i32, g: i32, b: i32| {
            move |p: [u8; 3]| {
                let sum = r * i32::from(p[0]) + g * i32::from(p[1]) + b * i32::from(p[2]);
                ((sum + (128 << 16) + 32768 - 1) >> 16) as u8
            }
        };
        let planes = vec![
            plane(&luma_of),
            plane(&chroma(-11058, -21710, 32768)),
            plane(&chroma(32768, -27439, -5329)),
        ];
        Ok(Self { layout: Layout::I444, planes })
    }

    /// The library's view of it.
    pub fn view(&self) -> Picture<'_> {
        let planes: Vec<_> = self.planes.iter().map(Luma::plane).collect();
        Picture::new(self.layout, &planes).expect("planes are of the layout's sizes")
    }

    /// The same, to be written to.
    pub fn view_mut(&mut self) -> PictureMut<'_> {
        let planes = self.planes.iter_mut();
        let planes = planes.map(|p| PlaneMut::new(&mut p.data, p.width, p.width, p.height));
        let planes = planes.collect::<Result<_, _>>();
        PictureMut::new(self.layout, planes.expect("planes hold their samples"))
            .expect("planes are of the layout's sizes")
    }

    /// Luma columns and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.planes[0].width, self.planes[0].height)
    }

    /// Every plane scaled by `factor` < 1.
    pub fn scaled(&self, factor: f64) -> Self {
        let planes = self.planes.iter().map(|p| p.scaled(factor)).collect();
        Self { layout: self.layout, planes }
    }

    /// The `size × size` samples at (`y`, `x`) of luma, and chroma's beside them, not of 4:2:2: mirrored
    /// left to right, top to bottom, transposed for bits 0, 1, 2 of `turn`. All are even in 4:2:0.
    pub fn crop(&self, y: usize, x: usize, size: usize, turn: u32) -> Self {
        assert_ne!(self.layout, Layout::I422);
        let cut = |p: &Luma| {
            let part = self.size().0 / p.width;
            let (y, x, size) = (y / part, x / part, size / part);
            let sample = |i: usize| {
                let (mut u, mut v) = (i % size, i / size);
                if turn & 1 != 0 {
                    u = size - 1 - u;
                }
                if turn & 2 != 0 {
                    v = size - 1 - v;
                }
                if turn & 4 != 0 {
                    std::mem::swap(&mut u, &mut v);
                }
                p.data[(y + v) * p.width + x + u]
            };
            Luma { width: size, height: size, data: (0..size * size).map(sample).collect() }
        };
        Self { layout: self.layout, planes: self.planes.iter().map(cut).collect() }
    }

    /// Chroma `factor` times as strong, 0..=1.
    pub fn saturated(mut self, factor: f32) -> Self {
        for sample in self.planes.iter_mut().skip(1).flat_map(|p| &mut p.data) {
            *sample = ((f32::from(*sample) - 128.0) * factor + 128.0).round() as u8;
        }
        self
    }

    /// From full-size chroma to `layout`, with box filters. Sizes are even.
    pub fn sampled(mut self, layout: Layout) -> Self {
        assert_eq!(self.layout, Layout::I444);
        self.planes.truncate(layout.planes());
        for p in self.planes.iter_mut().skip(1) {
            match layout {
                Layout::I420 => *p = halved(p, 2),
                Layout::I422 => *p = halved(p, 1),
                Layout::I444 | Layout::I400 => {}
            }
        }
        self.layout = layout;
        self
    }

    /// All planes after JPEG coding and decoding.
    pub fn degraded(&self, quantiser: &Quantiser) -> Result<Self> {
        let planes = self.planes.iter().enumerate();
        let coded = planes.map(|(i, p)| {
            let table = &quantiser.tables[i.min(1)];
            jpeg::decode(&match quantiser.trellis {
                None => jpeg::encode(p, table),
                Some(trellis) => jpeg::encode_trellis(p, table, trellis),
            }?)
        });
        Ok(Self { layout: self.layout, planes: coded.collect::<Result<_>>()? })
    }

    /// Mean squared error of every plane, 0 where there is none.
    pub fn errors(&self, other: &Self) -> [f64; 3] {
        let mut all = [0.0; 3];
        for (e, (a, b)) in all.iter_mut().zip(self.planes.iter().zip(&other.planes)) {
            *e = mse(&a.data, &b.data);
        }
        all
    }
}

/// Means over 2 columns and `rows` rows, rounded up and down in turn from column to column as
/// libjpeg does.
fn halved(p: &Luma, rows: usize) -> Luma {
    let (width, height) = (p.width / 2, p.height / rows);
    let mut data = Vec::with_capacity(width * height);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let above = &p.data[rows * y * p.width + 2 * x..][..2];
        let below = &p.data[(rows * y + rows - 1) * p.width + 2 * x..][..2];
        let sum = [above, below].into_iter().flatten().map(|s| u32::from(*s)).sum::<u32>();
        // Two equal rows where there is one: twice its sum.
        data.push(((sum + 1 + (x % 2) as u32) / 4) as u8);
    }
    Luma { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_sampled_as_libjpeg_does() {
        let plane = Luma { width: 4, height: 2, data: vec![1, 2, 1, 2, 2, 1, 2, 1] };
        assert_eq!(halved(&plane, 2).data, [1, 2]);
        assert_eq!(halved(&plane, 1).data, [1, 2, 1, 2]);
    }
}
