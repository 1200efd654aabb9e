//! Where and when something was measured.

use serde::{Deserialize, Serialize};
use std::fs::read_to_string;
use std::process::Command;
use std::time::SystemTime;

/// A run of a tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Seconds since 1970, at its end.
    pub time: u64,
    /// What was built: `git describe`, or "unknown".
    pub commit: String,
    pub machine: Machine,
}

impl Run {
    pub fn now() -> Self {
        let time = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs());
        Self { time, commit: commit(), machine: Machine::this() }
    }
}

/// The commit that lies where this program was built.
fn commit() -> String {
    let arguments = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"];
    let output = Command::new("git").args(arguments).output();
    let said = output.ok().filter(|o| o.status.success()).map(|o| o.stdout);
    let said = said.and_then(|s| String::from_utf8(s).ok()).unwrap_or_default();
    match said.trim() {
        "" => "unknown".to_owned(),
        commit => commit.to_owned(),
    }
}

/// The machine as far as Linux tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    /// That this process may use.
    pub cores: usize,
    pub memory_gib: Option<f64>,
    pub system: String,
}

impl Machine {
    fn this() -> Self {
        let file = |path| read_to_string(path).unwrap_or_default();
        let kernel = file("/proc/sys/kernel/osrelease");
        let distribution = value(&file("/etc/os-release"), "PRETTY_NAME", '=');
        let system = [
            distribution.unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel.trim().to_owned(),
            std::env::consts::ARCH.to_owned(),
        ];
        Self {
            cpu: value(&file("/proc/cpuinfo"), "model name", ':')
                .unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: value(&file("/proc/meminfo"), "MemTotal", ':').and_then(|v| gib(&v)),
            system: system.join(", "),
        }
    }
}

/// The first value of `key` in lines of keys and values.
fn value(text: &str, key: &str, between: char) -> Option<String> {
    let pairs = text.lines().filter_map(|l| l.split_once(between));
    let (_, value) = pairs.into_iter().find(|(k, _)| k.trim() == key)?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// "16384 kB" in GiB.
fn gib(text: &str) -> Option<f64> {
    let kib: f64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_says() {
        let cpu = "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: B\n";
        assert_eq!(value(cpu, "model name", ':').as_deref(), Some("A CPU @ 2 GHz"));
        let system = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
        assert_eq!(value(system, "PRETTY_NAME", '=').as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(value("", "MemTotal", ':'), None);
        assert_eq!(gib("3145728 kB"), Some(3.0));
        assert_eq!(gib("3 GB"), None);
    }
}
