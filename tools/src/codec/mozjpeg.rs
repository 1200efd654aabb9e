//! JPEG by mozjpeg's library, tuned for PSNR: what its cjpeg does with `-tune-psnr`.

use super::{jpeg, Codec};
use crate::media::mozjpeg::{compress, Coding, Tables, Trellis};
use crate::media::yuv::{Original, Yuv};
use anyhow::Result;
use sidelight::CodecParams;

/// Flat tables, trellis quantisation with a plain squared error, progressive with the best scans.
pub struct TunedForPsnr;

impl Codec for TunedForPsnr {
    fn version(&self) -> Result<String> {
        Ok("mozjpeg (mozjpeg-sys 2.2), as with -tune-psnr".to_owned())
    }

    fn neighbour(&self, quality: u32) -> Option<u32> {
        Some(jpeg::neighbouring_quality(quality))
    }

    fn encode(&self, original: &Original, quality: u32) -> Result<Vec<u8>> {
        compress(&Coding {
            samples: original.image.as_bytes(),
            width: original.image.width(),
            channels: original.image.color().channel_count(),
            tables: Tables::Flat { quality },
            trellis: Trellis::Psnr,
            progressive: true,
        })
    }

    fn decode(&self, file: &[u8], like: &Yuv) -> Result<Yuv> {
        jpeg::decode_like(file, like)
    }

    fn params(&self, file: &[u8], _decoded: &Yuv, _quality: u32) -> Result<CodecParams> {
        jpeg::params(file)
    }

    fn carriage_bytes(&self) -> u32 {
        sidelight::carriage::jpeg::CARRIAGE_BYTES
    }

    fn embed(&self, file: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        Ok(sidelight::carriage::jpeg::insert(file, payload)?)
    }
}
