//! `compare`.
use crate::args::Common;
use anyhow::{bail, Result};
use clap::Args;
#[derive(Args)]
pub struct Arguments {}
pub fn run(_: &Arguments, _: &Common) -> Result<u8> { bail!("todo") }
