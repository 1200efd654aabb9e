//! Windows of a picture for training: what the network sees, and which of its pixels count.

use super::conv::Map;
use crate::picture::Plane;

/// A window in half-resolution pixels, and the part of it whose loss counts. Around that part the
/// window holds the network's whole halo, or ends where the picture ends.
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
#[must_use]
pub fn tiles(height: usize, width: usize, part: usize, halo: usize) -> (Vec<Tile>, (usize, usize)) {
    let window = ((part + 2 * halo).min(height), (part + 2 * halo).min(width));
    let columns = cut(width, part, halo, window.1);
    let all = cut(height, part, halo, window.0).into_iter().flat_map(|r| {
        columns.iter().map(move |c| Tile {
            origin: (r.0, c.0),
            rows: (r.1, r.2),
            columns: (c.1, c.2),
        })
    });
    (all.collect(), window)
}

/// Fills a network's input with the window of `plane` at `origin`, as the filter's packing does:
/// four phases for each pixel, 1.0 for 128 grey levels, samples beyond the picture replicated.
pub fn load(plane: &Plane<'_>, origin: (usize, usize), map: &mut Map) {
    let (last_row, last_column) = (plane.height() - 1, plane.width() - 1);
    for y in 0..map.height {
        let top = 2 * (origin.0 + y);
        let rows = [plane.row(top.min(last_row)), plane.row((top + 1).min(last_row))];
        for (x, out) in map.row_mut(y).chunks_exact_mut(4).enumerate() {
            let left = 2 * (origin.1 + x);
            for (i, o) in out.iter_mut().enumerate() {
                let s = rows[i / 2][(left + i % 2).min(last_column)];
                *o = (f32::from(s) - 128.0) / 128.0;
            }
        }
    }
}

/// `original − decoded` in grey levels at phase `i` of pixel (`y`, `x`) of the picture, or `None`
/// beyond the picture's ends.
#[must_use]
pub fn residual(
    original: &Plane<'_>,
    decoded: &Plane<'_>,
    y: usize,
    x: usize,
    i: usize,
) -> Option<f32> {
    let (row, column) = (2 * y + i / 2, 2 * x + i % 2);
    if row >= original.height() || column >= original.width() {
        return None;
    }
    Some(f32::from(original.row(row)[column]) - f32::from(decoded.row(row)[column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_pixel_once_with_their_halo() {
        for (h, w) in [(1, 1), (5, 70), (64, 64), (65, 200), (256, 384)] {
            let (tiles, window) = tiles(h, w, 64, 5);
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
}
