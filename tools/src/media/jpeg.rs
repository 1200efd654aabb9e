//! JPEG by real codecs: planes coded one by one as gray pictures, files decoded to planes.

use super::luma::Luma;
use super::mozjpeg::{compress, Coding, Tables, Trellis};
use super::yuv::Yuv;
use anyhow::{bail, ensure, Result};
use jpeg_encoder::{ColorType, Encoder, QuantizationTableType};
use mozjpeg::CompInfoExt;
use sidelight::Layout;
use std::panic::{catch_unwind, resume_unwind};

/// Codes a luma plane as a gray baseline JPEG with `table` (natural order) and optimised Huffman
/// tables.
pub fn encode(luma: &Luma, table: &[u16; 64]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 100);
    let custom = QuantizationTableType::Custom(Box::new(*table));
    encoder.set_quantization_tables(custom.clone(), custom);
    encoder.set_optimized_huffman_tables(true);
    let (width, height) = (u16::try_from(luma.width)?, u16::try_from(luma.height)?);
    encoder.encode(&luma.data, width, height, ColorType::Luma)?;
    Ok(bytes)
}

/// Codes a luma plane as a gray baseline JPEG with `table` (natural order) and trellis
/// quantisation.
pub fn encode_trellis(luma: &Luma, table: &[u16; 64], trellis: Trellis) -> Result<Vec<u8>> {
    compress(&Coding {
        samples: &luma.data,
        width: luma.width as u32,
        channels: 1,
        tables: Tables::Own(table),
        trellis,
        progressive: false,
    })
}

/// Planes of a gray or 4:2:0 JPEG, by the accurate integer transform, as stock decoders make them.
pub fn decode(file: &[u8]) -> Result<Yuv> {
    // libjpeg's fatal errors unwind.
    catch_unwind(|| decode_or_unwind(file)).unwrap_or_else(|panic| {
        match panic.downcast::<String>() {
            Ok(message) => bail!("{message}"),
            Err(other) => resume_unwind(other),
        }
    })
}

/// The plane of a gray JPEG.
pub fn decode_gray(file: &[u8]) -> Result<Luma> {
    let Yuv { width, height, mut planes } = decode(file)?;
    ensure!(planes.len() == 1, "a JPEG in colour");
    Ok(Luma { width, height, data: planes.swap_remove(0) })
}

fn decode_or_unwind(file: &[u8]) -> Result<Yuv> {
    let decoder = mozjpeg::Decompress::new_mem(file)?;
    let factors: Vec<(i32, i32)> =
        decoder.components().iter().map(|c| (c.h_samp_factor, c.v_samp_factor)).collect();
    let strides: Vec<usize> = decoder.components().iter().map(CompInfoExt::row_stride).collect();
    let layout = match factors[..] {
        [(1, 1)] => Layout::I400,
        [(2, 2), (1, 1), (1, 1)] => Layout::I420,
        _ => bail!("a JPEG with sampling factors {factors:?}"),
    };
    let (width, height) = decoder.size();
    let mut decoder = decoder.raw()?;
    let mut padded = vec![Vec::new(); factors.len()];
    decoder.read_raw_data(&mut padded.iter_mut().collect::<Vec<_>>());
    decoder.finish()?;
    let mut out = Yuv::new(width, height, layout);
    for (i, (plane, stride)) in padded.iter().zip(strides).enumerate() {
        let (w, h) = out.size(i);
        let rows = plane.chunks_exact(stride).zip(out.planes[i].chunks_exact_mut(w));
        let copied = rows.map(|(from, to)| to.copy_from_slice(&from[..w])).count();
        ensure!(copied == h, "the JPEG has {copied} rows of {h}");
    }
    Ok(out)
}
