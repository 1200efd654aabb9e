//! A made-up evaluation, for tests.

use crate::codec::Kind;
use crate::eval::results::{
    BdRates, Mean, Measured, Part, Payload, PictureBdRate, Point, QualityMean, Results, Seconds,
    Setup, Summary, COMPARISONS,
};
use crate::media::yuv::Planes;
use image::{imageops, Rgb, RgbImage};
use serde_json::{json, Value};
use std::path::Path;

pub const PICTURES: [&str; 2] = ["chelsea", "coffee"];
pub const QUALITIES: [u32; 4] = [10, 20, 30, 40];
const SIZE: (u32, u32) = (240, 160);

/// Two pictures at four qualities; the last point sends no update and its base model loses.
pub fn results() -> Results {
    let points: Vec<Point> = (0..2).flat_map(|p| (0..4).map(move |q| point(p, q))).collect();
    let qualities = (0..4).map(|i| mean(&points[i], &points[4 + i])).collect();
    let rates = |(i, (name, ..)): (usize, &(&str, _, _))| {
        let y = [-9.4, -3.1, -12.2][i];
        let picture = |p: usize| PictureBdRate {
            picture: PICTURES[p].to_owned(),
            y: Some(y - 0.8 + 1.6 * p as f64),
            yuv: Some(0.8 * y - 0.5 + p as f64),
            chroma: [None; 2],
        };
        let pictures = vec![picture(0), picture(1)];
        (
            (*name).to_owned(),
            BdRates { y: Some(y), yuv: Some(0.8 * y), chroma: [Some(0.6 * y); 2], pictures },
        )
    };
    Results {
        run: crate::machine::Run::now(),
        setup: Setup {
            codec: Kind::Jpeg,
            codec_version: "libjpeg-turbo 2.1.5, standard tables, optimised Huffman tables"
                .to_owned(),
            planes: Planes::Colour,
            effort: 5,
            steps: None,
            size: Default::default(),
            objective: Default::default(),
            program: "0123456789abcdef".repeat(4),
        },
        qualities: QUALITIES.to_vec(),
        summary: Summary {
            qualities,
            bd_rate: COMPARISONS.iter().enumerate().map(rates).collect(),
        },
        points,
        failures: Vec::new(),
    }
}

fn point(picture: usize, i: usize) -> Point {
    let last = picture == 1 && i == 3;
    let bytes = ([0.28, 0.45, 0.6, 0.72][i] * f64::from(SIZE.0 * SIZE.1) / 8.0) as usize;
    let bytes = bytes + 160 * picture;
    let luma = 28.1 + 1.7 * i as f64 + 0.9 * picture as f64;
    let base = if last { -0.015 } else { 0.95 - 0.1 * i as f64 };
    let update = if last { base } else { base + 0.31 - 0.05 * i as f64 };
    let parts = [("header", 8.0), ("scales", 21.5), ("biases", 14.25), ("weights", 70.25)];
    let parts = parts.map(|(name, n)| Part { name: name.to_owned(), bytes: n });
    let parts = if last { parts[..1].to_vec() } else { parts.to_vec() };
    let payload_bytes: f64 = parts.iter().map(|p| p.bytes).sum();
    Point {
        picture: PICTURES[picture].to_owned(),
        width: SIZE.0 as usize,
        height: SIZE.1 as usize,
        quality: QUALITIES[i],
        codec: measured(bytes, luma, 0.0),
        base: measured(bytes + 20, luma, base),
        update: measured(bytes + 12 + payload_bytes as usize, luma, update),
        payload: Payload {
            mode: if last { "base" } else { "update" }.to_owned(),
            bytes: payload_bytes as usize,
            container_bytes: 12,
            parts,
            slope_db_per_byte: 0.0012,
            net_gain_db: Some(if last { 0.0 } else { 0.11 }),
        },
        seconds: seconds(),
    }
}

fn measured(bytes: usize, luma: f64, gain: f64) -> Measured {
    let psnr = [luma + gain, luma + 5.2 + gain / 2.0, luma + 5.9 + gain / 2.0];
    Measured {
        bytes,
        mse: psnr.map(|p| 65025.0 / 10f64.powf(p / 10.0)).to_vec(),
        psnr: psnr.map(Some).to_vec(),
        psnr_yuv: Some((6.0 * psnr[0] + psnr[1] + psnr[2]) / 8.0),
        ssim: Some(0.5 + (luma + gain) / 100.0),
        ms_ssim: Some(0.57 + (luma + gain) / 100.0),
        ssimulacra2: Some(2.0 * (luma + gain) - 10.0),
        butteraugli: Some(20.0 - (luma + gain) / 2.0),
        butteraugli_3: Some(8.0 - (luma + gain) / 5.0),
    }
}

