//! Sidelight's tools: training of base models, the demo, measuring.

mod luma;
mod pretrain;

use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Train a base model from scratch on a folder of pictures
    Pretrain(pretrain::Options),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Pretrain(options) => pretrain::run(&options),
    }
}
