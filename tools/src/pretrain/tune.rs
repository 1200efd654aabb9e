//! Tunes the initial states of the update's contexts on fine-tuned training pictures.

use super::source::Material;
use crate::files;
use anyhow::{Context, Result};
use clap::Args;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use sidelight::adapt::finetune::{fine_tune, Example, Task};
use sidelight::adapt::objective::Objective;
use sidelight::cpu::CpuLevel;
use sidelight::network::Model;
use sidelight::payload::{update, ContextTable, ScaleBias, CONTEXTS};
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    /// What the model was trained on
    #[command(flatten)]
    material: Material,
    /// Model file to tune
    #[arg(long)]
    model: PathBuf,
    /// Model file to write
    #[arg(long)]
    out: PathBuf,
    /// Pictures to fine-tune on
    #[arg(long, default_value_t = 60)]
    pictures: usize,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

pub fn run(options: &Options) -> Result<()> {
    let bytes =
        std::fs::read(&options.model).with_context(|| options.model.display().to_string())?;
    let mut model = Model::from_bytes(&bytes)?;
    let source = options.material.open(false)?;
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let bar = indicatif::ProgressBar::new(options.pictures as u64);
    let mut updates = Vec::new();
    for _ in 0..options.pictures {
        let (crop, bytes) = source.square(model.chroma.is_some(), &mut rng)?;
        let example = Example {
            original: crop.original(),
            decoded: crop.decoded(),
            condition: crop.condition,
            // The base model gains about a decibel.
            base_mse: crop.errors().map(|e| 0.78 * e),
        };
        let task = Task {
            examples: &[example],
            model: &model,
            objective: Objective::new(model.chroma.is_some()),
            db_per_bit: source.db_per_doubling() / std::f64::consts::LN_2 / bytes / 8.0,
            steps: 160,
            threads: options.threads,
            level: CpuLevel::current(),
        };
        updates.push(fine_tune(&task, &mut |_| true)?.round(0.65));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let before = bits(&updates, &model.contexts)?;
    model.contexts = tune(&updates, model.contexts)?;
    let after = bits(&updates, &model.contexts)?;
    let mean = |bits: u64| bits as f64 / 8.0 / updates.len() as f64;
    println!(
        "{} updates: {:.1} bytes each before, {:.1} after",
        updates.len(),
        mean(before),
        mean(after)
    );
    files::write(&options.out, &model.to_bytes())?;
    println!("{}: id {:08x}", options.out.display(), model.id);
    Ok(())
}

/// Price of all updates in bits.
fn bits(updates: &[ScaleBias], table: &ContextTable) -> Result<u64> {
    let price = |u| Ok(u64::from(update::price(u, table)?));
    Ok(updates.iter().map(price).sum::<Result<u64>>()? / 256)
}

/// The best initial state of each context: contexts do not influence each other, so one pass is
/// exact.
fn tune(updates: &[ScaleBias], start: ContextTable) -> Result<ContextTable> {
    let mut table = *start.as_bytes();
    for context in 0..CONTEXTS {
        let mut best = (bits(updates, &ContextTable::new(table))?, table[context]);
        for state in (2..=254).step_by(4) {
            table[context] = state;
            best = best.min((bits(updates, &ContextTable::new(table))?, state));
        }
        table[context] = best.1;
    }
    Ok(ContextTable::new(table))
}