fn seconds() -> Seconds {
    Seconds {
        codec_encode: 0.004,
        codec_decode: 0.002,
        payload_encode: 2.6,
        payload_decode: 0.0004,
        filter: 0.011,
    }
}

fn mean(a: &Point, b: &Point) -> QualityMean {
    let of = |a: &Measured, b: &Measured| {
        let half = |a: Option<f64>, b: Option<f64>| Some((a? + b?) / 2.0);
        Mean {
            bytes: (a.bytes + b.bytes) as f64 / 2.0,
            psnr: a.psnr.iter().zip(&b.psnr).map(|(a, b)| half(*a, *b)).collect(),
            psnr_yuv: half(a.psnr_yuv, b.psnr_yuv),
            ssim: half(a.ssim, b.ssim),
            ms_ssim: half(a.ms_ssim, b.ms_ssim),
        }
    };
    QualityMean {
        quality: a.quality,
        pictures: 2,
        codec: of(&a.codec, &b.codec),
        base: of(&a.base, &b.base),
        update: of(&a.update, &b.update),
        updates: [a, b].iter().filter(|p| p.payload.mode == "update").count(),
        payload_bytes: (a.payload.bytes + b.payload.bytes) as f64 / 2.0,
        net_gain_db: a.payload.net_gain_db.zip(b.payload.net_gain_db).map(|(a, b)| (a + b) / 2.0),
        seconds: seconds(),
    }
}

/// Writes all that the report reads.
pub fn write(folder: &Path) {
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    let json = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    json("results.json", serde_json::to_string(&results()).unwrap());
    json("peers.json", peers().to_string());
    let coders = json!({ "coders": [
        { "name": "k-means", "median_ratio": 1.31, "mean_bytes": 149.4, "note": "<as published>" },
        { "name": "adaptive range coder", "median_ratio": 1, "mean_bytes": 114 },
    ] });
    json("update_coders.json", coders.to_string());
    for name in PICTURES {
        let original = original(name);
        for (quality, step) in [(10, 8), (40, 4)] {
            let coded = blocky(&original, step);
            let variants = [("original", 255), ("codec", 0), ("base", 90), ("update", 130)];
            for (variant, share) in variants {
                let file = pictures.join(format!("{name}-q{quality}-{variant}.png"));
                mixed(&coded, &original, share).save(file).unwrap();
            }
        }
    }
}

fn peers() -> Value {
    let points = |luma: f64, bytes: f64| -> Vec<Value> {
        let of = |p: &Point| {
            let psnr: Vec<f64> = p.codec.psnr.iter().map(|v| v.unwrap() + luma).collect();
            let (bytes, yuv) = (p.codec.bytes as f64 * bytes, p.codec.psnr_yuv.unwrap() + luma);
            json!({ "picture": p.picture, "quality": p.quality, "setting": "4", "bytes": bytes,
                "psnr": psnr, "psnr_yuv": yuv })
        };
        results().points.iter().map(of).collect()
    };
    json!([
        { "name": "WebP", "kind": "codec", "version": "cwebp 1.2.4", "points": points(0.4, 0.86) },
        { "name": "ffmpeg spp", "kind": "filter", "points": points(0.35, 1.0) },
    ])
}

fn original(name: &str) -> RgbImage {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/pictures");
    let whole = image::open(folder.join(format!("{name}.png"))).unwrap().into_rgb8();
    imageops::crop_imm(&whole, 100, 80, SIZE.0, SIZE.1).to_image()
}

/// Means of square blocks.
fn blocky(image: &RgbImage, side: u32) -> RgbImage {
    let small = imageops::thumbnail(image, SIZE.0 / side, SIZE.1 / side);
    imageops::resize(&small, SIZE.0, SIZE.1, imageops::FilterType::Nearest)
}

fn mixed(a: &RgbImage, b: &RgbImage, share: u32) -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let (a, b) = (a.get_pixel(x, y).0, b.get_pixel(x, y).0);
        let mix = |i: usize| (u32::from(a[i]) * (255 - share) + u32::from(b[i]) * share) / 255;
        Rgb([0, 1, 2].map(|i| mix(i) as u8))
    })
}
