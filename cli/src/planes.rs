//! Planes of a picture, and the conversions between them and RGB that libjpeg-turbo itself does.

use anyhow::{anyhow, Result};
use image::{DynamicImage, GrayImage, RgbImage};
use sidelight::{Layout, Picture, PictureMut, Plane, PlaneMut};

/// A sample that pictures are written from.
pub trait Sample: sidelight::Sample + Default + Into<i32> {
    /// Bits behind the point in the factors of the conversion to RGB: libjpeg's 16 for 8 bits.
    const FRACTION: u32;

    /// The nearest value from 0 to `max`.
    fn clamped(value: i64, max: i64) -> Self;
}

impl Sample for u8 {
    const FRACTION: u32 = 16;

    fn clamped(value: i64, max: i64) -> Self {
        value.clamp(0, max) as Self
    }
}

impl Sample for u16 {
    const FRACTION: u32 = 32;

    fn clamped(value: i64, max: i64) -> Self {
        value.clamp(0, max) as Self
    }
}

/// One plane; rows may be longer than the plane is wide.
#[derive(Clone)]
pub struct Buffer<S> {
    pub width: usize,
    pub height: usize,
    pub stride: usize,
    pub data: Vec<S>,
}

impl<S: Sample> Buffer<S> {
    fn new(width: usize, height: usize, align: usize) -> Result<Self> {
        let (stride, rows) = (width.next_multiple_of(align), height.next_multiple_of(align));
        Ok(Self { width, height, stride, data: filled(stride * rows)? })
    }

    fn stride_bytes(&self) -> usize {
        self.stride * size_of::<S>()
    }

    pub fn row(&self, y: usize) -> &[S] {
        &self.data[y * self.stride..][..self.width]
    }

    fn row_mut(&mut self, y: usize) -> &mut [S] {
        &mut self.data[y * self.stride..][..self.width]
    }
}

/// Zeros, or an error where there is no room for as many.
fn filled<S: Copy + Default>(len: usize) -> Result<Vec<S>> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| anyhow!("out of memory"))?;
    data.resize(len, S::default());
    Ok(data)
}

/// Planes of one picture: luma, and Cb and Cr unless it is gray.
#[derive(Clone)]
pub struct Planes<S = u8> {
    pub layout: Layout,
    pub bit_depth: u32,
    pub planes: Vec<Buffer<S>>,
}

impl<S: Sample> Planes<S> {
    /// Planes of zeros, whose rows and columns have room up to multiples of `align`.
    pub fn new(
        layout: Layout,
        bit_depth: u32,
        (width, height): (usize, usize),
        align: usize,
    ) -> Result<Self> {
        let plane = |i| {
            let (width, height) = layout.plane_size(i, width, height);
            Buffer::new(width, height, align)
        };
        let planes = (0..layout.planes()).map(plane).collect::<Result<_>>()?;
        Ok(Self { layout, bit_depth, planes })
    }

    /// Luma columns and rows.
    pub fn size(&self) -> (usize, usize) {
        (self.planes[0].width, self.planes[0].height)
    }

    /// The library's view of them.
    pub fn view(&self) -> Result<Picture<'_, S>> {
        let planes =
            self.planes.iter().map(|p| Plane::new(&p.data, p.stride_bytes(), p.width, p.height));
        let planes = planes.collect::<sidelight::Result<Vec<_>>>()?;
        Ok(Picture::with_depth(self.layout, self.bit_depth, &planes)?)
    }

    /// The planes as a picture to be written to.
    pub fn view_mut(&mut self) -> Result<PictureMut<'_, S>> {
        let planes = self.planes.iter_mut();
        let mut planes = planes.map(|p| {
            let stride = p.stride_bytes();
            PlaneMut::new(&mut p.data, stride, p.width, p.height)
        });
        // Of gray pictures the last two are ignored.
        let mut next = || planes.next().unwrap_or_else(|| PlaneMut::new(&mut [], 0, 0, 0));
        let planes = [next()?, next()?, next()?];
        Ok(PictureMut::with_depth(self.layout, self.bit_depth, planes)?)
    }

    /// The picture's channels, interleaved: 1 or 3.
    pub fn channels(&self) -> usize {
        self.layout.planes()
    }

    /// Calls back with each row, gray or RGB, interpolated as libjpeg's "fancy" upsampling does.
    pub fn each_row(&self, mut call: impl FnMut(&[S]) -> Result<()>) -> Result<()> {
        let (width, height) = self.size();
        let [luma, chroma @ ..] = &self.planes[..] else { unreachable!("a layout has planes") };
        if chroma.is_empty() {
            return (0..height).try_for_each(|y| call(luma.row(y)));
        }
        let colour = Colour::new::<S>(self.bit_depth);
        let mut out: Vec<S> = filled(3 * width)?;
        // Interpolated rows may be up to three samples longer than the picture's.
        let mut full: [Vec<S>; 2] = [filled(width + 4)?, filled(width + 4)?];
        let mut sums = filled(width + 4)?;
        for y in 0..height {
            for (plane, full) in chroma.iter().zip(&mut full) {
                upsample_row(self.layout, plane, y, &mut sums, full);
            }
            for (x, rgb) in out.chunks_exact_mut(3).enumerate() {
                colour.rgb([luma.row(y)[x], full[0][x], full[1][x]], rgb);
            }
            call(&out)?;
        }
        Ok(())
    }
}

