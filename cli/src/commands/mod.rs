//! The commands, and what they share.

pub mod attach;
pub mod batch;
pub mod compare;
pub mod decode;
pub mod encode;
pub mod info;
pub mod man;
pub mod strip;
pub mod video;

use crate::args::{Cli, Command, Common};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;

/// Runs a command; the exit status.
pub fn run(cli: &Cli) -> Result<u8> {
    let common = &cli.common;
    match &cli.command {
        Command::Encode(a) => encode::run(a, common),
        Command::Attach(a) => attach::run(a, common),
        Command::Decode(a) => decode::run(a, common),
        Command::Info(a) => info::run(a),
        Command::Strip(a) => strip::run(a, common),
        Command::Compare(a) => compare::run(a, common),
        Command::Batch(a) => batch::run(a, common),
        Command::Video(a) => video::run(a, common),
        Command::Man(a) => man::man(a),
        Command::Completions(a) => man::completions(a),
    }
}

impl Common {
    /// Tells how it went, on standard output or standard error. What can't be told is no failure:
    /// the work is done.
    fn tell_at(&self, stdout: bool, message: &str) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        if !stdout {
            say(message);
        } else if let Err(error) = print(message) {
            say(&format!("sidelight: {error:#}"));
        }
        Ok(())
    }

    /// Tells something that is no error.
    fn note(&self, what: &str, message: &str) {
        if !self.quiet {
            warn(what, message);
        }
    }

    /// A bar for work that takes seconds, where someone looks.
    fn bar(&self) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3}% {eta}");
        ProgressBar::new(1000).with_style(style.expect("a template that a test draws"))
    }
}

/// A line on standard output.
fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("standard output")
}

/// A line on standard error, if that can be written.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// What is wrong with a file that the command goes on with.
fn warn(what: &str, message: &str) {
    say(&format!("sidelight: {what}: {message}"));
}

/// What a bar is told while the library works.
fn follow(bar: &ProgressBar) -> impl FnMut(f64) -> bool + '_ {
    |fraction| {
        bar.set_position((fraction * 1000.0) as u64);
        true
    }
}
