//! The model file: see docs/model.md for the byte tables.

use super::basis::Basis;
use super::model::{CodecKind, Model, ModelLayer, Network, MAX_FACTOR};
use super::prior::{
    ChannelClass, InitialStates, LayerClasses, UpdatePrior, CONTEXTS, MAX_NETWORKS,
};
use super::Arch;
use crate::util::alloc;
use crate::util::hash::Fnv1a;
use crate::util::shared::Shared;
use crate::{Error, Result};
use byteorder::{ByteOrder, LittleEndian as LE};

const MAGIC: &[u8; 8] = b"SLMODEL3";
/// Largest file that is read.
pub const MAX_FILE: usize = 4 << 20;

/// Cursor over a model file; every read is checked.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Error::Corrupt)?;
        self.0 = rest;
        Ok(head)
    }

    fn u8(&mut self) -> Result<usize> {
        Ok(usize::from(self.take(1)?[0]))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(LE::read_u16(self.take(2)?))
    }

    /// `n` weights, behind the number of bytes that each of them has: no more than it takes.
    fn weights(&mut self, n: usize) -> Result<Vec<i16>> {
        match self.u8()? {
            1 => alloc::try_collect(n, self.take(n)?.iter().map(|b| i16::from(*b as i8))),
            2 => {
                let weights = self.i16s(n)?;
                if are_bytes(&weights) {
                    return Err(Error::Corrupt);
                }
                Ok(weights)
            }
            _ => Err(Error::Corrupt),
        }
    }

    fn i16s(&mut self, n: usize) -> Result<Vec<i16>> {
        let bytes = self.take(2 * n)?;
        let mut v = alloc::try_filled(n, 0)?;
        LE::read_i16_into(bytes, &mut v);
        Ok(v)
    }

    fn basis(&mut self, cin: usize, cout: usize) -> Result<Basis> {
        let mut matrix = |n: usize| -> Result<Vec<i8>> {
            alloc::try_collect(n * n, self.take(n * n)?.iter().map(|b| *b as i8))
        };
        let basis = Basis { kernel: matrix(9)?, input: matrix(cin)?, output: matrix(cout)? };
        basis.is_consistent(cin, cout).then_some(basis).ok_or(Error::Corrupt)
    }

    fn i32s(&mut self, n: usize) -> Result<Vec<i32>> {
        let bytes = self.take(4 * n)?;
        let mut v = alloc::try_filled(n, 0)?;
        LE::read_i32_into(bytes, &mut v);
        Ok(v)
    }

    fn classes(&mut self, n: usize) -> Result<Vec<ChannelClass>> {
        let classes = self.take(n)?.iter().map(|byte| ChannelClass::from_byte(*byte));
        alloc::try_collect_ok(n, classes)
    }

    fn network(&mut self, arch: Arch) -> Result<(Network, Vec<LayerClasses>)> {
        let mut layers = alloc::try_with_capacity(arch.layers())?;
        let mut classes = alloc::try_with_capacity(arch.layers())?;
        for l in 0..arch.layers() {
            let (cin, cout) = arch.layer(l);
            layers.push(ModelLayer {
                cin,
                cout,
                shift: self.u8()? as u32,
                limit: i32::from(self.u16()?),
                weights: Shared::new(self.weights(9 * cin * cout)?)?,
                bias: self.i32s(arch.phases(l) * cout)?,
                condition: self.i32s(arch.features * cout)?,
                multiplier: self.i32s(cout)?,
                scale_step: self.i32s(cout)?,
                bias_step: self.i32s(cout)?,
                mean: self.i16s(cin)?,
                basis: self.basis(cin, cout)?,
                row_step: self.i32s(9 * cin)?,
                column_step: self.i32s(cout)?,
                weight_step_in: self.i32s(cin)?,
                weight_step_out: self.i32s(cout)?,
            });
            classes.push(LayerClasses {
                scale: self.classes(cout)?,
                bias: self.classes(cout)?,
                row_level: alloc::try_concat(&[self.take(9 * cin)?])?,
                column_level: alloc::try_concat(&[self.take(cout)?])?,
            });
        }
        let steps_ok = |l: &ModelLayer| {
            let factors = [&l.row_step, &l.column_step, &l.weight_step_in, &l.weight_step_out];
            l.scale_step.iter().chain(&l.bias_step).all(|s| *s >= 1)
                && factors.into_iter().flatten().all(|s| (1..=MAX_FACTOR).contains(s))
        };
        if !layers.iter().all(steps_ok) {
            return Err(Error::Corrupt);
        }
        Ok((Network { arch, layers }, classes))
    }
}

