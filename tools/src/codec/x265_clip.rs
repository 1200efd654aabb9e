//! HEVC clips by x265 through ffmpeg: pictures to a stream and back, and what it says of each.

use super::command;
use crate::media::yuv::Yuv;
use anyhow::{ensure, Context, Result};
use serde::Deserialize;
use sidelight::{Layout, PictureType};

/// A coded clip.
pub struct Clip {
    pub stream: Vec<u8>,
    /// In the order in which they are shown.
    pub pictures: Vec<Coded>,
}

/// A coded picture.
#[derive(Clone)]
pub struct Coded {
    pub picture_type: PictureType,
    /// Whether other pictures may be predicted from it.
    pub referred: bool,
    pub qp: u8,
    pub bits: u64,
    pub decoded: Yuv,
}

/// Codes 4:2:0 `pictures` of even sizes at a constant QP with preset medium, each as intra or as a
/// clip.
pub fn code(pictures: &[Yuv], qp: u8, intra: bool) -> Result<Clip> {
    let (width, height) = (pictures[0].width, pictures[0].height);
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log.csv");
    // Without ipratio=1 an intra picture's QP would be about 3 below what is asked for.
    let kind = if intra { "keyint=1:ipratio=1" } else { "keyint=250:scenecut=0" };
    let x265 = format!(
        "qp={qp}:{kind}:info=0:log-level=error:pools=1:frame-threads=1:csv-log-level=1:csv={}",
        log.to_str().context("a path that is not UTF-8")?
    );
    let raw: Vec<u8> = pictures.iter().flat_map(|p| p.planes.iter().flatten().copied()).collect();
    let size = format!("{width}x{height}");
    let input = ["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-i", "-"];
    let output = ["-c:v", "libx265", "-x265-params", &x265, "-f", "hevc", "-"];
    let stream = command::pipe("ffmpeg", &[&input[..], &output].concat(), &raw)?;

    let input = ["-v", "error", "-threads", "1", "-f", "hevc", "-i", "-"];
    let output = ["-fps_mode", "passthrough", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let decoded = command::pipe("ffmpeg", &[&input[..], &output].concat(), &stream)?;
    ensure!(decoded.len() == raw.len(), "other pictures come out than went in");

    let lines = parse(&std::fs::read(&log)?, pictures.len())?;
    let frames = decoded.chunks_exact(raw.len() / pictures.len());
    let coded = lines.into_iter().zip(frames).map(|((picture_type, referred, qp, bits), frame)| {
        let decoded = Yuv::from_raw(width, height, Layout::I420, frame)?;
        Ok(Coded { picture_type, referred, qp, bits, decoded })
    });
    let pictures = coded.collect::<Result<_>>()?;
    Ok(Clip { stream, pictures })
}

/// x265, its version and the settings.
pub fn version() -> Result<String> {
    Ok(format!("{}, random access, preset medium, constant QP", super::x265::version()?))
}

/// A line of x265's log, in the order of coding.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Type")]
    slice: String,
    #[serde(rename = "POC")]
    poc: usize,
    #[serde(rename = "QP")]
    qp: f64,
    #[serde(rename = "Bits")]
    bits: u64,
}

/// Type, whether others refer to it, mean QP and bits of each of `count` pictures in the order in
/// which they are shown.
fn parse(log: &[u8], count: usize) -> Result<Vec<(PictureType, bool, u8, u64)>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(log);
    let mut all = vec![None; count];
    for line in reader.deserialize() {
        let line: Line = line.context("x265's log")?;
        let (picture_type, referred) = match &line.slice[..] {
            "I-SLICE" => (PictureType::Irap, true),
            "i-SLICE" => (PictureType::I, true),
            "P-SLICE" => (PictureType::P, true),
            "B-SLICE" => (PictureType::B, true),
            "b-SLICE" => (PictureType::B, false),
            other => anyhow::bail!("x265's log: a picture of type {other}"),
        };
        let place = all.get_mut(line.poc).context("x265's log: a picture too many")?;
        let said = (picture_type, referred, line.qp.round() as u8, line.bits);
        ensure!(place.replace(said).is_none(), "x265's log: picture {} twice", line.poc);
    }
    all.into_iter().collect::<Option<_>>().context("x265's log: a picture is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_matched_by_the_order_in_which_they_are_shown() {
        let log = "Encode Order, Type, POC, QP, Bits, Scenecut, List 0\n\
                   0, I-SLICE,    0, 27.00,      30912, 0, -\n\
                   1, P-SLICE,    3, 30.00,      14224, 0, 0 , -\n\
                   2, B-SLICE,    2, 31.00,       8704, 0, 0 ,3 , 0.00%\n\
                   3, b-SLICE,    1, 31.60,       6872, 0, 0 ,2 3 , 0.00%\n";
        let wanted = [
            (PictureType::Irap, true, 27, 30912),
            (PictureType::B, false, 32, 6872),
            (PictureType::B, true, 31, 8704),
            (PictureType::P, true, 30, 14224),
        ];
        assert_eq!(parse(log.as_bytes(), 4).unwrap(), wanted);
        assert!(parse(log.as_bytes(), 5).is_err());
        assert!(parse(log.as_bytes(), 3).is_err());
        assert!(parse(log.replace("  3,", "  2,").as_bytes(), 4).is_err());
    }

    #[test]
    fn what_x265_says_is_of_the_picture_that_comes_out() {
        // Each picture is of another grey; what comes out is near what went in.
        let grey = |t: usize| {
            let mut p = Yuv::new(64, 64, Layout::I420);
            p.planes[0].fill(40 + 20 * t as u8);
            p
        };
        let pictures: Vec<Yuv> = (0..9).map(grey).collect();
        let coded = code(&pictures, 25, false).unwrap().pictures;
        assert!(
            coded[0].picture_type == PictureType::Irap
                && coded[1..].iter().all(|c| c.qp > coded[0].qp)
        );
        for (p, c) in pictures.iter().zip(&coded) {
            assert!(crate::media::psnr::mse(&p.planes[0], &c.decoded.planes[0]) < 16.0);
        }
    }
}
