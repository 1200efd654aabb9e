//! The instruction-set level: detected once, ordered, and only ever lowered.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::OnceLock;

/// Instruction-set levels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CpuLevel {
    /// Portable code.
    Scalar = 0,
    /// AVX2 and FMA.
    Avx2 = 1,
    /// AVX-512 F, BW and VL. The trainer uses it; the filter runs its AVX2 kernels.
    Avx512 = 2,
}

static CAP: AtomicU8 = AtomicU8::new(u8::MAX);

impl CpuLevel {
    /// What the CPU has, capped by the environment variable `SIDELIGHT_CPU` (`scalar`, `avx2`).
    fn detected() -> Self {
        static DETECTED: OnceLock<CpuLevel> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let has = Self::of_cpu();
            match std::env::var("SIDELIGHT_CPU").as_deref() {
                Ok("scalar") => Self::Scalar,
                Ok("avx2") => has.min(Self::Avx2),
                _ => has,
            }
        })
    }

    fn of_cpu() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let wide = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            return if wide { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Scalar
    }

    /// The level in force.
    #[must_use]
    pub fn current() -> Self {
        let cap = match CAP.load(Ordering::Relaxed) {
            0 => Self::Scalar,
            1 => Self::Avx2,
            _ => Self::Avx512,
        };
        Self::detected().min(cap)
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
        let all = [Self::Scalar, Self::Avx2, Self::Avx512];
        all.into_iter().filter(|l| l.supported() == *l).collect()
    }
}
