//! Pictures as codecs see them: 8-bit luma and half-resolution chroma.

use super::{jfif, planes};
use anyhow::{bail, Result};
use clap::ValueEnum;
use image::{DynamicImage, GrayImage};
use sidelight::{Layout, Picture, PictureMut, Plane, PlaneMut};

/// Luma alone, or luma, Cb and Cr at half resolution (rounded up); rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yuv {
    pub width: usize,
    pub height: usize,
    /// 1 or 3.
    pub planes: Vec<Vec<u8>>,
}

impl Yuv {
    /// Mid-grey, with or without chroma.
    pub fn new(width: usize, height: usize, layout: Layout) -> Self {
        let half = width.div_ceil(2) * height.div_ceil(2);
        let mut planes = vec![vec![128; width * height]];
        if layout != Layout::I400 {
            planes.extend([vec![128; half], vec![128; half]]);
        }
        Self { width, height, planes }
    }

    /// JFIF planes of an RGB picture as libjpeg-turbo makes them.
    pub fn from_rgb(rgb: &image::RgbImage) -> Self {
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let planes = planes::Planes::from_rgb(rgb, jfif::TURBO).sampled(Layout::I420).planes;
        Self { width, height, planes: planes.into_iter().map(|p| p.data).collect() }
    }

    pub fn layout(&self) -> Layout {
        if self.planes.len() == 1 {
            Layout::I400
        } else {
            Layout::I420
        }
    }

    /// Width and height of a plane.
    pub fn size(&self, plane: usize) -> (usize, usize) {
        if plane == 0 {
            (self.width, self.height)
        } else {
            (self.width.div_ceil(2), self.height.div_ceil(2))
        }
    }

    /// Cut, or padded by replication, at the right and at the bottom.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let mut out = Self::new(width, height, self.layout());
        for (i, (from, to)) in self.planes.iter().zip(&mut out.planes).enumerate() {
            let (from_w, from_h) = self.size(i);
            let to_w = if i == 0 { width } else { width.div_ceil(2) };
            for (y, row) in to.chunks_exact_mut(to_w).enumerate() {
                let line = &from[y.min(from_h - 1) * from_w..][..from_w];
                row.iter_mut().enumerate().for_each(|(x, s)| *s = line[x.min(from_w - 1)]);
            }
        }
        out
    }

    /// The library's view of it.
    pub fn picture(&self) -> Result<Picture<'_>> {
        let planes = self.planes.iter().enumerate().map(|(i, data)| {
            let (w, h) = self.size(i);
            Plane::new(data, w, w, h)
        });
        Ok(Picture::new(self.layout(), &planes.collect::<Result<Vec<_>, _>>()?)?)
    }

    /// The library's view of it, to write to.
    pub fn picture_mut(&mut self) -> Result<PictureMut<'_>> {
        let (layout, sizes) = (self.layout(), [self.size(0), self.size(1), self.size(1)]);
        let planes =
            self.planes.iter_mut().zip(sizes).map(|(data, (w, h))| PlaneMut::new(data, w, w, h));
        Ok(PictureMut::new(layout, planes.collect::<Result<Vec<_>, _>>()?)?)
    }

    /// Something to look at: gray, or RGB with chroma repeated.
    pub fn to_image(&self) -> DynamicImage {
        let (width, height) = (self.width as u32, self.height as u32);
        let luma = GrayImage::from_raw(width, height, self.planes[0].clone()).expect("one plane");
        let [_, cb, cr] = &self.planes[..] else { return luma.into() };
        let half = self.width.div_ceil(2);
        let pixel = |x: u32, y: u32| {
            let i = y as usize / 2 * half + x as usize / 2;
            let luma = f64::from(luma.get_pixel(x, y).0[0]);
            let [cb, cr] = [cb[i], cr[i]].map(|v| f64::from(v) - 128.0);
            let rgb =
                [luma + 1.402 * cr, luma - 0.344_136 * cb - 0.714_136 * cr, luma + 1.772 * cb];
            image::Rgb(rgb.map(|v| v.round() as u8))
        };
        image::RgbImage::from_fn(width, height, pixel).into()
    }

    /// All samples, plane after plane, as raw video has them.
    pub fn to_raw(&self) -> Vec<u8> {
        self.planes.concat()
    }

    /// The reverse of [`to_raw`](Self::to_raw).
    pub fn from_raw(width: usize, height: usize, layout: Layout, raw: &[u8]) -> Result<Self> {
        let mut out = Self::new(width, height, layout);
        let wanted: usize = out.planes.iter().map(Vec::len).sum();
        if raw.len() != wanted {
            bail!("a picture of {} bytes where {wanted} were expected", raw.len());
        }
        let mut rest = raw;
        for plane in &mut out.planes {
            let (head, tail) = rest.split_at(plane.len());
            plane.copy_from_slice(head);
            rest = tail;
        }
        Ok(out)
    }
}

/// Which planes of a picture file are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Planes {
    /// Luma and chroma 4:2:0 of colour pictures, luma of gray ones
    Colour,
    /// JFIF luma alone, as a gray picture
    Luma,
    /// BT.601 limited-range luma (MATLAB's rgb2ycbcr) as a gray picture: the protocol of the
    /// published LIVE1 and Classic5 tables
    Limited,
}

/// A picture file, read.
pub struct Original {
    /// What codecs with an RGB or gray input of their own are fed: RGB8 or L8.
    pub image: DynamicImage,
    /// What they make of it, and what distortion is measured against.
    pub yuv: Yuv,
}

impl Original {
    /// Transparency is dropped, deeper samples are rounded to 8 bits.
    pub fn new(picture: DynamicImage, planes: Planes) -> Self {
        let gray = |g: GrayImage| {
            let (width, height) = (g.width() as usize, g.height() as usize);
            let yuv = Yuv { width, height, planes: vec![g.as_raw().clone()] };
            Self { image: DynamicImage::ImageLuma8(g), yuv }
        };
        if !picture.color().has_color() {
            return gray(picture.into_luma8());
        }
        let rgb = picture.into_rgb8();
        match planes {
            Planes::Colour => {
                let yuv = Yuv::from_rgb(&rgb);
                Self { image: DynamicImage::ImageRgb8(rgb), yuv }
            }
            Planes::Luma => {
                let luma = Yuv::from_rgb(&rgb).planes.swap_remove(0);
                gray(GrayImage::from_raw(rgb.width(), rgb.height(), luma).expect("one plane"))
            }
            Planes::Limited => {
                let limited = |p: &image::Rgb<u8>| {
                    let [r, g, b] = p.0.map(f64::from);
                    (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() as u8
                };
                let luma = rgb.pixels().map(limited).collect();
                gray(GrayImage::from_raw(rgb.width(), rgb.height(), luma).expect("one plane"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_has_neutral_chroma_and_raw_video_round_trips() {
        for (w, h) in [(1, 1), (2, 3), (17, 8)] {
            let rgb =
                image::RgbImage::from_fn(w, h, |x, y| image::Rgb([(x * 31 + y * 7) as u8; 3]));
            let yuv = Yuv::from_rgb(&rgb);
            assert!(yuv.planes[1].iter().chain(&yuv.planes[2]).all(|v| *v == 128));
            assert!(yuv.planes[0].iter().zip(rgb.pixels()).all(|(l, p)| *l == p.0[0]));
            let back = Yuv::from_raw(w as usize, h as usize, Layout::I420, &yuv.to_raw()).unwrap();
            assert_eq!(back, yuv);
            assert!(Yuv::from_raw(w as usize, h as usize, Layout::I400, &yuv.to_raw()).is_err());
        }
    }
}
