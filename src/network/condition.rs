//! What the codec says about quality, as the network's conditioning features. Integers only.

use crate::picture::{Layout, PictureType};

/// Number of conditioning features: 8 of luma, 8 of chroma, 3 of the layout.
pub const FEATURES: usize = 19;
/// The features of luma, which come first.
pub const LUMA_FEATURES: usize = 8;
/// Index of the first layout feature.
const LAYOUT: usize = 16;
/// Fraction bits of a feature.
pub const FEATURE_BITS: u32 = 8;

/// Conditioning features of a picture, in units of 1/256; each lies in −1024..=1024.
///
/// JPEG: for each of the luma and the chroma table there are eight: log2 of the mean quantiser
/// step, less 4, in the bands DC, low, mid and high of the 8×8 transform, then the same means
/// divided by 64. Steps are means in 8-bit sample units, clipped to 1..=255.
///
/// HEVC: log2 of the quantiser step of the QP, less 4; the step divided by 64; 1 for intra, P, B
/// pictures each; the first feature again for intra and for B pictures; those of chroma are 0.
///
/// The last three are 1 where the layout is 4:2:0, 4:2:2, 4:4:4; 4:4:0 and 4:1:1 count as 4:2:2. All
/// but the luma features are 0 for a gray picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition(pub [i32; FEATURES]);

/// Largest QP.
pub const MAX_QP: u8 = 51;
/// 256 · 2^(k/6), rounded.
const ROOTS: [i32; 6] = [256, 287, 323, 362, 406, 456];

/// Band of coefficient (`u`, `v`): 0 for DC, 1 for u + v ≤ 2, 2 for u + v ≤ 6, else 3.
const fn band(u: usize, v: usize) -> usize {
    match u + v {
        0 => 0,
        1 | 2 => 1,
        3..=6 => 2,
        _ => 3,
    }
}

impl Condition {
    /// Layouts of which each has a condition of its own, in the order of their discriminants.
    pub const LAYOUTS: [Layout; 4] = [Layout::I400, Layout::I420, Layout::I422, Layout::I444];

    /// The one of [`LAYOUTS`](Self::LAYOUTS) as which models know `layout`.
    #[must_use]
    pub fn known_layout(layout: Layout) -> Layout {
        match layout {
            Layout::I440 | Layout::I411 => Layout::I422,
            own => own,
        }
    }

    /// From JPEG's luma and chroma quantisation tables in natural (row-major) order, for a picture
    /// of `layout`.
    #[must_use]
    pub fn from_jpeg_tables(luma: &[u16; 64], chroma: &[u16; 64], layout: Layout) -> Self {
        let mut f = [0; FEATURES];
        f[..8].copy_from_slice(&of_table(luma));
        f[8..LAYOUT].copy_from_slice(&of_table(chroma));
        Self(f).of_layout(layout)
    }

    /// From HEVC's luma QP, 4..=51 (others count as the nearest), for a picture of `layout`.
    #[must_use]
    pub fn from_hevc_qp(qp: u8, picture_type: PictureType, layout: Layout) -> Self {
        // The step is 2^((QP − 4) / 6).
        let sixths = i32::from(qp.clamp(4, MAX_QP)) - 4;
        let log_step = 256 * sixths / 6 - 4 * 256;
        let (octave, sixth) = (sixths / 6 + 1, (sixths % 6) as usize);
        let mut f = [0; FEATURES];
        f[0] = log_step;
        // 2^octave is twice the power of 2 in the step, a feature of 1 is 256, a step 64.
        f[1] = (ROOTS[sixth] << octave) >> 7;
        match picture_type {
            PictureType::Irap | PictureType::I => (f[2], f[5]) = (1 << FEATURE_BITS, log_step),
            PictureType::P => f[3] = 1 << FEATURE_BITS,
            PictureType::B => (f[4], f[6]) = (1 << FEATURE_BITS, log_step),
        }
        Self(f).of_layout(layout)
    }

