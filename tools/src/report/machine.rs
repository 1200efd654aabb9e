//! What the machine is, as far as Linux tells.

use serde::Serialize;
use std::fs::read_to_string;

#[derive(Serialize)]
pub struct Machine {
    pub cpu: String,
    /// That this process may use.
    pub cores: usize,
    pub memory_gib: Option<f64>,
    pub system: String,
}

impl Machine {
    pub fn this() -> Self {
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
