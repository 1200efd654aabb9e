//! One clip at one QP: coded by x265 in random access, filtered, and with an update for all its
//! pictures.

use super::metrics::{measure, measure_psnr, psnr_yuv};
use super::point::{name, net_gain, parts, timed, Outcome};
use super::results::{Measured, Payload, Point, Seconds, Setup};
use crate::codec::x265_clip::{self, Clip};
use crate::media::yuv::Yuv;
use anyhow::{ensure, Context, Result};
use sidelight::carriage::nal;
use sidelight::payload::binding;
use sidelight::{
    Codec, CodecParams, Decoder, DecoderSettings, Encoded, Encoder, Layout, Mode, Pair,
    PictureType, Rate,
};
use std::cell::Cell;

/// The pictures of an 8-bit 4:2:0 YUV4MPEG2 file, cut to even sizes.
pub fn read(file: &[u8]) -> Result<Vec<Yuv>> {
    let rest = Cell::new(file);
    let mut decoder = y4m::decode(Rest(&rest)).context("not a YUV4MPEG2 file")?;
    let (width, height) = (decoder.get_width(), decoder.get_height());
    let colour = decoder.get_colorspace();
    use y4m::Colorspace::{C420jpeg, C420mpeg2, C420paldv, C420};
    ensure!(
        matches!(colour, C420 | C420jpeg | C420mpeg2 | C420paldv),
        "{colour:?}: not 8-bit 4:2:0"
    );
    let mut pictures = Vec::new();
    loop {
        let whole = rest.get().is_empty();
        match decoder.read_frame() {
            Ok(frame) => {
                let raw = [frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()].concat();
                let picture = Yuv::from_raw(width, height, Layout::I420, &raw)?;
                pictures.push(picture.resized(width / 2 * 2, height / 2 * 2));
            }
            // The crate takes a picture that is cut off for the end.
            Err(y4m::Error::EOF) if whole => break,
            Err(e) => return Err(e).context("a damaged picture"),
        }
    }
    ensure!(!pictures.is_empty(), "no pictures");
    Ok(pictures)
}

/// What is left of a file.
struct Rest<'a, 'b>(&'a Cell<&'b [u8]>);

impl std::io::Read for Rest<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut rest = self.0.get();
        let count = rest.read(buffer)?;
        self.0.set(rest);
        Ok(count)
    }
}

/// Measures `clip` under the name `title`. PSNRs are means over the pictures.
pub fn run(title: &str, clip: &[Yuv], qp: u32, setup: &Setup) -> Result<Outcome> {
    let (codec_encode, coded) = timed(|| x265_clip::code(clip, qp as u8, false))?;
    let decoded: Vec<&Yuv> = coded.pictures.iter().map(|p| &p.decoded).collect();
    let plain = mean(clip, &decoded, coded.stream.len(), measure)?;
    let near = x265_clip::code(clip, qp as u8 - 1, false)?;
    let near_pictures: Vec<&Yuv> = near.pictures.iter().map(|p| &p.decoded).collect();
    let near = mean(clip, &near_pictures, near.stream.len(), measure_psnr)?;
    let slope = match (plain.psnr_yuv, near.psnr_yuv) {
        (Some(a), Some(b)) => (b - a) / (near.bytes as f64 - plain.bytes as f64),
        _ => 0.0,
    };
    let slope = if slope.is_finite() { slope.max(0.0) } else { 0.0 };
    let rate = Rate {
        coded_bytes: coded.stream.len() as u64,
        slope_db_per_byte: slope,
        carriage_bytes: nal::CARRIAGE_BYTES,
    };
    let params = CodecParams { codec: Codec::Hevc { qp: mean_qps(&coded) }, binding: 0 };
    let pairs: Vec<Pair<'_>> = clip
        .iter()
        .zip(&coded.pictures)
        .map(|(original, coded)| {
            let decoded = coded.decoded.picture()?.of_type(coded.picture_type);
            Ok(Pair { original: original.picture()?, decoded })
        })
        .collect::<Result<_>>()?;
    // All payloads ride on the first picture.
    let params = CodecParams { binding: binding::of_picture(&pairs[0].decoded), ..params };
    let encode = |no_update| {
        let encoder = Encoder::new(setup.encoder(no_update))?;
        Ok(encoder.encode(&pairs, &params, rate, &mut |_| true)?)
    };
    let base = encode(true)?;
    let (payload_encode, update) = timed(|| encode(false))?;

    let sent = |encoded: &Encoded| -> Result<_> {
        let off = encoded.report.mode == Mode::Off;
        let stream = if off {
            coded.stream.clone()
        } else {
            nal::insert(nal::NalCodec::Hevc, &coded.stream, &encoded.payload)?
        };
        let message = [&nal::UUID, &encoded.payload[..]].concat();
        let settings = DecoderSettings { threads: 1, ..Default::default() };
        let mut decoder = Decoder::new(settings);
        let mut pictures = Vec::new();
        let mut seconds = [0.0; 2];
        for (t, pair) in pairs.iter().enumerate() {
            let messages = (t == 0 && !off).then_some(&message[..]);
            let (set, _) =
                timed(|| Ok(decoder.set_messages(&pair.decoded, messages.into_iter())?))?;
            let (width, height) = (pair.decoded.width(), pair.decoded.height());
            let mut out = Yuv::new(width, height, Layout::I420);
            let (filter, ()) = timed(|| Ok(decoder.filter(&pair.decoded, out.picture_mut()?)?))?;
            pictures.push(out);
            seconds = [seconds[0] + set, seconds[1] + filter];
        }
        let measured = mean(clip, &pictures.iter().collect::<Vec<_>>(), stream.len(), measure)?;
        Ok((measured, pictures.swap_remove(clip.len() / 2), seconds))
    };
    let (with_base, base_picture, _) = sent(&base)?;
    let (with_update, update_picture, [payload_decode, filter]) = sent(&update)?;

    let off = update.report.mode == Mode::Off;
    let shown = if off { 0 } else { update.payload.len() };
    let point = Point {
        picture: title.to_owned(),
        width: clip[0].width,
        height: clip[0].height,
        quality: qp,
        payload: Payload {
            mode: name(update.report.mode).to_owned(),
            bytes: shown,
            container_bytes: with_update.bytes - coded.stream.len() - shown,
            parts: if off { Vec::new() } else { parts(&update.payload)? },
            slope_db_per_byte: update.report.slope_db_per_byte,
            net_gain_db: net_gain(&with_base, &with_update, update.report.slope_db_per_byte),
        },
        codec: plain,
        base: with_base,
        update: with_update,
        seconds: Seconds {
            codec_encode,
            codec_decode: 0.0,
            payload_encode,
            payload_decode,
            filter,
        },
    };
    let middle = clip.len() / 2;
    let pictures = [&clip[middle], decoded[middle], &base_picture, &update_picture].map(Yuv::clone);
    Ok(Outcome { point, pictures, payload: update.payload })
}

