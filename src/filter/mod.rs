//! The filter: a network run over a picture in bands of rows.

mod band;
mod samples;
mod scratch;
mod tape;

use crate::cpu::CpuLevel;
use crate::kernels::{Convolution, Kernels};
use crate::network::Prepared;
use crate::picture::{Layout, Picture, PictureMut, Sample};
use crate::util::{fault, threads};
use crate::{Error, Result};
use samples::copy_planes;
use scratch::{Pool, ScratchLen};
pub(crate) use tape::TapeMut;

/// A network ready to filter pictures, on several threads at once if need be.
pub struct Filter {
    /// None: luma is copied.
    luma: Vec<Convolution>,
    /// None: chroma is copied.
    chroma: Vec<Convolution>,
    kernels: Kernels,
    pool: Pool,
}

impl Filter {
    /// Prepares `prepared` for the CPU at `level`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(prepared: &Prepared, level: CpuLevel) -> Result<Self> {
        let kernels = Kernels::new(level.supported());
        Ok(Self {
            luma: Convolution::all(&prepared.luma, &kernels)?,
            chroma: Convolution::all(&prepared.chroma, &kernels)?,
            kernels,
            pool: Pool::default(),
        })
    }

    /// Filters `input` into `output`, which may be deeper, with up to `threads` threads, a band on
    /// each, and residuals times `strength` /
    /// [`FULL_STRENGTH`](crate::FULL_STRENGTH).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the pictures' shapes differ, or the output is less deep.
    pub fn picture<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        output: PictureMut<'_, T>,
        threads: usize,
        strength: u8,
    ) -> Result {
        self.picture_while(input, output, threads, strength, &mut || true).map(drop)
    }

    /// Filters like [`Filter::picture`] while `go_on`, which the caller's thread asks at each row
    /// that it filters and while it waits for the others, returns true; false if it did not at the
    /// last time.
    ///
    /// # Errors
    /// Those of [`Filter::picture`].
    pub fn picture_while<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        output: PictureMut<'_, T>,
        threads: usize,
        strength: u8,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        let height = output.height();
        let bands = threads.clamp(1, height.div_ceil(2 * MIN_BAND));
        let (mut number, mut first, mut left) = (0, 0, Some(output));
        let cut = || {
            let rest = left.take()?;
            number += 1;
            if number == bands {
                return Some((first, rest));
            }
            let end = 2 * (height.div_ceil(2) * number / bands);
            let (band, below) = rest.split_at_row(end - first);
            left = Some(below);
            Some((std::mem::replace(&mut first, end), band))
        };
        threads::share(bands, std::iter::from_fn(cut), go_on, &|(first, band), go_on| {
            self.band_while(input, first, band, strength, None, go_on)
        })
    }

    /// Filters the rows of `input` from luma row `first_row` on that `output`, a band of the
    /// output picture, has room for. Bands give the same samples as the whole picture.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the band is not a band of such a picture, if `first_row` is
    /// odd, or if the band's end is odd and not the picture's; [`Error::OutOfMemory`].
    pub fn band<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        first_row: usize,
        output: PictureMut<'_, T>,
        strength: u8,
    ) -> Result {
        self.band_while(input, first_row, output, strength, None, &mut || true).map(drop)
    }

    /// Filters a band like [`Filter::band`] while `go_on`, and notes on `tape` which of the hidden
    /// activations pass a gradient, of the last network that runs; false if it was ended.
    ///
    /// # Errors
    /// Those of [`Filter::band`].
    pub(crate) fn band_while<S: Sample, T: Sample>(
        &self,
        input: &Picture<'_, S>,
        first_row: usize,
        mut output: PictureMut<'_, T>,
        strength: u8,
        mut tape: Option<TapeMut<'_>>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        check_band(input, first_row, &output)?;
        fault::point("filter");
        let layout = input.layout();
        let with_chroma = self.filters_chroma(layout);
        let done = self.pool.with(self.scratch_len(layout, input.width()), |mut scratch| {
            let chroma = with_chroma.then_some(&self.chroma);
            let luma = (!self.luma.is_empty()).then_some(&self.luma);
            luma.into_iter().chain(chroma).all(|network| {
                let (scratch, out) = (scratch.again(), &mut output);
                let tape = tape.as_mut();
                band::run(
                    network,
                    &self.kernels,
                    scratch,
                    input,
                    first_row,
                    out,
                    strength,
                    tape,
                    go_on,
                )
            })
        })?;
        if done && self.luma.is_empty() {
            copy_planes(input, first_row, &mut output, 0..1);
        }
        if done && !with_chroma {
            copy_planes(input, first_row, &mut output, 1..3);
        }
        Ok(done)
    }

    /// Bytes of memory that a running band of a picture takes, beyond the planes: three rows of
    /// every feature map, 3·(⌈width / 2⌉ + 2) activations of 2 bytes or of 1 for each of its
    /// channels, and a row of residuals.
    ///
    /// It is kept for the next band. A filter holds it once for each band that ever ran at the same
    /// time as others.
    #[cfg(test)]
    #[must_use]
    pub fn scratch_bytes(&self, layout: Layout, width: usize) -> usize {
        let len = self.scratch_len(layout, width);
        len.words * size_of::<i16>() + len.bytes
    }

    fn scratch_len(&self, layout: Layout, width: usize) -> ScratchLen {
        let luma = band::scratch_len(&self.luma, width.div_ceil(2));
        if self.filters_chroma(layout) {
            let width = width.div_ceil(layout.chroma_pixel_width());
            luma.max(band::scratch_len(&self.chroma, width))
        } else {
            luma
        }
    }

    fn filters_chroma(&self, layout: Layout) -> bool {
        layout != Layout::I400 && !self.chroma.is_empty()
    }
}

/// Copies a band of a picture into one that may be deeper.
///
/// # Errors
/// Those of [`Filter::band`].
pub fn copy_band<S: Sample, T: Sample>(
    input: &Picture<'_, S>,
    first_row: usize,
    mut output: PictureMut<'_, T>,
) -> Result {
    check_band(input, first_row, &output)?;
    copy_planes(input, first_row, &mut output, 0..3);
    Ok(())
}

/// Smallest band worth a thread, in half-resolution rows.
const MIN_BAND: usize = 8;

fn check_band<S: Sample, T: Sample>(
    input: &Picture<'_, S>,
    first_row: usize,
    output: &PictureMut<'_, T>,
) -> Result {
    let end = first_row.checked_add(output.height()).ok_or(Error::InvalidArgument)?;
    let shape = input.layout() == output.layout()
        && input.bit_depth() <= output.bit_depth()
        && input.width() == output.width();
    if !shape || !first_row.is_multiple_of(2) || end > input.height() {
        return Err(Error::InvalidArgument);
    }
    if end % 2 != 0 && end != input.height() {
        return Err(Error::InvalidArgument);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
