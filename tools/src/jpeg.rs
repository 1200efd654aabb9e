//! Gray JPEGs by real codecs.

use crate::luma::Luma;
use crate::mozjpeg::{compress, Coding, Tables, Trellis};
use anyhow::Result;
use jpeg_encoder::{ColorType, Encoder, QuantizationTableType};

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

/// Codes a luma plane as a gray baseline JPEG with `table` (natural order) and trellis quantisation.
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

/// Decodes a gray JPEG with the accurate integer transform, as stock decoders do.
pub fn decode(bytes: &[u8]) -> Result<Luma> {
    let mut decoder = mozjpeg::Decompress::new_mem(bytes)?.grayscale()?;
    let (width, height) = (decoder.width(), decoder.height());
    let data = decoder.read_scanlines()?;
    decoder.finish()?;
    Ok(Luma { width, height, data })
}
