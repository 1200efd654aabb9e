//! Codecs that a still picture could be sent with instead. They are curves to look at: their
//! programs take and give RGB, and their own luma and chroma are not JFIF's.

use crate::codec::command;
use crate::media::yuv::{Original, Planes, Yuv};
use anyhow::{Context, Result};

/// A codec with the settings that are measured.
#[derive(Clone, Copy)]
pub enum Codec {
    WebP,
    JpegXl,
    Avif,
}

/// The codecs.
pub const ALL: [Codec; 3] = [Codec::WebP, Codec::JpegXl, Codec::Avif];

impl Codec {
    pub fn name(self) -> &'static str {
        match self {
            Self::WebP => "WebP",
            Self::JpegXl => "JPEG XL",
            Self::Avif => "AVIF",
        }
    }

    /// Quality for WebP and JPEG XL, constant quality level for AVIF.
    pub fn settings(self) -> &'static [u32] {
        match self {
            Self::WebP => &[2, 10, 25, 45, 65, 80],
            Self::JpegXl => &[15, 30, 45, 60, 75, 85],
            Self::Avif => &[56, 50, 44, 38, 32, 26],
        }
    }

    /// Name and version of the encoder's program.
    pub fn version(self) -> Result<String> {
        let (program, argument) = match self {
            Self::WebP => ("cwebp", "-version"),
            Self::JpegXl => ("cjxl", "--version"),
            Self::Avif => ("avifenc", "--version"),
        };
        Ok(format!("{program} {}", command::version(program, argument)?))
    }

    /// Command lines that code `source` and that decode `file`.
    fn commands(self, setting: u32, source: &str, file: &str, decoded: &str) -> [String; 2] {
        match self {
            Self::WebP => [
                format!("cwebp -quiet -m 6 -q {setting} {source} -o {file}"),
                format!("dwebp -quiet {file} -o {decoded}"),
            ],
            Self::JpegXl => [
                format!("cjxl {source} {file} --quiet --num_threads=0 -q {setting}"),
                format!("djxl {file} {decoded} --quiet --num_threads=0"),
            ],
            Self::Avif => [
                format!(
                    "avifenc -j 1 -s 6 -y 420 --min 0 --max 63 -a end-usage=q \
                     -a cq-level={setting} {source} {file}"
                ),
                format!("avifdec -j 1 {file} {decoded}"),
            ],
        }
    }

    /// The file's size and the decoded planes.
    pub fn run(self, original: &Original, setting: u32) -> Result<(usize, Yuv)> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| -> Result<String> {
            let path = folder.path().join(name);
            Ok(path.to_str().context("a temporary folder's name is not UTF-8")?.to_owned())
        };
        let (source, decoded) = (path("source.png")?, path("decoded.png")?);
        let file = path(match self {
            Self::WebP => "coded.webp",
            Self::JpegXl => "coded.jxl",
            Self::Avif => "coded.avif",
        })?;
        original.image.save(&source)?;
        for line in self.commands(setting, &source, &file, &decoded) {
            let words: Vec<&str> = line.split_whitespace().collect();
            command::pipe(words[0], &words[1..], b"")?;
        }
        let size = std::fs::metadata(&file)?.len() as usize;
        let planes = if original.yuv.planes.len() == 1 { Planes::Luma } else { Planes::Colour };
        Ok((size, Original::new(image::open(&decoded)?, planes).yuv))
    }
}
