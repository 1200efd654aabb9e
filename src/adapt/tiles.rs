//! Windows of a picture for training: what a network sees, and which of its pixels count.

use super::distortion::squared_differences;
use crate::picture::{Layout, Picture, Sample};
use crate::train::map::Map;
use crate::util::alloc;
use crate::Result;
use std::ops::Range;

/// A window in pixels of a network's maps, and the part of it whose loss counts. Around that part
/// the window holds the network's whole halo, or ends where the picture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// First row and column of the window.
    pub origin: (usize, usize),
    /// Rows that count, from the window's first: start and end.
    pub rows: (usize, usize),
    /// Columns that count.
    pub columns: (usize, usize),
}

/// One dimension: `size` pixels cut into parts of at most `part`, each in a window of `window`.
fn cut(size: usize, part: usize, halo: usize, window: usize) -> Vec<(usize, usize, usize)> {
    let count = size.div_ceil(part);
    (0..count)
        .map(|i| {
            let (start, end) = (size * i / count, size * (i + 1) / count);
            let origin = start.saturating_sub(halo).min(size - window);
            (origin, start - origin, end - origin)
        })
        .collect()
}

/// Cuts a `height × width` map into tiles with a `halo`, and says how large their windows are.
///
/// # Errors
/// [`OutOfMemory`](crate::Error::OutOfMemory).
pub fn tiles(
    height: usize,
    width: usize,
    part: usize,
    halo: usize,
) -> Result<(Vec<Tile>, (usize, usize))> {
    let window = ((part + 2 * halo).min(height), (part + 2 * halo).min(width));
    let columns = cut(width, part, halo, window.1);
    let rows = cut(height, part, halo, window.0);
    let count = rows.len() * columns.len();
    let all = rows.into_iter().flat_map(|r| {
        columns.iter().map(move |c| Tile {
            origin: (r.0, c.0),
            rows: (r.1, r.2),
            columns: (c.1, c.2),
        })
    });
    Ok((alloc::try_collect(count, all)?, window))
}

/// The samples beside a pixel that one of a network's channels stands for.
struct Source {
    plane: usize,
    /// Rows and columns of samples from one pixel to the next.
    step: (usize, usize),
    /// Row and column of the first pixel's first sample.
    first: (usize, usize),
    /// Rows and columns of samples.
    size: (usize, usize),
}

impl Source {
    /// The samples of channel `i`: four luma phases of `wide` columns each, Cb, Cr.
    fn new(layout: Layout, wide: usize, i: usize) -> Self {
        if i < 4 {
            let first = (i / 2, i % 2 * wide);
            return Self { plane: 0, step: (2, 2 * wide), first, size: (1, wide) };
        }
        let size = layout.chroma_beside_pixel().unwrap_or_default();
        Self { plane: i - 3, step: size, first: (0, 0), size }
    }

    /// Rows of samples beside pixels in row `y`.
    fn rows(&self, y: usize) -> Range<usize> {
        let first = self.step.0 * y + self.first.0;
        first..first + self.size.0
    }

    /// Columns of samples beside pixels in column `x`.
    fn columns(&self, x: usize) -> Range<usize> {
        let first = self.step.1 * x + self.first.1;
        first..first + self.size.1
    }
}

/// Fills a network's input with the window of `picture` at `origin`, as the filter's packing does:
/// four luma phases for each pixel, then the means of the Cb and Cr samples beside it if the map
/// has 6 channels; 1.0 for half the range of samples, samples beyond the picture replicated.
///
/// # Panics
/// If the map has 6 channels and the picture is gray.
pub fn load<S: Sample>(picture: &Picture<'_, S>, origin: (usize, usize), map: &mut Map) {
    let channels = map.channels;
    let middle = 1 << (picture.bit_depth() - 1);
    let max = (2 * middle - 1) as i16;
    let wide = if channels == 6 { picture.layout().chroma_pixel_width() / 2 } else { 1 };
    for i in 0..channels {
        let source = Source::new(picture.layout(), wide, i);
        let plane = &picture.planes()[source.plane];
        let (last_row, last_column) = (plane.height() - 1, plane.width() - 1);
        let unit = 1.0 / (middle as usize * source.size.0 * source.size.1) as f32;
        for y in 0..map.height {
            let row = map.row_mut(y).iter_mut().skip(i).step_by(channels);
            let rows = source.rows(origin.0 + y);
            for (x, out) in row.enumerate() {
                let mut sum = 0;
                for samples in rows.clone().map(|r| plane.row(r.min(last_row))) {
                    let columns = source.columns(origin.1 + x);
                    let sample = |c: usize| samples[c.min(last_column)].at_most(max);
                    sum += columns.map(|c| i32::from(sample(c)) - middle).sum::<i32>();
                }
                *out = sum as f32 * unit;
            }
        }
    }
}

/// Rows and columns of the samples of plane `plane` in the part of `tile` that counts; `None` for
/// chroma of a gray picture.
fn part<S: Sample>(
    picture: &Picture<'_, S>,
    tile: &Tile,
    plane: usize,
) -> Option<(Range<usize>, Range<usize>)> {
    let step = match plane {
        0 => (2, 2),
        _ => picture.layout().chroma_beside_pixel()?,
    };
    let plane = &picture.planes()[plane];
    let span = |step: usize, origin: usize, part: (usize, usize), size: usize| {
        step * (origin + part.0)..(step * (origin + part.1)).min(size)
    };
    let rows = span(step.0, tile.origin.0, tile.rows, plane.height());
    Some((rows, span(step.1, tile.origin.1, tile.columns, plane.width())))
}

