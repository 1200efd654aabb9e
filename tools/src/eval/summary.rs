//! Means and BD-rates over all pictures.

use super::bdrate::{bd_rate, RatePoint};
use super::results::{
    BdRates, Mean, Measured, PictureBdRate, Point, QualityMean, Seconds, Summary, COMPARISONS,
};

/// The mean of the values there are.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn sure(values: impl Iterator<Item = f64>) -> f64 {
    mean(values.map(Some)).unwrap_or(0.0)
}

/// Summarises points, which stand by picture.
pub fn summarise(points: &[Point], qualities: &[u32]) -> Summary {
    let by_quality = qualities.iter().map(|q| {
        let at: Vec<&Point> = points.iter().filter(|p| p.quality == *q).collect();
        quality_mean(*q, &at)
    });
    let pictures: Vec<&[Point]> = points.chunk_by(|a, b| a.picture == b.picture).collect();
    let bd_rate = COMPARISONS.iter().map(|&(name, anchor, test)| {
        let rates = pictures.iter().map(|points| {
            let rate = |psnr: &dyn Fn(&Measured) -> Option<f64>| {
                let curve = |variant| -> Option<Vec<RatePoint>> {
                    points
                        .iter()
                        .map(|p| p.variant(variant))
                        .map(|m| Some(RatePoint { rate: m.bytes as f64, psnr: psnr(m)? }))
                        .collect()
                };
                bd_rate(&curve(anchor)?, &curve(test)?)
            };
            PictureBdRate {
                picture: points[0].picture.clone(),
                y: rate(&|m| m.psnr[0]),
                yuv: rate(&|m| m.psnr_yuv),
                chroma: [1, 2].map(|p| rate(&|m| m.psnr.get(p).copied().flatten())),
            }
        });
        let pictures: Vec<_> = rates.collect();
        let y = mean(pictures.iter().map(|p| p.y));
        let yuv = mean(pictures.iter().map(|p| p.yuv));
        let chroma = [0, 1].map(|i| mean(pictures.iter().map(|p| p.chroma[i])));
        (name.to_owned(), BdRates { y, yuv, chroma, pictures })
    });
    Summary { qualities: by_quality.collect(), bd_rate: bd_rate.collect() }
}

fn quality_mean(quality: u32, points: &[&Point]) -> QualityMean {
    let variant = |of: fn(&Point) -> &Measured| Mean {
        bytes: sure(points.iter().map(|p| of(p).bytes as f64)),
        psnr: (0..points.iter().map(|p| of(p).psnr.len()).max().unwrap_or(0))
            .map(|i| mean(points.iter().map(|p| of(p).psnr.get(i).copied().flatten())))
            .collect(),
        psnr_yuv: mean(points.iter().map(|p| of(p).psnr_yuv)),
        ssim: mean(points.iter().map(|p| of(p).ssim)),
        ms_ssim: mean(points.iter().map(|p| of(p).ms_ssim)),
    };
    let seconds = |of: fn(&Seconds) -> f64| sure(points.iter().map(|p| of(&p.seconds)));
    QualityMean {
        quality,
        pictures: points.len(),
        codec: variant(|p| &p.codec),
        base: variant(|p| &p.base),
        update: variant(|p| &p.update),
        updates: points.iter().filter(|p| p.payload.mode == "update").count(),
        payload_bytes: sure(points.iter().map(|p| p.payload.bytes as f64)),
        net_gain_db: mean(points.iter().map(|p| p.payload.net_gain_db)),
        seconds: Seconds {
            codec_encode: seconds(|s| s.codec_encode),
            codec_decode: seconds(|s| s.codec_decode),
            payload_encode: seconds(|s| s.payload_encode),
            payload_decode: seconds(|s| s.payload_decode),
            filter: seconds(|s| s.filter),
        },
    }
}