/// Mean QP of each type of pictures; 0 where there are none.
fn mean_qps(clip: &Clip) -> [u8; 3] {
    PictureType::CLASSES.map(|class| {
        let of_class = clip.pictures.iter().filter(|p| p.picture_type.class() == class.class());
        let (sum, count) = of_class.fold((0, 0), |(s, n), p| (s + u32::from(p.qp), n + 1));
        (sum + count / 2).checked_div(count).unwrap_or(0) as u8
    })
}

/// The mean over pictures of what `measure` finds.
fn mean(
    originals: &[Yuv],
    pictures: &[&Yuv],
    bytes: usize,
    measure: fn(&Yuv, &Yuv, usize) -> Measured,
) -> Result<Measured> {
    ensure!(originals.len() == pictures.len(), "other pictures come out than went in");
    let all: Vec<Measured> =
        originals.iter().zip(pictures).map(|(a, b)| measure(a, b, bytes)).collect();
    let count = all.len() as f64;
    let planes = all[0].mse.len();
    let over = |of: &dyn Fn(&Measured) -> Option<f64>| -> Option<f64> {
        Some(all.iter().map(of).sum::<Option<f64>>()? / count)
    };
    let psnr: Vec<Option<f64>> = (0..planes).map(|p| over(&|m| m.psnr[p])).collect();
    Ok(Measured {
        bytes,
        mse: (0..planes).map(|p| all.iter().map(|m| m.mse[p]).sum::<f64>() / count).collect(),
        psnr_yuv: psnr_yuv(&psnr),
        psnr,
        ssim: over(&|m| m.ssim),
        ms_ssim: over(&|m| m.ms_ssim),
        ssimulacra2: None,
        butteraugli: None,
        butteraugli_3: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_read() {
        let file = b"YUV4MPEG2 W4 H3 F25:1 Ip A1:1 C420jpeg\nFRAME\nabcdefghijklUVWXuvwxFRAME\nABCDEFGHIJKLUVWXuvwx";
        // Chroma of 3 rows has 2.
        let clip = read(file).unwrap();
        assert_eq!((clip.len(), clip[0].width, clip[0].height), (2, 4, 2));
        assert_eq!(clip[0].planes, [b"abcdefgh".to_vec(), b"UV".to_vec(), b"uv".to_vec()]);
        assert!(read(b"YUV4MPEG2 W4 H2 F25:1 C444\nFRAME\n").is_err());
        assert!(read(&file[..file.len() - 1]).is_err());
        assert!(read(b"").is_err());
    }
}
