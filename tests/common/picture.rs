//! Pictures with their memory, made up and coded crudely.

use sidelight::picture::{Picture, PictureMut, Plane, PlaneMut, Sample};
use sidelight::{Decoder, Layout, PictureType};

/// A picture with its memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned<S> {
    pub layout: Layout,
    pub depth: u32,
    size: (usize, usize),
    pub planes: [Vec<S>; 3],
}

impl<S: Sample> Owned<S> {
    /// A picture of samples by their places in a plane.
    pub fn new(
        layout: Layout,
        depth: u32,
        width: usize,
        height: usize,
        mut sample: impl FnMut(usize) -> S,
    ) -> Self {
        let planes = [0, 1, 2].map(|i| {
            let (w, h) = layout.plane_size(i, width, height);
            (0..w * h).map(&mut sample).collect()
        });
        Self { layout, depth, size: (width, height), planes }
    }

    /// A picture of samples by plane, row and column; beyond the depth's range they are clipped.
    pub fn painted(
        layout: Layout,
        depth: u32,
        (width, height): (usize, usize),
        sample: impl Fn(usize, usize, usize) -> i32,
    ) -> Self {
        let max = (1 << depth) - 1;
        let planes = [0, 1, 2].map(|p| {
            let (w, h) = layout.plane_size(p, width, height);
            let clipped = |i| S::new(sample(p, i / w, i % w).clamp(0, max) as u16);
            (0..w * h).map(clipped).collect()
        });
        Self { layout, depth, size: (width, height), planes }
    }

    /// A picture of the same layout and size, deeper.
    pub fn deeper(&self, depth: u32) -> Owned<u16> {
        Owned::new(self.layout, depth, self.size.0, self.size.1, |_| 1)
    }

    /// A picture of the same shape, of other samples.
    pub fn like(&self) -> Self {
        Self::new(self.layout, self.depth, self.size.0, self.size.1, |_| S::new(1))
    }

    /// The luma alone.
    pub fn gray(&self) -> Self {
        let [luma, ..] = &self.planes;
        let planes = [luma.clone(), Vec::new(), Vec::new()];
        Self { layout: Layout::I400, planes, ..*self }
    }

    /// Columns and rows of a plane.
    pub fn plane_size(&self, plane: usize) -> (usize, usize) {
        self.layout.plane_size(plane, self.size.0, self.size.1)
    }

    /// The picture to read.
    pub fn view(&self) -> Picture<'_, S> {
        let plane = |i: usize| {
            let (w, h) = self.plane_size(i);
            Plane::new(&self.planes[i], w * size_of::<S>(), w, h).unwrap()
        };
        let planes: Vec<_> = (0..self.layout.planes()).map(plane).collect();
        Picture::with_depth(self.layout, self.depth, &planes).unwrap()
    }

    /// The picture to write.
    pub fn room(&mut self) -> PictureMut<'_, S> {
        let (layout, size) = (self.layout, self.size);
        let mut i = 0;
        let planes = self.planes.each_mut().map(|data| {
            let (w, h) = layout.plane_size(i, size.0, size.1);
            i += 1;
            PlaneMut::new(data, w * size_of::<S>(), w, h).unwrap()
        });
        PictureMut::with_depth(layout, self.depth, planes).unwrap()
    }

    /// What a decoder makes of the picture.
    pub fn filtered(&self, decoder: &Decoder) -> Self {
        self.filtered_as(decoder, PictureType::default())
    }

    /// What a decoder makes of the picture as one of that type.
    pub fn filtered_as(&self, decoder: &Decoder, picture_type: PictureType) -> Self {
        let mut out = self.like();
        decoder.filter(&self.view().of_type(picture_type), out.room()).unwrap();
        out
    }

    /// A crude codec: the differences from each 8×8 block's mean are quantised. Its artifacts are
    /// blocks, as JPEG's are.
    pub fn coded(&self, step: i32) -> Self {
        Self::painted(self.layout, self.depth, self.size, |plane, y, x| {
            let (width, height) = self.plane_size(plane);
            let at =
                |y: usize, x: usize| i32::from(self.planes[plane][y * width + x].at_most(i16::MAX));
            let (top, left) = (y / 8 * 8, x / 8 * 8);
            let rows = top..(top + 8).min(height);
            let columns = left..(left + 8).min(width);
            let count = (rows.len() * columns.len()) as i32;
            let block = rows.flat_map(|y| columns.clone().map(move |x| (y, x)));
            let mean = block.map(|(y, x)| at(y, x)).sum::<i32>() / count;
            mean + (at(y, x) - mean + step / 2).div_euclid(step) * step
        })
    }

    /// PSNR of a plane in dB.
    pub fn psnr(&self, other: &Self, plane: usize) -> f64 {
        let value = |sample: &S| f64::from(sample.at_most(i16::MAX));
        let pairs = self.planes[plane].iter().zip(&other.planes[plane]);
        let sum: f64 = pairs.map(|(a, b)| (value(a) - value(b)).powi(2)).sum();
        let peak = f64::from((1u32 << self.depth) - 1);
        10.0 * (peak * peak * self.planes[plane].len() as f64 / sum).log10()
    }
}