/// Whether all weights fit in signed bytes.
fn are_bytes(weights: &[i16]) -> bool {
    weights.iter().all(|w| i8::try_from(*w).is_ok())
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_FILE`]; [`Error::Corrupt`] if it is damaged or no model
    /// file; [`Error::Unsupported`] if its shape is out of range; [`Error::OutOfMemory`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_FILE {
            return Err(Error::TooLarge);
        }
        let body_len = bytes.len().checked_sub(8).ok_or(Error::Corrupt)?;
        let (body, tail) = bytes.split_at(body_len);
        let content = Fnv1a::of(body.iter().copied());
        let mut r = Reader(body);
        if r.take(MAGIC.len())? != MAGIC || LE::read_u64(tail) != content {
            return Err(Error::Corrupt);
        }
        let codec = match r.u8()? {
            1 => CodecKind::Jpeg,
            2 => CodecKind::Hevc,
            _ => return Err(Error::Unsupported),
        };
        let luma = Arch::luma(r.u8()?, r.u8()?);
        let chroma = match (r.u8()?, r.u8()?) {
            (0, 0) => None,
            (channels, hidden) => Some(Arch::chroma(channels, hidden)),
        };
        if r.u8()? != 0 {
            return Err(Error::Unsupported);
        }
        luma.check()?;
        chroma.map_or(Ok(()), Arch::check)?;
        if usize::from(r.u16()?) != CONTEXTS {
            return Err(Error::Unsupported);
        }
        let table = InitialStates::new(r.take(CONTEXTS)?.try_into().map_err(|_| Error::Internal)?);
        let (luma, classes) = r.network(luma)?;
        let mut networks = alloc::try_with_capacity(MAX_NETWORKS)?;
        networks.push(classes);
        let chroma = match chroma {
            Some(arch) => {
                let (network, classes) = r.network(arch)?;
                networks.push(classes);
                Some(network)
            }
            None => None,
        };
        if !r.0.is_empty() {
            return Err(Error::Corrupt);
        }
        let prior = UpdatePrior::new(table, networks).map_err(|_| Error::Corrupt)?;
        Ok(Self { id: content as u32, codec, luma, chroma, prior })
    }

    /// The id of the model whose file this is, as its end says: for finding one among good files.
    #[must_use]
    pub fn stored_id(file: &[u8]) -> Option<u32> {
        file.last_chunk().map(|content| u64::from_le_bytes(*content) as u32)
    }

    /// Writes the bytes of a model file and sets `id` to its content's hash.
    #[cfg(feature = "internals")]
    pub fn write_file(&mut self) -> Vec<u8> {
        let content = self.set_id();
        let mut out = Vec::new();
        self.write(&mut |bytes| out.extend(bytes));
        out.extend(content.to_le_bytes());
        out
    }

    /// Sets `id` to the content's hash; all of that.
    pub(super) fn set_id(&mut self) -> u64 {
        let mut content = Fnv1a::new();
        self.write(&mut |bytes| content.update(bytes.iter().copied()));
        self.id = content.value() as u32;
        content.value()
    }

    /// Writes a model file up to its content's hash. Takes no memory.
    fn write(&self, out: &mut impl FnMut(&[u8])) {
        let shape = |n: &Network| [n.arch.channels as u8, n.arch.hidden as u8];
        out(MAGIC);
        out(&[self.codec as u8]);
        out(&shape(&self.luma));
        out(&self.chroma.as_ref().map_or([0; 2], shape));
        out(&[0]);
        out(&(CONTEXTS as u16).to_le_bytes());
        out(self.prior.table().as_bytes());
        let layers = self.networks().flat_map(|n| &n.layers);
        for (l, classes) in layers.zip(self.prior.networks().iter().flatten()) {
            out(&[l.shift as u8]);
            out(&(l.limit as u16).to_le_bytes());
            if are_bytes(&l.weights) {
                out(&[1]);
                l.weights.iter().for_each(|v| out(&[*v as u8]));
            } else {
                out(&[2]);
                l.weights.iter().for_each(|v| out(&v.to_le_bytes()));
            }
            let tables = [&l.bias, &l.condition, &l.multiplier, &l.scale_step, &l.bias_step];
            tables.into_iter().flatten().for_each(|v| out(&v.to_le_bytes()));
            l.mean.iter().for_each(|v| out(&v.to_le_bytes()));
            for matrix in [&l.basis.kernel, &l.basis.input, &l.basis.output] {
                matrix.iter().for_each(|v| out(&[*v as u8]));
            }
            let steps = [&l.row_step, &l.column_step, &l.weight_step_in, &l.weight_step_out];
            steps.into_iter().flatten().for_each(|v| out(&v.to_le_bytes()));
            classes.scale.iter().chain(&classes.bias).for_each(|class| out(&[class.byte()]));
            out(&classes.row_level);
            out(&classes.column_level);
        }
    }
}