/// Sum of the squared differences of samples of plane `plane` in the part of `tile` that counts, in
/// squared grey levels of 8 bits; 0 for chroma of gray pictures.
#[must_use]
pub fn squared_error<S: Sample>(
    original: &Picture<'_, S>,
    decoded: &Picture<'_, S>,
    tile: &Tile,
    plane: usize,
) -> f64 {
    let Some((rows, columns)) = part(original, tile, plane) else { return 0.0 };
    let depth = original.bit_depth();
    let max = ((1u32 << depth) - 1) as i16;
    let (original, decoded) = (&original.planes()[plane], &decoded.planes()[plane]);
    let row = |y: usize| {
        let columns = columns.clone();
        squared_differences(&original.row(y)[columns.clone()], &decoded.row(y)[columns], max)
    };
    let sum: u64 = rows.map(row).sum();
    sum as f64 / f64::from(1u32 << (2 * (depth - 8)))
}

/// `original − decoded` in grey levels of 8 bits at what channel `i` of pixel (`y`, `x`) corrects, of
/// luma's network for the first four, else of chroma's: the sum over the samples that it stands
/// for, and how many these are; none beyond the picture's ends.
///
/// # Panics
/// For chroma of a gray picture.
#[must_use]
pub fn residual<S: Sample>(
    original: &Picture<'_, S>,
    decoded: &Picture<'_, S>,
    y: usize,
    x: usize,
    i: usize,
) -> (f32, f32) {
    let source = Source::new(original.layout(), 1, i);
    let depth = original.bit_depth();
    let max = ((1u32 << depth) - 1) as i16;
    let planes = (&original.planes()[source.plane], &decoded.planes()[source.plane]);
    let (height, width) = (planes.0.height(), planes.0.width());
    let (mut sum, mut count) = (0, 0);
    for row in source.rows(y).filter(|r| *r < height) {
        let (original, decoded) = (planes.0.row(row), planes.1.row(row));
        for column in source.columns(x).filter(|c| *c < width) {
            let [original, decoded] = [original[column], decoded[column]].map(|s| s.at_most(max));
            sum += i32::from(original) - i32::from(decoded);
            count += 1;
        }
    }
    (sum as f32 / (1 << (depth - 8)) as f32, count as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::distortion::PlaneErrors;
    use crate::picture::Plane;
    use crate::util::rng::Xorshift;

    #[test]
    fn tiles_cover_every_pixel_once_with_their_halo() {
        for (h, w) in [(1, 1), (5, 70), (64, 64), (65, 200), (256, 384)] {
            let (tiles, window) = tiles(h, w, 64, 5).unwrap();
            let mut seen = vec![0; h * w];
            for t in &tiles {
                assert!(t.origin.0 + window.0 <= h && t.origin.1 + window.1 <= w);
                for (o, r, win, size) in
                    [(t.origin.0, t.rows, window.0, h), (t.origin.1, t.columns, window.1, w)]
                {
                    assert!(r.0 < r.1 && (r.0 >= 5 || o == 0));
                    assert!(win - r.1 >= 5 || o + win == size);
                }
                for y in t.rows.0..t.rows.1 {
                    for x in t.columns.0..t.columns.1 {
                        seen[(t.origin.0 + y) * w + t.origin.1 + x] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{h}x{w}");
        }
    }

    /// Over all tiles together they are the whole picture's, of any layout and depth.
    #[test]
    fn squared_errors_add_up() {
        let mut random = Xorshift(9);
        let mut samples = || (0..77 * 50).map(|_| (random.next() >> 52) as u16).collect::<Vec<_>>();
        let (original, decoded) = (samples(), samples());
        for (depth, layout) in [10, 12].into_iter().flat_map(|d| Layout::ALL.map(|l| (d, l))) {
            let picture = |data| {
                let plane = |p| {
                    let (width, height) = layout.plane_size(p, 77, 50);
                    Plane::new(data, 2 * 77, width, height).unwrap()
                };
                let planes: Vec<_> = (0..layout.planes()).map(plane).collect();
                Picture::with_depth(layout, depth, &planes).unwrap()
            };
            let (original, decoded) = (picture(&original[..]), picture(&decoded[..]));
            let PlaneErrors(mse) = PlaneErrors::between(&original, &decoded);
            for (p, mse) in mse.into_iter().enumerate() {
                let wide = if p == 0 { 2 } else { layout.chroma_pixel_width() };
                let (tiles, _) = tiles(25, usize::div_ceil(77, wide), 8, 2).unwrap();
                let sum: f64 = tiles.iter().map(|t| squared_error(&original, &decoded, t, p)).sum();
                let count = original.planes().get(p).map_or(0, |p| p.width() * p.height());
                assert!((sum - mse * count as f64).abs() <= 1e-6 * sum, "{layout:?} {p}");
            }
        }
    }
}
