//! Distortion of a picture.

use super::results::Measured;
use crate::media::psnr::{mse, psnr};
use crate::media::yuv::Yuv;
use av_metrics::video::{ssim, ChromaSampling, Frame};

/// (6 Y + Cb + Cr) / 8; luma's for gray pictures; `None` where a plane's is.
pub fn psnr_yuv(psnr: &[Option<f64>]) -> Option<f64> {
    match *psnr {
        [y] => y,
        [y, cb, cr] => Some((6.0 * y? + cb? + cr?) / 8.0),
        _ => None,
    }
}

/// Distortion of `picture`, in a file of `bytes`, against `original`.
pub fn measure(original: &Yuv, picture: &Yuv, bytes: usize) -> Measured {
    let [ssim, ms_ssim] = structural(original, picture);
    Measured { ssim, ms_ssim, ..measure_psnr(original, picture, bytes) }
}

/// Measures PSNR alone, without SSIM and MS-SSIM, which take longer.
pub fn measure_psnr(original: &Yuv, picture: &Yuv, bytes: usize) -> Measured {
    let planes = original.planes.iter().zip(&picture.planes);
    let mse: Vec<f64> = planes.map(|(a, b)| mse(a, b)).collect();
    let psnr: Vec<_> = mse.iter().map(|mse| psnr(*mse)).collect();
    let psnr_yuv = psnr_yuv(&psnr);
    Measured { bytes, mse, psnr, psnr_yuv, ssim: None, ms_ssim: None }
}

/// Smallest side that MS-SSIM's five scales leave something of.
const SMALLEST: usize = 32;

/// SSIM and MS-SSIM of luma, by the `av-metrics` crate.
fn structural(original: &Yuv, picture: &Yuv) -> [Option<f64>; 2] {
    if original.width.min(original.height) < SMALLEST {
        return [None; 2];
    }
    let (a, b) = (frame(original), frame(picture));
    let linear = |decibels: f64| {
        // The crate gives −10 log10(1 − SSIM).
        let value = 1.0 - 10f64.powf(-decibels / 10.0);
        value.is_finite().then_some(value)
    };
    let ssim = ssim::calculate_frame_ssim(&a, &b, 8, ChromaSampling::Cs420);
    let ms_ssim = ssim::calculate_frame_msssim(&a, &b, 8, ChromaSampling::Cs420);
    [ssim.ok(), ms_ssim.ok()].map(|result| result.and_then(|planes| linear(planes.y)))
}

/// The crate compares all planes of a frame; only luma's figure is used, so chroma stays empty.
fn frame(yuv: &Yuv) -> Frame<u8> {
    let mut frame = Frame::new_with_padding(yuv.width, yuv.height, ChromaSampling::Cs420, 0);
    frame.planes[0].copy_from_raw_u8(&yuv.planes[0], yuv.width, 1);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight::Layout;

    #[test]
    fn psnr_of_known_errors() {
        let a = Yuv::new(40, 36, Layout::I420);
        let mut b = a.clone();
        b.planes[0].iter_mut().for_each(|s| *s += 1);
        b.planes[1].iter_mut().step_by(2).for_each(|s| *s -= 4);
        let m = measure(&a, &b, 7);
        assert_eq!((m.bytes, &m.mse[..]), (7, &[1.0, 8.0, 0.0][..]));
        // 20 log10(255), and 10 log10(255² / 8).
        assert!((m.psnr[0].unwrap() - 48.130_803_608_679_1).abs() < 1e-12);
        assert!((m.psnr[1].unwrap() - 39.099_903_738_3).abs() < 1e-9);
        assert_eq!((m.psnr[2], m.psnr_yuv), (None, None));
        assert_eq!(psnr_yuv(&[Some(30.0), Some(34.0), Some(38.0)]), Some(31.5));
        assert_eq!(psnr_yuv(&[Some(30.0)]), Some(30.0));
    }

    #[test]
    fn ssim_falls_with_noise_and_needs_room() {
        let mut original = Yuv::new(96, 80, Layout::I400);
        let samples = original.planes[0].iter_mut().enumerate();
        samples.for_each(|(i, s)| *s = (128.0 + 80.0 * (i as f64 / 9.0).sin()) as u8);
        let noisy = |amount: u8| {
            let mut out = original.clone();
            let samples = out.planes[0].iter_mut().enumerate();
            samples.for_each(|(i, s)| {
                if i * 7 % 3 == 0 {
                    *s += amount
                }
            });
            measure(&original, &out, 0)
        };
        let values = [2, 8, 30].map(noisy);
        for pair in values.windows(2) {
            assert!(pair[0].ssim > pair[1].ssim && pair[0].ms_ssim > pair[1].ms_ssim);
            assert!(pair[0].ssim.unwrap() < 1.0 && pair[1].ssim.unwrap() > 0.0);
        }
        let small = Yuv::new(31, 80, Layout::I420);
        assert_eq!(measure(&small, &small, 0).ssim, None);
    }
}
