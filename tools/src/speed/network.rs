//! A model's integers as JSON, for other engines to run the very same network.

use super::{prepared, read_model};
use crate::files;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use sidelight::network::prepared::PreparedLayer;
use sidelight::network::CodecKind;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// Model file
    #[arg(long)]
    model: PathBuf,
    /// What the condition in the biases is for: a JPEG quality, or an HEVC QP
    #[arg(long, default_value_t = 30)]
    quality: u8,
    /// JSON file to write
    #[arg(long)]
    out: PathBuf,
}

/// As docs/model.md defines them.
#[derive(Serialize)]
struct Network<'a> {
    /// Id of the model, in hexadecimal.
    model: String,
    /// Whose quality it is.
    codec: &'static str,
    quality: u8,
    luma: Vec<Layer<'a>>,
    /// Empty: chroma passes through.
    chroma: Vec<Layer<'a>>,
}

#[derive(Serialize)]
struct Layer<'a> {
    cin: usize,
    cout: usize,
    /// `[9][cin][cout]`.
    weights: &'a [i16],
    /// `[period²][cout]`, with the condition.
    bias: &'a [i32],
    period: usize,
    multiplier: &'a [i32],
    shift: u32,
    low: i32,
    high: i32,
}

impl<'a> From<&'a PreparedLayer> for Layer<'a> {
    fn from(l: &'a PreparedLayer) -> Self {
        Self {
            cin: l.cin,
            cout: l.cout,
            weights: &l.weights,
            bias: &l.bias,
            period: l.period,
            multiplier: &l.multiplier,
            shift: l.shift,
            low: l.low,
            high: l.high,
        }
    }
}

pub fn run(options: &Options) -> Result<()> {
    let model = read_model(&options.model)?;
    let prepared = prepared(&model, options.quality)?;
    let network = Network {
        model: format!("{:08x}", model.id),
        codec: match model.codec {
            CodecKind::Jpeg => "jpeg",
            CodecKind::Hevc => "hevc",
        },
        quality: options.quality,
        luma: prepared.luma.iter().map(Layer::from).collect(),
        chroma: prepared.chroma.iter().map(Layer::from).collect(),
    };
    files::write(&options.out, &serde_json::to_vec(&network)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn both_networks_come_with_their_condition() {
        let folder = tempfile::tempdir().unwrap();
        let network = |quality: u8| -> serde_json::Value {
            let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/jpeg-ycc-32x3.slm");
            let out = folder.path().join("network.json");
            run(&Options { model, quality, out: out.clone() }).unwrap();
            serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap()
        };
        let (low, high) = (network(10), network(40));
        for (planes, inputs, period) in [("luma", 4, 4), ("chroma", 6, 8)] {
            let first = &low[planes][0];
            let len = |of: &str| first[of].as_array().unwrap().len() as u64;
            let cout = first["cout"].as_u64().unwrap();
            assert_eq!(
                (first["cin"].as_u64(), first["period"].as_u64()),
                (Some(inputs), Some(period))
            );
            assert_eq!(len("weights"), 9 * inputs * cout);
            assert_eq!(len("bias"), period * period * cout);
            assert_eq!(first["weights"], high[planes][0]["weights"]);
            assert_ne!(first["bias"], high[planes][0]["bias"]);
        }
    }
}
