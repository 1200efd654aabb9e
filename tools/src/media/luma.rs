//! A plane of 8-bit samples.

use sidelight::Plane;

/// One 8-bit plane, of luma or of chroma, rows without padding.
#[derive(Clone, Debug)]
pub struct Luma {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

impl Luma {
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

    /// Means over 2 columns and `rows` rows (1 or 2), rounded up and down in turn from column to
    /// column as libjpeg does; the last column and row stand for those beyond.
    pub fn halved(&self, rows: usize) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(rows));
        let row = |y: usize| &self.data[y.min(self.height - 1) * self.width..][..self.width];
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            // Where there is one row, twice its sum.
            let (above, below) = (row(rows * y), row(rows * y + rows - 1));
            data.extend((0..width).map(|x| {
                let (left, right) = (2 * x, (2 * x + 1).min(self.width - 1));
                let four = [above[left], above[right], below[left], below[right]];
                let sum: u32 = four.into_iter().map(u32::from).sum();
                ((sum + 1 + (x % 2) as u32) / 4) as u8
            }));
        }
        Self { width, height, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_sampled_as_libjpeg_does() {
        let plane = Luma { width: 4, height: 2, data: vec![1, 2, 1, 2, 2, 1, 2, 1] };
        assert_eq!(plane.halved(2).data, [1, 2]);
        assert_eq!(plane.halved(1).data, [1, 2, 1, 2]);
        let odd = Luma { width: 3, height: 3, data: vec![0, 4, 8, 4, 8, 12, 8, 12, 16] };
        assert_eq!(odd.halved(2).data, [4, 10, 10, 16]);
    }
}
