//! Pictures of YUV4MPEG2 files, one after another.

use crate::files;
use anyhow::{anyhow, bail, ensure, Context, Result};
use sidelight::carriage::nal::Shape;
use sidelight::{Layout, Picture, Plane, Sample, MAX_SIZE};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// Samples as they stand in files.
pub trait Raw: Sample {
    /// Takes little-endian samples.
    fn from_raw(bytes: &[u8]) -> Vec<Self>;
}

impl Raw for u8 {
    fn from_raw(bytes: &[u8]) -> Vec<Self> {
        bytes.to_vec()
    }
}

impl Raw for u16 {
    fn from_raw(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    }
}

/// A picture in memory.
pub struct Frame<S> {
    planes: [Vec<S>; 3],
    shape: Shape,
}

impl<S: Raw> Frame<S> {
    pub fn picture(&self) -> Result<Picture<'_, S>> {
        let Shape { width, height, layout, bit_depth } = self.shape;
        let planes: Vec<_> = (0..layout.planes())
            .map(|i| {
                let (width, height) = layout.plane_size(i, width, height);
                Plane::new(&self.planes[i], width * size_of::<S>(), width, height)
            })
            .collect::<Result<_, _>>()?;
        Ok(Picture::with_depth(layout, bit_depth, &planes)?)
    }
}

/// Counts what is read.
struct Counted {
    input: Box<dyn Read>,
    bytes: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        Ok(count)
    }
}

/// A file that is read.
pub struct Reader {
    name: String,
    decoder: y4m::Decoder<Counted>,
    bytes: Rc<Cell<u64>>,
    size: Option<u64>,
    shape: Shape,
    pictures: u64,
}

impl Reader {
    /// Opens a file, of pictures of at most `max_pixels`.
    pub fn open(path: &Path, max_pixels: u64) -> Result<Self> {
        let name = files::input_name(path);
        Self::read_header(path, max_pixels).with_context(|| name)
    }

    fn read_header(path: &Path, max_pixels: u64) -> Result<Self> {
        let (input, size): (Box<dyn Read>, _) = if files::is_standard(path) {
            (Box::new(BufReader::new(io::stdin())), None)
        } else {
            let file = File::open(path)?;
            let size = Some(file.metadata()?.len()).filter(|size| *size > 0);
            (Box::new(BufReader::new(file)), size)
        };
        let bytes = Rc::new(Cell::new(0));
        let counted = Counted { input, bytes: bytes.clone() };
        let most = max_pixels.saturating_mul(6).try_into().unwrap_or(usize::MAX);
        let limits = y4m::Limits { bytes: most };
        let decoder = y4m::Decoder::new_with_limits(counted, limits).map_err(|e| match e {
            y4m::Error::OutOfMemory => anyhow!("more than {max_pixels} pixels"),
            y4m::Error::UnknownColorspace => {
                anyhow!("samples of this layout and depth are not supported in YUV4MPEG2 files")
            }
            y4m::Error::IoError(e) => e.into(),
            _ => anyhow!("not a YUV4MPEG2 file"),
        })?;
        let (width, height) = (decoder.get_width(), decoder.get_height());
        ensure!(width <= MAX_SIZE && height <= MAX_SIZE, "sides over {MAX_SIZE}");
        ensure!((width * height) as u64 <= max_pixels, "more than {max_pixels} pixels");
        use y4m::Colorspace as C;
        let layout = match decoder.get_colorspace() {
            C::Cmono | C::Cmono12 => Layout::I400,
            C::C420 | C::C420jpeg | C::C420paldv | C::C420mpeg2 | C::C420p10 | C::C420p12 => {
                Layout::I420
            }
            C::C422 | C::C422p10 | C::C422p12 => Layout::I422,
            C::C444 | C::C444p10 | C::C444p12 => Layout::I444,
            _ => bail!("samples of this layout and depth are not supported"),
        };
        let shape = Shape { width, height, layout, bit_depth: decoder.get_bit_depth() as u32 };
        Ok(Self { name: files::input_name(path), decoder, bytes, size, shape, pictures: 0 })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Part of the file that was read, where its size is known.
    pub fn fraction(&self) -> Option<f64> {
        Some(self.bytes.get() as f64 / self.size? as f64)
    }

    /// Goes to the next picture, and hands it out if it is `wanted`; false at the end.
    pub fn next<S: Raw>(&mut self, wanted: Option<&mut Vec<Frame<S>>>) -> Result<bool> {
        let before = self.bytes.get();
        let frame = match self.decoder.read_frame() {
            Ok(frame) => frame,
            // The crate takes a picture that is cut off for the end.
            Err(y4m::Error::EOF) if self.bytes.get() == before => return Ok(false),
            Err(y4m::Error::IoError(e)) => return Err(e).context(self.name.clone()),
            Err(_) => bail!("{}: picture {} is damaged or cut off", self.name, self.pictures),
        };
        self.pictures += 1;
        if let Some(all) = wanted {
            let planes = [frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()];
            all.push(Frame { planes: planes.map(S::from_raw), shape: self.shape });
        }
        Ok(true)
    }
}