impl Planes<u16> {
    /// Scales 16-bit samples that were 8-bit ones shifted left, so that white is white: by 257 / 256.
    pub fn widen(&mut self) {
        for (i, plane) in self.planes.iter_mut().enumerate() {
            let middle = if i == 0 { 0 } else { 1i32 << 15 };
            for sample in &mut plane.data {
                let value = i32::from(*sample) - middle;
                *sample = (middle + ((value * 257 + 128) >> 8)).clamp(0, 0xffff) as u16;
            }
        }
    }
}

impl Planes {
    /// What is shown, gray or RGB.
    pub fn to_image(&self) -> Result<DynamicImage> {
        let (width, height) = self.size();
        let mut samples = Vec::new();
        samples
            .try_reserve_exact(self.channels() * width * height)
            .map_err(|_| anyhow!("out of memory"))?;
        self.each_row(|row| {
            samples.extend_from_slice(row);
            Ok(())
        })?;
        let (width, height) = (width as u32, height as u32);
        let image = match self.layout {
            Layout::I400 => GrayImage::from_raw(width, height, samples).map(Into::into),
            _ => RgbImage::from_raw(width, height, samples).map(Into::into),
        };
        image.ok_or_else(|| anyhow!("rows are missing"))
    }

    /// The planes that libjpeg-turbo makes of a picture before it transforms them; gray pictures
    /// have one, whatever `layout` is.
    pub fn from_image(image: &DynamicImage, layout: Layout) -> Result<Self> {
        let size = (image.width() as usize, image.height() as usize);
        let rgb = match image {
            DynamicImage::ImageLuma8(gray) => {
                let mut out = Self::new(Layout::I400, 8, size, 1)?;
                out.planes[0].data.copy_from_slice(gray);
                return Ok(out);
            }
            DynamicImage::ImageRgb8(rgb) => rgb,
            _ => return Err(anyhow!("neither gray nor RGB of 8 bits")),
        };
        let mut out = Self::new(Layout::I444, 8, size, 1)?;
        for (i, pixel) in rgb.pixels().enumerate() {
            for (plane, sample) in out.planes.iter_mut().zip(ycc(pixel.0)) {
                plane.data[i] = sample;
            }
        }
        if layout != Layout::I444 {
            out.layout = layout;
            for i in 1..3 {
                out.planes[i] = downsample(&out.planes[i], layout, i)?;
            }
        }
        Ok(out)
    }
}

/// Columns and rows of luma samples for each of chroma: luma's sampling factors beside chroma's of 1.
pub fn ratio(layout: Layout) -> (usize, usize) {
    match layout {
        Layout::I400 | Layout::I444 => (1, 1),
        Layout::I422 => (2, 1),
        Layout::I420 => (2, 2),
        Layout::I440 => (1, 2),
        Layout::I411 => (4, 1),
    }
}

/// `value` with `bits` bits behind the point.
const fn fix(value: f64, bits: u32) -> i64 {
    (value * (1u64 << bits) as f64 + 0.5) as i64
}

/// JFIF's YCbCr of RGB in 16-bit fixed point, rounded as libjpeg does.
fn ycc(rgb: [u8; 3]) -> [u8; 3] {
    const fn f(value: f64) -> i32 {
        fix(value, 16) as i32
    }
    let [r, g, b] = rgb.map(i32::from);
    let half = 1 << 15;
    // One less, so that 255.5 is not rounded to 256.
    let middle = (128 << 16) + half - 1;
    [
        ((f(0.299) * r + f(0.587) * g + f(0.114) * b + half) >> 16) as u8,
        ((-f(0.16874) * r - f(0.33126) * g + f(0.5) * b + middle) >> 16) as u8,
        ((f(0.5) * r - f(0.41869) * g - f(0.08131) * b + middle) >> 16) as u8,
    ]
}

/// The conversion to RGB at a bit depth.
struct Colour {
    middle: i64,
    max: i64,
    half: i64,
    shift: u32,
    red: i64,
    green: [i64; 2],
    blue: i64,
}

impl Colour {
    fn new<S: Sample>(bit_depth: u32) -> Self {
        let shift = S::FRACTION;
        Self {
            middle: 1 << (bit_depth - 1),
            max: (1 << bit_depth) - 1,
            half: 1 << (shift - 1),
            shift,
            red: fix(1.402, shift),
            green: [fix(0.34414, shift), fix(0.71414, shift)],
            blue: fix(1.772, shift),
        }
    }

    fn rgb<S: Sample>(&self, ycc: [S; 3], rgb: &mut [S]) {
        let [y, cb, cr] = ycc.map(|s| i64::from(s.into()));
        let (cb, cr) = (cb - self.middle, cr - self.middle);
        let sample = |sum: i64| S::clamped(y + ((sum + self.half) >> self.shift), self.max);
        rgb[0] = sample(self.red * cr);
        rgb[1] = sample(-self.green[0] * cb - self.green[1] * cr);
        rgb[2] = sample(self.blue * cb);
    }
}

