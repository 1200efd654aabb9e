//! Running a codec's own program with pictures on its pipes.

use anyhow::{bail, Context, Result};
use std::io::Write;
use std::process::{Command, Stdio};

/// Said where a program does not start.
pub const MISSING: &str = "it does not start: is it installed? (make -C tools eval installs it)";

/// Runs `program`, feeds it `input`, and returns what it wrote to its standard output.
pub fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program}: {MISSING}"))?;
    let mut stdin = child.stdin.take().expect("a piped stdin");
    let output = std::thread::scope(|scope| {
        // A program that stops reading early says why on its standard error.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output()
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}: {}", arguments.join(" "), output.status, said.trim());
    }
    Ok(output.stdout)
}

/// The first line that a program says of its version, on either output.
pub fn version(program: &str, argument: &str) -> Result<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program}: {MISSING}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned())
}
