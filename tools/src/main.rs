//! Sidelight's tools: training of base models, the demo, measuring.

mod demo;
mod jpeg;
mod luma;
mod measure;
mod pretrain;

use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Run the main job on a folder of pictures through the C examples
    Demo(demo::Options),
    /// Train a base model from scratch on a folder of pictures
    Pretrain(pretrain::Options),
    /// Turn a training checkpoint into a model file
    Export(pretrain::export::Options),
    /// Tune a model's initial coder states
    Tune(pretrain::tune::Options),
    /// Measure the gains of all planes over a folder of pictures
    MeasureColour(pretrain::measure::Options),
    /// Measure gains over a folder of pictures
    Measure(measure::Options),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Demo(options) => demo::run(&options),
        Command::Pretrain(options) => pretrain::run(&options),
        Command::Measure(options) => measure::run(&options),
        Command::MeasureColour(options) => pretrain::measure::run(&options),
        Command::Tune(options) => pretrain::tune::run(&options),
        Command::Export(options) => pretrain::export::run(&options),
    }
}
