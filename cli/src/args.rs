//! The command line.

use crate::commands::{attach, batch, compare, decode, encode, info, man, strip, video};
use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use sidelight::Layout;

/// Exit status where all went well.
pub const DONE: u8 = 0;
/// Exit status of a failure: nothing was written, or in a batch not all.
pub const FAILED: u8 = 1;
/// Exit status of clap for a command line that is none.
pub const USAGE: u8 = 2;
/// Exit status where there is no payload that is good for the file.
pub const UNFILTERED: u8 = 3;
/// Exit status where the JPEG is damaged, and what could be decoded was written.
pub const DAMAGED: u8 = 4;

const STATUS: &str = "\
Exit status:
  0  done
  1  failed: nothing was written; batch, compare: not all pictures were done
  2  the command line is wrong
  3  decode, info: no payload, or one that is stale or damaged;
     decode has written the picture unfiltered; batch decode: that is so of
     some pictures, and all were written; compare: a payload is stale or
     damaged, and the picture was measured without
  4  decode: the JPEG is damaged, and what could be decoded was written;
     batch decode: that is so of some pictures, and all were written

Files appear under their names only when they are complete. - is standard
input or output; where a picture goes to standard output, messages go to
standard error. A message that can't be printed does not change the status.";

/// JPEG files with side information: a better picture for decoders that know of it, the same as ever for all others.
#[derive(Parser)]
#[command(name = "sidelight", version, after_help = STATUS, styles = Styles::plain(), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub common: Common,
}

/// What all commands take.
#[derive(Args, Clone, Copy)]
pub struct Common {
    /// Refuse pictures of more pixels
    #[arg(long, global = true, value_name = "N", default_value_t = 1 << 28)]
    pub max_pixels: u64,
    /// Print errors alone
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Subcommand)]
pub enum Command {
    Encode(encode::Arguments),
    Attach(attach::Arguments),
    Decode(decode::Arguments),
    Info(info::Arguments),
    Strip(strip::Arguments),
    Compare(compare::Arguments),
    #[command(subcommand)]
    Batch(batch::Command),
    #[command(subcommand)]
    Video(video::Command),
    #[command(hide = true)]
    Man(man::ManArguments),
    #[command(hide = true)]
    Completions(man::CompletionsArguments),
}

/// Threads of one picture.
#[derive(Args, Clone, Copy)]
pub struct Threads {
    /// Threads, 0 for one for each core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub threads: u16,
}

impl Threads {
    /// At least 1.
    pub fn count(self) -> usize {
        match self.threads {
            0 => sidelight::logical_cores(),
            n => n.into(),
        }
    }
}

/// Sizes of base models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelSize {
    Small,
    Medium,
    Large,
}

impl From<ModelSize> for sidelight::ModelSize {
    fn from(size: ModelSize) -> Self {
        match size {
            ModelSize::Small => Self::Small,
            ModelSize::Medium => Self::Medium,
            ModelSize::Large => Self::Large,
        }
    }
}

/// Chroma samplings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Sampling {
    #[value(name = "420")]
    I420,
    #[value(name = "422")]
    I422,
    #[value(name = "444")]
    I444,
    #[value(name = "440")]
    I440,
    #[value(name = "411")]
    I411,
}

impl From<Sampling> for Layout {
    fn from(sampling: Sampling) -> Self {
        match sampling {
            Sampling::I420 => Self::I420,
            Sampling::I422 => Self::I422,
            Sampling::I444 => Self::I444,
            Sampling::I440 => Self::I440,
            Sampling::I411 => Self::I411,
        }
    }
}

/// How a payload is made.
#[derive(Args, Clone, Serialize)]
pub struct Making {
    /// No training: ask for the base model at most
    #[arg(long)]
    pub no_update: bool,
    /// Size of the base model
    #[arg(long, value_enum, value_name = "SIZE", default_value_t = ModelSize::Medium)]
    pub model_size: ModelSize,
    /// What training may cost, 1 to 9
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub effort: u8,
    /// Training steps, 0 for a number by effort and size
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub steps: u32,
}

impl Making {
    /// Settings of the library's encoder.
    pub fn settings(&self, threads: usize) -> sidelight::EncoderSettings {
        sidelight::EncoderSettings {
            no_update: self.no_update,
            threads,
            effort: self.effort,
            steps: (self.steps > 0).then_some(self.steps),
            model_size: self.model_size.into(),
            ..Default::default()
        }
    }
}
