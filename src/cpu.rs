//! Instruction-set levels: what the CPU has, and the cap on what is used of it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

/// Instruction-set levels, lowest first. A CPU may lack one and have a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CpuLevel {
    /// Portable code.
    Scalar = 0,
    /// SSE4.1. The trainer runs its portable code.
    Sse41 = 1,
    /// AVX2 and FMA.
    Avx2 = 2,
    /// AVX-VNNI, AVX2 and FMA. CPUs with AVX-512 may lack it. The trainer runs its code for AVX2.
    AvxVnni = 3,
    /// AVX-512 F, BW, VL and VNNI, AVX2 and FMA.
    Avx512 = 4,
}

/// A level that the CPU has: who holds one may run the level's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supported(CpuLevel);

impl Supported {
    /// The level itself.
    #[must_use]
    pub fn level(self) -> CpuLevel {
        self.0
    }
}

static CAP: AtomicU8 = AtomicU8::new(u8::MAX);

impl CpuLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Sse41, Self::Avx2, Self::AvxVnni, Self::Avx512];

    /// The level that the environment variable `SIDELIGHT_CPU` and programs name so: `scalar`,
    /// `sse41`, `avx2`, `avxvnni` or `avx512`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Sse41 => "sse41",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
        }
    }

    /// The cap by `SIDELIGHT_CPU`, read once.
    fn environment() -> Self {
        static CAP: OnceLock<CpuLevel> = OnceLock::new();
        *CAP.get_or_init(|| {
            let name = std::env::var("SIDELIGHT_CPU").unwrap_or_default();
            Self::from_name(&name).unwrap_or(Self::Avx512)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn of_cpu(self) -> bool {
        let avx2 = || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let sse41 = is_x86_feature_detected!("sse4.1");
        match self {
            Self::Scalar => true,
            Self::Sse41 => sse41,
            Self::Avx2 => sse41 && avx2(),
            Self::AvxVnni => sse41 && avx2() && is_x86_feature_detected!("avxvnni"),
            Self::Avx512 => {
                sse41
                    && avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_cpu(self) -> bool {
        self == Self::Scalar
    }

    /// This level, or the highest below it that a CPU with the levels `has` has.
    fn among(self, has: impl Fn(Self) -> bool) -> Self {
        let up_to = Self::ALL.into_iter().filter(|level| *level <= self);
        up_to.rev().find(|level| has(*level)).unwrap_or(Self::Scalar)
    }

    /// The level in force: the highest that the CPU has up to the cap and up to what the
    /// environment variable `SIDELIGHT_CPU` names.
    #[must_use]
    pub fn current() -> Self {
        let cap = usize::from(CAP.load(Ordering::Relaxed));
        let cap = *Self::ALL.get(cap).unwrap_or(&Self::Avx512);
        cap.min(Self::environment()).supported().level()
    }

    /// Caps the level of the whole process; `None` lifts the cap. It never rises above what the CPU
    /// has.
    pub fn set_cap(cap: Option<Self>) {
        CAP.store(cap.map_or(u8::MAX, |c| c as u8), Ordering::Relaxed);
    }

    /// This level, or the highest below it that the CPU has.
    #[must_use]
    pub fn supported(self) -> Supported {
        Supported(self.among(Self::of_cpu))
    }

    /// Every level that this CPU can run, lowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.of_cpu()).collect()
    }
}

/// Logical cores that this process may use.
#[must_use]
pub fn logical_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::CpuLevel::{self, *};

    #[test]
    fn a_level_may_be_missing_in_the_middle() {
        let highest = |has: &[CpuLevel]| CpuLevel::ALL.map(|l| l.among(|l| has.contains(&l)));
        assert_eq!(highest(&CpuLevel::ALL), CpuLevel::ALL);
        assert_eq!(highest(&[Scalar]), [Scalar; 5]);
        let zen4 = [Scalar, Sse41, Avx2, Avx512];
        assert_eq!(highest(&zen4), [Scalar, Sse41, Avx2, Avx2, Avx512]);
        let alder_lake = [Scalar, Sse41, Avx2, AvxVnni];
        assert_eq!(highest(&alder_lake), [Scalar, Sse41, Avx2, AvxVnni, AvxVnni]);
    }

    #[test]
    fn what_is_available_is_supported() {
        let available = CpuLevel::available();
        assert_eq!(available[0], Scalar);
        for level in CpuLevel::ALL {
            let supported = level.supported().level();
            assert!(supported <= level && available.contains(&supported));
            assert_eq!(supported == level, available.contains(&level));
        }
    }

    #[test]
    fn levels_go_by_their_names_and_numbers() {
        for (number, level) in CpuLevel::ALL.into_iter().enumerate() {
            assert_eq!(level as usize, number);
            assert_eq!(CpuLevel::from_name(level.name()), Some(level));
        }
        assert_eq!(CpuLevel::from_name("AVX2"), None);
        assert_eq!(CpuLevel::from_name(""), None);
    }
}
