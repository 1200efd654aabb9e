//! The state of a training run on disk: written beside and renamed, so never half a file.

use crate::files;
use anyhow::{ensure, Context, Result};
use sidelight::network::Arch;
use sidelight::train::adam::Adam;
use sidelight::train::net::Net;
use std::path::Path;

const MAGIC: &[u8; 8] = b"SLCKPT01";

/// Everything that a run needs to go on as if it had not stopped.
pub struct Checkpoint {
    pub step: u32,
    pub net: Net,
    /// One for each tensor of the network.
    pub adam: Vec<Adam>,
}

impl Checkpoint {
    pub fn new(net: Net) -> Self {
        let adam = net.tensors().map(|t| Adam::new(t.len())).collect();
        Self { step: 0, net, adam }
    }

    /// Whether it has Adam's squares of the weights' gradients: Muon leaves them 0.
    pub fn squares(&self) -> bool {
        self.adam.iter().step_by(4).any(|adam| adam.square.iter().any(|v| *v != 0.0))
    }

    /// One of this shape; `None` if there is no such file.
    pub fn read(path: &Path, arch: Arch) -> Result<Option<Self>> {
        let state = Self::read_any(path)?;
        if let Some(state) = &state {
            ensure!(
                state.net.arch == arch,
                "{}: a checkpoint of another shape, {:?}",
                path.display(),
                state.net.arch
            );
        }
        Ok(state)
    }

    /// One of any shape; `None` if there is no such file.
    pub fn read_any(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(b) => b,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).context(path.display().to_string()),
        };
        let mut words = bytes.get(8..).unwrap_or(&[]).chunks_exact(4);
        let mut word =
            || words.next().map(|w| [w[0], w[1], w[2], w[3]]).context("checkpoint is too short");
        ensure!(bytes.starts_with(MAGIC), "{}: not a checkpoint", path.display());
        let [inputs, channels, hidden] =
            [word()?, word()?, word()?].map(|w| u32::from_le_bytes(w) as usize);
        let of = if inputs == 4 { Arch::luma } else { Arch::chroma };
        let arch = of(channels, hidden);
        ensure!(
            super::can_train(arch) && arch.inputs == inputs,
            "{}: a checkpoint of an unknown shape, {inputs}, {channels}, {hidden}",
            path.display()
        );
        let mut state = Self::new(Net::zeros(arch));
        state.step = u32::from_le_bytes(word()?);
        for (tensor, adam) in state.net.tensors_mut().zip(&mut state.adam) {
            for v in tensor.iter_mut().chain(&mut adam.mean).chain(&mut adam.square) {
                *v = f32::from_le_bytes(word()?);
            }
        }
        ensure!(word().is_err(), "{}: trailing bytes", path.display());
        Ok(Some(state))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let mut bytes = MAGIC.to_vec();
        for v in shape_of(self.net.arch).into_iter().chain([self.step]) {
            bytes.extend(v.to_le_bytes());
        }
        for (tensor, adam) in self.net.tensors().zip(&self.adam) {
            for v in tensor.iter().chain(&adam.mean).chain(&adam.square) {
                bytes.extend(v.to_le_bytes());
            }
        }
        files::write(path, &bytes)
    }
}

fn shape_of(a: Arch) -> [u32; 3] {
    [a.inputs, a.channels, a.hidden].map(|v| v as u32)
}
