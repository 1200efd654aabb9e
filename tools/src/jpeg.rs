//! Gray JPEGs by real codecs.

use crate::luma::Luma;
use crate::mozjpeg::{compress, Coding, Tables, Trellis};
use anyhow::Result;
use jpeg_encoder::{ColorType, Encoder, QuantizationTableType};

/// The luma example table of ITU-T T.81, Annex K, in natural order.
const ANNEX_K: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// The standard table at quality `q`, 1..=100, scaled as the IJG software does.
pub fn standard_table(q: u32) -> [u16; 64] {
    let scale = if q < 50 { 5000 / q } else { 200 - 2 * q };
    ANNEX_K.map(|s| ((u32::from(s) * scale + 50) / 100).clamp(1, 255) as u16)
}

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
