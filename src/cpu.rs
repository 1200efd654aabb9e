//! Instruction-set levels: what the CPU has, and the cap on what is used of it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

/// Instruction-set levels, of each architecture lowest first. A CPU may lack one and have a higher one.
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
    /// 64-bit ARM's Advanced SIMD.
    Neon = 16,
    /// Advanced SIMD with the dot products of bytes. The trainer runs its code for NEON.
    DotProd = 17,
    /// WebAssembly's 128-bit SIMD.
    Simd128 = 32,
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
    pub const ALL: [Self; 8] = [
        Self::Scalar,
        Self::Sse41,
        Self::Avx2,
        Self::AvxVnni,
        Self::Avx512,
        Self::Neon,
        Self::DotProd,
        Self::Simd128,
    ];

    /// Those of [`ALL`](Self::ALL) that this architecture has, lowest first.
    const HERE: &[Self] = if cfg!(target_arch = "x86_64") {
        &[Self::Scalar, Self::Sse41, Self::Avx2, Self::AvxVnni, Self::Avx512]
    } else if cfg!(target_arch = "aarch64") {
        &[Self::Scalar, Self::Neon, Self::DotProd]
    } else if cfg!(target_arch = "wasm32") {
        &[Self::Scalar, Self::Simd128]
    } else {
        &[Self::Scalar]
    };

    /// The level that the environment variable `SIDELIGHT_CPU` and programs name so: `scalar`,
    /// `sse41`, `avx2`, `avxvnni`, `avx512`, `neon`, `dotprod` or `simd128`.
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
            Self::Neon => "neon",
            Self::DotProd => "dotprod",
            Self::Simd128 => "simd128",
        }
    }

    /// The cap by `SIDELIGHT_CPU`, read once.
    fn environment() -> Option<Self> {
        static CAP: OnceLock<Option<CpuLevel>> = OnceLock::new();
        *CAP.get_or_init(|| Self::from_name(&std::env::var("SIDELIGHT_CPU").ok()?))
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
            _ => false,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn of_cpu(self) -> bool {
        match self {
            Self::Scalar => true,
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::DotProd => {
                std::arch::is_aarch64_feature_detected!("neon")
                    && std::arch::is_aarch64_feature_detected!("dotprod")
            }
            _ => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn of_cpu(self) -> bool {
        self == Self::Scalar
            || self == Self::Simd128
                && cfg!(all(target_arch = "wasm32", target_feature = "simd128"))
    }

    /// The highest of the levels `here` of an architecture that a CPU with the levels `has` has, up
    /// to this one; a level of another architecture bounds nothing.
    fn among(self, here: &[Self], has: impl Fn(Self) -> bool) -> Self {
        let bounds = here.contains(&self);
        let up_to = here.iter().rev().filter(|level| !bounds || **level <= self);
        up_to.copied().find(|level| has(*level)).unwrap_or(Self::Scalar)
    }

    /// The level in force: the highest that the CPU has up to the cap and up to what the
    /// environment variable `SIDELIGHT_CPU` names.
    #[must_use]
    pub fn current() -> Self {
        let cap = CAP.load(Ordering::Relaxed);
        let cap = Self::ALL.into_iter().find(|level| *level as u8 == cap);
        let best = Self::HERE[Self::HERE.len() - 1];
        let caps = [cap, Self::environment(), Some(best)].into_iter().flatten();
        let caps = caps.filter(|cap| Self::HERE.contains(cap));
        caps.min().unwrap_or(Self::Scalar).supported().level()
    }

    /// Caps the level of the whole process; `None` or a level of another architecture lifts the cap.
    /// It never rises above what the CPU has.
    pub fn set_cap(cap: Option<Self>) {
        CAP.store(cap.map_or(u8::MAX, |c| c as u8), Ordering::Relaxed);
    }

    /// This level, or the highest below it that the CPU has; in place of a level of another
    /// architecture the highest that the CPU has.
    #[must_use]
    pub fn supported(self) -> Supported {
        Supported(self.among(Self::HERE, Self::of_cpu))
    }

    /// Every level that this CPU can run, lowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.of_cpu()).collect()
    }
}

/// Whether every CPU of the target has an instruction that multiplies and adds with one rounding.
pub(crate) const FMA_BUILT_IN: bool = cfg!(any(
    target_feature = "fma",
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "powerpc64",
    target_arch = "riscv64",
    target_arch = "s390x",
));

/// Whether there is code for an instruction of the CPU that multiplies and adds with one rounding.
/// Training does little else, and takes some ten times as long where that is emulated.
#[must_use]
pub fn has_fma() -> bool {
    FMA_BUILT_IN || CpuLevel::Avx2.of_cpu()
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
        let x86 = [Scalar, Sse41, Avx2, AvxVnni, Avx512];
        let highest = |has: &[CpuLevel]| x86.map(|l| l.among(&x86, |l| has.contains(&l)));
        assert_eq!(highest(&x86), x86);
        assert_eq!(highest(&[Scalar]), [Scalar; 5]);
        let zen4 = [Scalar, Sse41, Avx2, Avx512];
        assert_eq!(highest(&zen4), [Scalar, Sse41, Avx2, Avx2, Avx512]);
        let alder_lake = [Scalar, Sse41, Avx2, AvxVnni];
        assert_eq!(highest(&alder_lake), [Scalar, Sse41, Avx2, AvxVnni, AvxVnni]);
    }

    #[test]
    fn a_level_of_another_architecture_bounds_nothing() {
        let (arm, has) = ([Scalar, Neon, DotProd], |l| matches!(l, Scalar | Neon));
        let highest = CpuLevel::ALL.map(|level| level.among(&arm, has));
        assert_eq!(highest, [Scalar, Neon, Neon, Neon, Neon, Neon, Neon, Neon]);
        assert_eq!(Sse41.among(&arm, |l| l == Scalar), Scalar);
    }

    #[test]
    fn what_is_available_is_supported() {
        let available = CpuLevel::available();
        assert_eq!(available[0], Scalar);
        for level in CpuLevel::ALL {
            let supported = level.supported().level();
            assert!(available.contains(&supported));
            assert_eq!(supported == level, available.contains(&level));
            assert!(supported <= level || !CpuLevel::HERE.contains(&level));
        }
    }

    /// So that no level goes untested where a script knows what the machine has.
    #[test]
    fn the_machine_has_the_levels_that_it_is_said_to_have() {
        if let Ok(expected) = std::env::var("SIDELIGHT_TEST_LEVELS") {
            let available: Vec<_> =
                CpuLevel::available().iter().map(|level| level.name()).collect();
            assert_eq!(available.join(","), expected);
        }
    }

    #[test]
    fn levels_go_by_their_names_and_numbers() {
        let numbers = CpuLevel::ALL.map(|level| level as u8);
        assert_eq!(numbers, [0, 1, 2, 3, 4, 16, 17, 32]);
        for level in CpuLevel::ALL {
            assert_eq!(CpuLevel::from_name(level.name()), Some(level));
        }
        assert_eq!(CpuLevel::from_name("AVX2"), None);
        assert_eq!(CpuLevel::from_name(""), None);
    }
}
