//! Gradients by libtorch. Loss, optimiser and checkpoints are the native trainer's.

use super::quantise::Arithmetic;
use super::source::Crop;
use super::{load, spread, Batch, Loss, Options};
use anyhow::{ensure, Result};
use sidelight::network::Arch;
use sidelight::train::map::Map;
use sidelight::train::net::{Net, Train};
use sidelight::train::torch::{set_threads, TorchNet};

pub struct Torch {
    net: TorchNet,
    inputs: Vec<Map>,
    gradient: Net,
    threads: usize,
}

impl Torch {
    pub fn new(arch: Arch, options: &Options) -> Result<Self> {
        ensure!(options.arithmetic == Arithmetic::I16, "--backend torch does not round to i8");
        set_threads(options.threads);
        let half = options.crop / 2;
        let input = |_| Map::new(half, half, arch.inputs, 0);
        let net = Net::zeros(arch);
        Ok(Self {
            net: TorchNet::new(&net, Train::Weights),
            inputs: (0..options.batch).map(input).collect::<Result<_, _>>()?,
            gradient: net,
            threads: options.threads,
        })
    }
}

impl Batch for Torch {
    fn gradient(
        &mut self,
        net: &Net,
        draw: &(dyn Fn(usize) -> Result<Crop> + Sync),
    ) -> Result<(Vec<f64>, &Net)> {
        let crops = spread(self.inputs.iter_mut(), self.threads, |i, input| {
            let crop = draw(i)?;
            load(&crop, input);
            Ok(crop)
        })?;
        let size = (self.inputs[0].height, self.inputs[0].width);
        let loss = |crop| Loss::new(net.arch, crop, size);
        let mut losses: Vec<_> = crops.iter().map(loss).collect();
        let conditions: Vec<_> = crops.iter().map(|crop| crop.condition).collect();
        self.net.load(net);
        self.gradient.tensors_mut().for_each(|t| t.fill(0.0));
        self.net.gradient(&self.inputs, &conditions, &mut self.gradient, |i, y, out, d| {
            losses[i].row(y, out, d);
        });
        Ok((losses.into_iter().map(|loss| loss.total).collect(), &self.gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::Checkpoint;
    use super::super::start::initial;
    use super::super::{gains, run, Part, VALIDATION_CROP};
    use super::*;
    use clap::Parser;
    use sidelight::cpu::CpuLevel;
    use sidelight::train::net::Workspace;
    use std::path::Path;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// Trains as the command line `words` says.
    fn pretrain(words: &str) -> Options {
        let line = Line::parse_from(["pretrain"].into_iter().chain(words.split(' ')));
        run(&line.options).unwrap();
        line.options
    }

    fn net(checkpoint: &Path) -> Net {
        Checkpoint::read_any(checkpoint).unwrap().unwrap().net
    }

    /// Gains on the crops of validation, in dB.
    fn all_gains(options: &Options, net: &Net) -> Vec<f64> {
        let half = VALIDATION_CROP / 2;
        let mut ws = Workspace::new(net.arch, half, half, CpuLevel::current()).unwrap();
        let sets = options.material.open(false).unwrap();
        let sets = sets.validation(VALIDATION_CROP, options.part).unwrap();
        let planes = match options.part {
            Part::Luma => 0..1,
            Part::Chroma => 1..3,
        };
        let crops = sets.iter().flatten();
        crops
            .flat_map(|crop| gains(net, Arithmetic::I16, crop, &mut ws)[planes.clone()].to_vec())
            .collect()
    }

    fn distance(a: &Net, b: &Net) -> f64 {
        let pairs = a.tensors().flatten().zip(b.tensors().flatten());
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// 50 steps by either back end, and half of them by each.
    #[test]
    fn a_run_with_torch_ends_where_a_native_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        for i in 0..16 {
            // The last is held out, and must be large.
            let name = ["camera", "chelsea", "lake", "coffee"][i % 4];
            let from = format!("{}/../tests/pictures/{name}.png", env!("CARGO_MANIFEST_DIR"));
            std::fs::copy(from, pictures.join(format!("{i:02}.png"))).unwrap();
        }
        for part in ["luma --channels 32", "chroma --channels 16"] {
            let words = format!(
                "--data {} --part {part} --batch 4 --threads 2 --steps 50",
                pictures.display()
            );
            let file = |name: &str| folder.path().join(format!("{}-{name}.ck", &part[..4]));
            let out = |name: &str| format!("{words} --out {}", file(name).display());
            let options = pretrain(&out("native"));
            pretrain(&format!("{} --backend torch", out("torch")));
            pretrain(&format!("{} --stop-at 25 --backend torch", out("both")));
            pretrain(&out("both"));
            let native = net(&file("native"));
            let native_gains = all_gains(&options, &native);
            let way = distance(&native, &initial(native.arch, options.start, options.seed));
            for other in ["torch", "both"] {
                let net = net(&file(other));
                let pairs = native_gains.iter().zip(all_gains(&options, &net));
                let gains = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let weights = distance(&net, &native) / way;
                println!(
                    "{part}, {other}: {gains:.1e} dB apart, weights {weights:.1e} of their way"
                );
                // Where rounding turns an activation's sign, weights drift apart, gains hardly.
                assert!(gains < 1e-3 && weights < 0.05, "{part}, {other}: {gains} dB, {weights}");
            }
        }
    }
}