    /// The condition of a picture coded alike, but of `layout`. What a gray picture drops does not
    /// come back.
    #[must_use]
    pub fn of_layout(mut self, layout: Layout) -> Self {
        self.0[LAYOUT..].fill(0);
        match Self::known_layout(layout) as usize {
            0 => self.0[LUMA_FEATURES..].fill(0),
            known => self.0[LAYOUT + known - 1] = 1 << FEATURE_BITS,
        }
        self
    }
}

/// The features of one table.
fn of_table(table: &[u16; 64]) -> [i32; 8] {
    let (mut sum, mut count) = ([0u32; 4], [0u32; 4]);
    for (i, &step) in table.iter().enumerate() {
        let b = band(i % 8, i / 8);
        sum[b] += u32::from(step.clamp(1, 255));
        count[b] += 1;
    }
    let mut f = [0; 8];
    for b in 0..4 {
        let mean = (16 * sum[b] + count[b] / 2) / count[b];
        f[b] = log2_q8(mean) - (4 + 4) * 256;
        f[4 + b] = (mean / 4) as i32;
    }
    f
}

/// `log2(x)` in 1/256, rounded down; `x ≥ 1`.
fn log2_q8(x: u32) -> i32 {
    let whole = x.ilog2();
    let mut mantissa = (u64::from(x) << 31) >> whole; // 1.0 ≤ mantissa < 2.0 with 31 fraction bits
    let mut fraction = 0;
    for _ in 0..8 {
        mantissa = (mantissa * mantissa) >> 31;
        fraction *= 2;
        if mantissa >> 32 != 0 {
            mantissa >>= 1;
            fraction += 1;
        }
    }
    whole as i32 * 256 + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log2_matches_powers() {
        for k in 0..16 {
            assert_eq!(log2_q8(1 << k), k * 256);
        }
        for x in 1..70_000u32 {
            let exact = 256.0 * f64::from(x).log2();
            assert!((f64::from(log2_q8(x)) - exact).abs() <= 1.0 + 1e-3, "{x}");
        }
    }

    #[test]
    fn features_stay_in_range() {
        for step in [1u16, 2, 40, 255, 65535] {
            let c = Condition::from_jpeg_tables(&[step; 64], &[step; 64], Layout::I444);
            assert!(c.0.iter().all(|f| f.abs() <= 1024), "{c:?}");
        }
    }

    #[test]
    fn hevc_steps_double_every_six_qp() {
        let of = |qp| Condition::from_hevc_qp(qp, PictureType::P, Layout::I420).0;
        assert_eq!(of(4)[..5], [-1024, 4, 0, 256, 0]);
        assert_eq!(of(28)[..2], [0, 64]);
        assert_eq!(of(34)[..2], [256, 128]);
        assert_eq!(of(31)[..2], [128, 90]);
        assert_eq!((of(0), of(255)), (of(4), of(51)));
        for qp in 1..=51 {
            for picture_type in [PictureType::I, PictureType::P, PictureType::B] {
                let c = Condition::from_hevc_qp(qp, picture_type, Layout::I444);
                assert!(c.0.iter().all(|f| f.abs() <= 1024), "{c:?}");
            }
        }
        let intra = Condition::from_hevc_qp(40, PictureType::Irap, Layout::I400);
        assert_eq!(intra.0[..8], [512, 256, 256, 0, 0, 512, 0, 0]);
    }

    #[test]
    fn layouts_have_their_features() {
        let colour = Condition::from_jpeg_tables(&[64; 64], &[32; 64], Layout::I422);
        assert_eq!(colour.0[..8], [512, 512, 512, 512, 256, 256, 256, 256]);
        assert_eq!(colour.0[8..16], [256, 256, 256, 256, 128, 128, 128, 128]);
        assert_eq!(colour.0[16..], [0, 256, 0]);
        assert_eq!(colour.of_layout(Layout::I420).0[16..], [256, 0, 0]);
        assert_eq!(colour.of_layout(Layout::I444).0[16..], [0, 0, 256]);
        assert_eq!(colour.of_layout(Layout::I440), colour);
        assert_eq!(colour.of_layout(Layout::I411), colour);
        let gray = colour.of_layout(Layout::I400);
        assert_eq!(gray.0[..8], colour.0[..8]);
        assert!(gray.0[8..].iter().all(|f| *f == 0));
    }
}
