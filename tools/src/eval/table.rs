//! The summary as text.

use super::losses::{self, Loss};
use super::results::{Mean, PictureBdRate, Results, COMPARISONS};
use std::fmt::Write;

fn gain(of: Option<f64>, over: Option<f64>) -> String {
    match (of, over) {
        (Some(a), Some(b)) => format!("{:+.3}", a - b),
        _ => "-".to_owned(),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |v| format!("{v:.digits$}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |v| format!("{v:+.2} %"))
}

fn plane(mean: &Mean, i: usize) -> Option<f64> {
    mean.psnr.get(i).copied().flatten()
}

/// Columns of Y alone, or of Y, Cb, Cr and YUV.
fn gains(of: &Mean, over: &Mean) -> String {
    let planes = (0..of.psnr.len()).map(|i| gain(plane(of, i), plane(over, i)));
    let yuv = (of.psnr.len() > 1).then(|| gain(of.psnr_yuv, over.psnr_yuv));
    planes.chain(yuv).collect::<Vec<_>>().join(" / ")
}

/// The tables that an evaluation prints last, as Markdown.
pub fn text(results: &Results) -> String {
    let s = &results.summary;
    let name = results.setup.codec.quality_name();
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("writing to a string");
    line(format!("{}, {:?} planes", results.setup.codec_version, results.setup.planes));
    line(
        "Gains in dB of PSNR (Y / Cb / Cr / YUV), base over codec and update over base; net: the"
            .into(),
    );
    line(
        "update's gain in PSNR-YUV less what the added bytes would have gained in the codec.\n"
            .into(),
    );
    line(format!(
        "| {name} | pictures | bytes | PSNR-Y | base | update | updates | payload | net | SSIM codec / base / update | filter ms | tune s |"
    ));
    line("|---|---|---|---|---|---|---|---|---|---|---|---|".to_owned());
    for q in &s.qualities {
        let ssim = [&q.codec, &q.base, &q.update].map(|m| number(m.ssim, 4));
        line(format!(
            "| {} | {} | {:.0} | {} | {} | {} | {} | {:.1} | {} | {} | {:.1} | {:.2} |",
            q.quality,
            q.pictures,
            q.codec.bytes,
            number(plane(&q.codec, 0), 3),
            gains(&q.base, &q.codec),
            gains(&q.update, &q.base),
            q.updates,
            q.payload_bytes,
            q.net_gain_db.map_or("-".to_owned(), |v| format!("{v:+.3}")),
            ssim.join(" / "),
            q.seconds.filter * 1e3,
            q.seconds.payload_encode,
        ));
    }
    line(
        "\n| BD-rate | Y | Cb | Cr | YUV | worst picture, Y | worst, YUV |\n|---|---|---|---|---|---|---|"
            .to_owned(),
    );
    for (comparison, ..) in COMPARISONS {
        let rates = &s.bd_rate[comparison];
        let worst = |of: fn(&PictureBdRate) -> Option<f64>| {
            let known = rates.pictures.iter().filter_map(|p| Some((of(p)?, &p.picture)));
            let worst = known.max_by(|a, b| a.0.total_cmp(&b.0));
            worst.map_or("-".to_owned(), |(rate, name)| format!("{name} {rate:+.2} %"))
        };
        line(format!(
            "| {comparison} | {} | {} | {} | {} | {} | {} |",
            percent(rates.y),
            percent(rates.chroma[0]),
            percent(rates.chroma[1]),
            percent(rates.yuv),
            worst(|p| p.y),
            worst(|p| p.yuv)
        ));
    }
    let lost = losses::losses(results);
    line(if lost.is_empty() {
        "\nNowhere worse than the codec, nor an update than the base model.".to_owned()
    } else {
        format!("\nWorse at {} figures:", lost.len())
    });
    for loss in lost {
        let quality = loss.quality.map_or(String::new(), |q| format!(" at {name} {q}"));
        let Loss { picture, comparison, figure, value, .. } = loss;
        line(format!("* {picture}{quality}, {comparison}: {figure}: {value:+.3}"));
    }
    out
}
