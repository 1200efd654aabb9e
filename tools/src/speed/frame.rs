//! A frame to be timed on: a mosaic of pictures, its planes coded as JPEG and decoded.

use crate::files;
use crate::media::jpeg;
use crate::media::luma::Luma;
use crate::media::yuv::Yuv;
use anyhow::{bail, Result};
use clap::Args;
use image::{imageops, RgbImage};
use sidelight::codec::standard_luma_table;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// Folder of PNG pictures
    #[arg(long)]
    pictures: PathBuf,
    /// Width and height
    #[arg(long, num_args = 2, value_names = ["WIDTH", "HEIGHT"], default_values_t = [1920, 1080])]
    size: Vec<u32>,
    /// JPEG quality
    #[arg(long, default_value_t = 30)]
    quality: u8,
    /// File of raw planes to write, 4:2:0
    #[arg(long)]
    out: PathBuf,
}

/// Sides of a mosaic's cell.
const CELL: (u32, u32) = (320, 270);

pub fn run(options: &Options) -> Result<()> {
    let &[width, height] = &options.size[..] else { bail!("a width and a height, please") };
    let pictures = files::pngs(&options.pictures)?;
    let pictures = pictures.iter().map(|p| Ok(image::open(p)?.into_rgb8()));
    let mut frame = Yuv::from_rgb(&mosaic(&pictures.collect::<Result<Vec<_>>>()?, width, height));
    let table = standard_luma_table(options.quality.clamp(1, 100).into());
    for i in 0..3 {
        let (width, height) = frame.size(i);
        let plane = Luma { width, height, data: std::mem::take(&mut frame.planes[i]) };
        frame.planes[i] = jpeg::decode_gray(&jpeg::encode(&plane, &table)?)?.data;
    }
    files::write(&options.out, &frame.to_raw())
}

/// Cells of the pictures in turn, each time another part.
fn mosaic(pictures: &[RgbImage], width: u32, height: u32) -> RgbImage {
    let mut out = RgbImage::new(width, height);
    let cells = (0..height.div_ceil(CELL.1))
        .flat_map(|y| (0..width.div_ceil(CELL.0)).map(move |x| (x * CELL.0, y * CELL.1)));
    for (i, (x, y)) in cells.enumerate() {
        let picture = &pictures[i % pictures.len()];
        let at = |size: u32, cell: u32, step: usize| {
            (i / pictures.len() * step) as u32 % (size.saturating_sub(cell) + 1)
        };
        let (left, top) = (at(picture.width(), CELL.0, 53), at(picture.height(), CELL.1, 31));
        let cell = imageops::crop_imm(picture, left, top, CELL.0, CELL.1).to_image();
        imageops::replace(&mut out, &cell, x.into(), y.into());
    }
    out
}
