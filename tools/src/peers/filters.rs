//! Filters of ffmpeg that a decoder could run instead, on the same decoded planes.

use crate::codec::command;
use crate::media::yuv::Yuv;
use anyhow::Result;
use sidelight::Layout;

/// A filter with the settings that are tried.
pub struct Filter {
    pub name: &'static str,
    /// ffmpeg's descriptions.
    pub settings: Vec<String>,
}

/// Quantisers, in steps of about a quarter.
const QUANTISERS: [u32; 14] = [2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 38, 48];

/// The filters.
pub fn all() -> Vec<Filter> {
    let with = |of: fn(u32) -> String| QUANTISERS.map(of).to_vec();
    let strong = |alpha: f64| {
        let (alpha, beta) = (alpha, alpha / 2.0);
        format!("deblock=strong:8:{alpha}:{beta}:{beta}:{beta}")
    };
    vec![
        Filter { name: "spp", settings: with(|qp| format!("spp=6:{qp}")) },
        Filter { name: "fspp", settings: with(|qp| format!("fspp=5:{qp}")) },
        Filter { name: "pp7", settings: with(|qp| format!("pp7={qp}:medium")) },
        Filter { name: "deblock", settings: [0.025, 0.05, 0.1, 0.2, 0.4].map(strong).to_vec() },
    ]
}

/// `decoded` through ffmpeg's `filter`. Some of the filters spoil pictures whose sizes are no
/// multiples of 16: they get whole blocks, padded by replication.
pub fn run(decoded: &Yuv, filter: &str) -> Result<Yuv> {
    let (width, height) = (decoded.width, decoded.height);
    let decoded = decoded.resized(width.next_multiple_of(16), height.next_multiple_of(16));
    let format = if decoded.layout() == Layout::I400 { "gray" } else { "yuv420p" };
    let size = format!("{}x{}", decoded.width, decoded.height);
    let input = ["-v", "error", "-f", "rawvideo", "-pix_fmt", format, "-s", &size, "-i", "-"];
    let output = ["-vf", filter, "-pix_fmt", format, "-f", "rawvideo", "-"];
    let raw = command::pipe("ffmpeg", &[&input[..], &output].concat(), &decoded.to_raw())?;
    let filtered = Yuv::from_raw(decoded.width, decoded.height, decoded.layout(), &raw)?;
    Ok(filtered.resized(width, height))
}
