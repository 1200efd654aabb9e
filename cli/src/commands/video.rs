use crate::args::Common;
use anyhow::{bail, Result};
use clap::Subcommand;
#[derive(Subcommand)]
pub enum Command { Todo }
pub fn run(_: &Command, _: &Common) -> Result<u8> { bail!("todo") }
