//! Manual pages and completions, for packages.

use crate::args::{Cli, DONE};
use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

/// Write the manual pages into a folder
#[derive(Args)]
pub struct ManArguments {
    pub folder: PathBuf,
}

/// Write a shell's completions to standard output
#[derive(Args)]
pub struct CompletionsArguments {
    pub shell: Shell,
}

pub fn man(a: &ManArguments) -> Result<u8> {
    let named = || a.folder.display().to_string();
    std::fs::create_dir_all(&a.folder).with_context(named)?;
    clap_mangen::generate_to(Cli::command(), &a.folder).with_context(named)?;
    Ok(DONE)
}

pub fn completions(a: &CompletionsArguments) -> Result<u8> {
    clap_complete::generate(a.shell, &mut Cli::command(), "sidelight", &mut std::io::stdout());
    Ok(DONE)
}
