//! The command `sidelight`.

use clap::Parser;
use sidelight_cli::args::{Cli, FAILED};
use sidelight_cli::commands;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    // SAFETY: nothing else sets the action, and no thread runs yet. A reader that has gone ends the
    // program, as it does others.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    match commands::run(&Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            commands::say(&format!("sidelight: {error:#}"));
            FAILED.into()
        }
    }
}
