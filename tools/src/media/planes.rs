//! Colour pictures of any layout: JFIF YCbCr planes, cut and sampled down as a JPEG encoder does.

use super::jfif;
use super::luma::Luma;
use super::psnr::mse;
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
    /// Y, Cb, Cr of a picture file at full size and full range, to train on.
    pub fn open(path: &Path) -> Result<Self> {
        let picture = image::open(path).with_context(|| path.display().to_string())?.to_rgb8();
        Ok(Self::from_rgb(&picture, jfif::NEAREST))
    }

    /// Y, Cb, Cr at full size, with `cb` for the factors of red and green in Cb.
    pub fn from_rgb(rgb: &image::RgbImage, cb: [i32; 2]) -> Self {
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let plane = |of: &dyn Fn([u8; 3]) -> u8| Luma {
            width,
            height,
            data: rgb.pixels().map(|p| of(p.0)).collect(),
        };
        let chroma = |i: usize| move |p| jfif::chroma(p, cb)[i];
        let planes = vec![plane(&jfif::luma), plane(&chroma(0)), plane(&chroma(1))];
        Self { layout: Layout::I444, planes }
    }

    /// The library's view of it.
    pub fn view(&self) -> Picture<'_> {
        let planes: Vec<_> = self.planes.iter().map(Luma::plane).collect();
        Picture::new(self.layout, &planes).expect("planes are of the layout's sizes")
    }

    /// The planes as a picture to be written to.
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

    /// The `size × size` samples at (`y`, `x`) of luma, and chroma's beside them, not of 4:2:2:
    /// mirrored left to right, top to bottom, transposed for bits 0, 1, 2 of `turn`. All are even
    /// in 4:2:0.
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

    /// From full-size chroma to `layout`, with box filters; not to 4:4:0 or 4:1:1, which no base
    /// model is trained on.
    pub fn sampled(mut self, layout: Layout) -> Self {
        assert_eq!(self.layout, Layout::I444);
        self.planes.truncate(layout.planes());
        for p in self.planes.iter_mut().skip(1) {
            match layout {
                Layout::I420 => *p = p.halved(2),
                Layout::I422 => *p = p.halved(1),
                Layout::I444 | Layout::I400 => {}
                Layout::I440 | Layout::I411 => panic!("{layout:?}"),
            }
        }
        self.layout = layout;
        self
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