/// Means over the samples of a full-size chroma plane; rounding alternates by column where libjpeg
/// has code of its own for the ratio.
fn downsample(full: &Buffer<u8>, layout: Layout, plane: usize) -> Result<Buffer<u8>> {
    let (across, down) = ratio(layout);
    let (width, height) = layout.plane_size(plane, full.width, full.height);
    let count = (across * down) as u32;
    let mut out = Buffer::new(width, height, 1)?;
    for y in 0..height {
        for x in 0..width {
            let mut sum = if across == 2 { count / 2 - 1 + (x as u32 & 1) } else { count / 2 };
            for row in 0..down {
                let row = full.row((down * y + row).min(full.height - 1));
                let columns = across * x..across * (x + 1);
                sum += columns.map(|x| u32::from(row[x.min(full.width - 1)])).sum::<u32>();
            }
            out.row_mut(y)[x] = (sum / count) as u8;
        }
    }
    Ok(out)
}

/// Row `y` of a chroma plane at full width: libjpeg-turbo's triangle filter, whose sums of two rows
/// are `3 · near + far`. Quarter-width planes, and half-width ones up to two samples wide, are
/// replicated instead.
fn upsample_row<S: Sample>(
    layout: Layout,
    plane: &Buffer<S>,
    y: usize,
    sums: &mut [i32],
    out: &mut [S],
) {
    let (n, (across, down)) = (plane.width, ratio(layout));
    let both = down == 2;
    let near = plane.row(y / down);
    if across == 4 || (across == 2 && n <= 2) || (across == 1 && !both) {
        out.iter_mut().zip(0..across * n).for_each(|(out, x)| *out = near[x / across]);
        return;
    }
    let far = match (both, y % 2) {
        (false, _) => near,
        (true, 0) => plane.row((y / 2).saturating_sub(1)),
        (true, _) => plane.row((y / 2 + 1).min(plane.height - 1)),
    };
    let sample = |value: i32| S::clamped(value.into(), i64::MAX);
    if across == 1 {
        for (x, out) in out[..n].iter_mut().enumerate() {
            *out = sample((3 * near[x].into() + far[x].into() + 1 + (y & 1) as i32) >> 2);
        }
        return;
    }
    for (x, sum) in sums[..n].iter_mut().enumerate() {
        *sum = if both { 3 * near[x].into() + far[x].into() } else { near[x].into() };
    }
    let (shift, left, right) = if both { (4, 8, 7) } else { (2, 1, 2) };
    for x in 0..n {
        let (before, after) = (sums[x.saturating_sub(1)], sums[(x + 1).min(n - 1)]);
        out[2 * x] = sample((3 * sums[x] + before + left) >> shift);
        out[2 * x + 1] = sample((3 * sums[x] + after + right) >> shift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Planes of every layout with samples that change everywhere, `scale` times as large.
    fn planes<S: Sample>(layout: Layout, bit_depth: u32, scale: i64) -> Planes<S> {
        let mut planes = Planes::<S>::new(layout, bit_depth, (37, 29), 1).unwrap();
        for (p, plane) in planes.planes.iter_mut().enumerate() {
            for (i, sample) in plane.data.iter_mut().enumerate() {
                let value = (i * i * 31 + i * 7 + p * 90) % 256;
                *sample = S::clamped(value as i64 * scale, i64::MAX);
            }
        }
        planes
    }

    fn rows<S: Sample>(planes: &Planes<S>) -> Vec<i32> {
        let mut all = Vec::new();
        planes
            .each_row(|row| {
                all.extend(row.iter().map(|s| -> i32 { (*s).into() }));
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn deep_pictures_are_those_of_8_bits_with_more_behind() {
        for layout in Layout::ALL {
            let eight = rows(&planes::<u8>(layout, 8, 1));
            let sixteen = rows(&planes::<u16>(layout, 16, 256));
            assert_eq!(eight.len(), sixteen.len());
            for (a, b) in eight.into_iter().zip(sixteen) {
                // Chroma's two roundings and the conversion's.
                let near = (b - 256 * a).abs() <= 3 * 256;
                assert!(near || (a == 255 && b > 65535 - 3 * 256), "{layout:?}: {a}, {b}");
            }
        }
    }

    #[test]
    fn sixteen_bits_are_exact_to_one() {
        let planes = planes::<u16>(Layout::I444, 16, 257);
        for (i, rgb) in rows(&planes).chunks_exact(3).enumerate() {
            let [y, cb, cr] = [0, 1, 2].map(|p| f64::from(planes.planes[p].data[i]));
            let (cb, cr) = (cb - 32768.0, cr - 32768.0);
            let exact = [y + 1.402 * cr, y - 0.34414 * cb - 0.71414 * cr, y + 1.772 * cb];
            for (a, b) in rgb.iter().zip(exact) {
                assert!((f64::from(*a) - b.clamp(0.0, 65535.0)).abs() <= 0.501, "{a} {b}");
            }
        }
    }
}
