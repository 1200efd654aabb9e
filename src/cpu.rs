//! The instruction-set level: detected once, ordered, and only ever lowered.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

/// Instruction-set levels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CpuLevel {
    /// Portable code.
    Scalar = 0,
    /// SSE4.1. The trainer runs its portable code.
    Sse41 = 1,
    /// AVX2 and FMA.
    Avx2 = 2,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512 = 3,
}

static CAP: AtomicU8 = AtomicU8::new(u8::MAX);

impl CpuLevel {
    const ALL: [Self; 4] = [Self::Scalar, Self::Sse41, Self::Avx2, Self::Avx512];

    /// What the CPU has, capped by the environment variable `SIDELIGHT_CPU`: `scalar`, `sse41` or
    /// `avx2`.
    fn detected() -> Self {
        static DETECTED: OnceLock<CpuLevel> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let cap = match std::env::var("SIDELIGHT_CPU").as_deref() {
                Ok("scalar") => Self::Scalar,
                Ok("sse41") => Self::Sse41,
                Ok("avx2") => Self::Avx2,
                _ => Self::Avx512,
            };
            Self::of_cpu().min(cap)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn of_cpu() -> Self {
        if !is_x86_feature_detected!("sse4.1") {
            return Self::Scalar;
        }
        if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
            return Self::Sse41;
        }
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        if wide {
            Self::Avx512
        } else {
            Self::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_cpu() -> Self {
        Self::Scalar
    }

    /// The level in force.
    #[must_use]
    pub fn current() -> Self {
        let cap = usize::from(CAP.load(Ordering::Relaxed));
        Self::detected().min(*Self::ALL.get(cap).unwrap_or(&Self::Avx512))
    }

    /// Caps the level of the whole process; `None` lifts the cap. It never rises above what the CPU
    /// has.
    pub fn set_cap(cap: Option<Self>) {
        CAP.store(cap.map_or(u8::MAX, |c| c as u8), Ordering::Relaxed);
    }

    /// This level, or the highest below it that the CPU has.
    #[must_use]
    pub fn supported(self) -> Self {
        self.min(Self::of_cpu())
    }

    /// Every level that this CPU can run, lowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|l| l.supported() == *l).collect()
    }
}

/// Logical cores that this process may use.
#[must_use]
pub fn logical_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
