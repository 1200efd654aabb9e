//! Sidelight's tools: the evaluation and its peers, training of base models.

mod codec;
mod depth;
mod eval;
mod files;
mod integers;
mod machine;
mod media;
mod page;
mod peers;
mod pretrain;
mod report;
mod speed;

use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Evaluate on a folder of pictures with a real codec: figures, BD-rates, tables
    Eval(eval::Options),
    /// Compare two evaluations of the same pictures: BD-rates of one's curves against the other's
    Compare(eval::compare::Options),
    /// Measure what outputs deeper than the decoded pictures are worth
    Depth(depth::Options),
    /// Measure other filters and codecs on an evaluation's pictures
    Peers(peers::Options),
    /// Write the integers of an evaluation's payloads as JSON, for other coders
    Integers(integers::Options),
    /// Write a page about an evaluation: tables, curves, pictures before and after
    Report(report::Options),
    /// Train a base model from scratch on a folder of pictures
    Pretrain(pretrain::Options),
    /// Draw a training's log as curves
    PlotLog(pretrain::plot::Options),
    /// Make a data set of pictures coded as HEVC to train on
    HevcData(pretrain::hevc_data::Options),
    /// Turn a training checkpoint into a model file
    Export(pretrain::export::Options),
    /// Tune a model's initial coder states
    Tune(pretrain::tune::Options),
    /// Write a model's integers as JSON, for inference engines to run the same network
    Network(speed::network::Options),
    /// Write a frame of JPEG-coded pictures to be timed on
    Frame(speed::frame::Options),
    /// Time the filter as often as stdin asks for
    TimeFilter(speed::time::Options),
    /// Measure the CPU's peak of the kernels' instructions
    Peak(speed::peak::Options),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Eval(options) => eval::run(&options),
        Command::Compare(options) => eval::compare::run(&options),
        Command::Depth(options) => depth::run(&options),
        Command::Peers(options) => peers::run(&options),
        Command::Integers(options) => integers::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Pretrain(options) => pretrain::run(&options),
        Command::PlotLog(options) => pretrain::plot::run(&options),
        Command::HevcData(options) => pretrain::hevc_data::run(&options),
        Command::Export(options) => pretrain::export::run(&options),
        Command::Tune(options) => pretrain::tune::run(&options),
        Command::Network(options) => speed::network::run(&options),
        Command::Frame(options) => speed::frame::run(&options),
        Command::TimeFilter(options) => speed::time::run(&options),
        Command::Peak(options) => speed::peak::run(&options),
    }
}
