//! Distortion of a picture.

use super::results::Measured;
use crate::media::psnr::{mse, psnr};
use crate::media::rgb;
use crate::media::yuv::{Original, Yuv};
use av_metrics::video::{ssim, ChromaSampling, Frame};
use butteraugli::{butteraugli, ButteraugliParams, Img, RGB8};
use image::RgbImage;
use ssimulacra2::{compute_frame_ssimulacra2, ColorPrimaries, Rgb, TransferCharacteristic};

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

/// Distortion of `picture` as well in RGB, as a viewer shows it, against the picture file.
pub fn measure_shown(original: &Original, picture: &Yuv, bytes: usize) -> Measured {
    let (a, b) = (original.image.to_rgb8(), rgb::from_yuv(picture));
    let [butteraugli, butteraugli_3] = distances(&a, &b);
    let planes = measure(&original.yuv, picture, bytes);
    Measured { ssimulacra2: ssimulacra2(&a, &b), butteraugli, butteraugli_3, ..planes }
}

/// SSIMULACRA 2 by the `ssimulacra2` crate; `None` for pictures of fewer than 8 rows or columns.
fn ssimulacra2(a: &RgbImage, b: &RgbImage) -> Option<f64> {
    let frame = |rgb: &RgbImage| {
        let pixels = rgb.pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect();
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let (transfer, primaries) = (TransferCharacteristic::SRGB, ColorPrimaries::BT709);
        Rgb::new(pixels, width, height, transfer, primaries).ok()
    };
    compute_frame_ssimulacra2(frame(a)?, frame(b)?).ok()
}

/// Butteraugli's maximum and 3-norm by the `butteraugli` crate; `None` as for [`ssimulacra2()`].
fn distances(a: &RgbImage, b: &RgbImage) -> [Option<f64>; 2] {
    let frame = |rgb: &RgbImage| {
        let pixels = rgb.pixels().map(|p| RGB8::new(p.0[0], p.0[1], p.0[2])).collect();
        Img::<Vec<RGB8>>::new(pixels, rgb.width() as usize, rgb.height() as usize)
    };
    let result = butteraugli(frame(a).as_ref(), frame(b).as_ref(), &ButteraugliParams::default());
    result.map_or([None; 2], |r| [Some(r.score), Some(r.pnorm_3)])
}

/// Measures PSNR alone, without SSIM and MS-SSIM, which take longer.
pub fn measure_psnr(original: &Yuv, picture: &Yuv, bytes: usize) -> Measured {
    let planes = original.planes.iter().zip(&picture.planes);
    let mse: Vec<f64> = planes.map(|(a, b)| mse(a, b)).collect();
    let psnr: Vec<_> = mse.iter().map(|mse| psnr(*mse)).collect();
    let psnr_yuv = psnr_yuv(&psnr);
    Measured {
        bytes,
        mse,
        psnr,
        psnr_yuv,
        ssim: None,
        ms_ssim: None,
        ssimulacra2: None,
        butteraugli: None,
        butteraugli_3: None,
    }
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
    use crate::media::yuv::Planes;
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

    #[test]
    fn figures_of_rgb_worsen_with_noise_and_need_room() {
        let picture = RgbImage::from_fn(67, 40, |x, y| {
            let wave = |of: u32, length: f64| (128.0 + 70.0 * (f64::from(of) / length).sin()) as u8;
            image::Rgb([wave(x, 5.0), wave(y, 7.0), wave(x + y, 9.0)])
        });
        let original = Original::new(picture.into(), Planes::Colour);
        let noisy = |amount: u8| {
            let mut out = original.yuv.clone();
            let samples = out.planes[0].iter_mut().enumerate();
            samples.for_each(|(i, s)| *s += if i * 7 % 3 == 0 { amount } else { 0 });
            measure_shown(&original, &out, 3)
        };
        let values = [0, 4, 12, 40].map(noisy);
        for pair in values.windows(2) {
            assert!(pair[0].ssimulacra2 > pair[1].ssimulacra2, "{values:?}");
            assert!(pair[0].butteraugli < pair[1].butteraugli, "{values:?}");
            assert!(pair[0].butteraugli_3 < pair[1].butteraugli_3, "{values:?}");
        }
        let plain = measure(&original.yuv, &original.yuv, 3);
        assert_eq!(
            Measured {
                ssimulacra2: None,
                butteraugli: None,
                butteraugli_3: None,
                ..values[0].clone()
            },
            plain
        );

        // Of gray pictures, chroma's conversion does not count.
        let gray = Original::new(original.image.clone(), Planes::Luma);
        let same = measure_shown(&gray, &gray.yuv, 0);
        assert!((same.ssimulacra2.unwrap() - 100.0).abs() < 1e-9, "{same:?}");
        assert_eq!((same.butteraugli, same.butteraugli_3), (Some(0.0), Some(0.0)));
        let small = Original::new(RgbImage::new(7, 40).into(), Planes::Colour);
        let small = measure_shown(&small, &small.yuv, 0);
        assert_eq!((small.ssimulacra2, small.butteraugli), (None, None));
    }
}
