//! f32 vectors of the trainer. Every back end fuses multiply and add and keeps each lane's order
//! of summation, so results do not depend on the vector width.

use super::fma::fma_lanes;

/// Evaluates what is written for the instruction set of `$cpu`'s level.
macro_rules! by_level {
    ($cpu:expr, avx512: $avx512:expr, avx2: $avx2:expr, neon: $neon:expr,
     portable: $portable:expr $(,)?) => {
        match $cpu.level() {
            #[cfg(target_arch = "x86_64")]
            crate::cpu::CpuLevel::Avx512 => $avx512,
            #[cfg(target_arch = "x86_64")]
            crate::cpu::CpuLevel::AvxVnni | crate::cpu::CpuLevel::Avx2 => $avx2,
            #[cfg(target_arch = "aarch64")]
            crate::cpu::CpuLevel::Neon | crate::cpu::CpuLevel::DotProd => $neon,
            _ => $portable,
        }
    };
}
pub(super) use by_level;

/// One vector register of `N` f32 lanes.
///
/// Methods are `inline(always)` and carry no `target_feature`: only the outermost function that
/// they are inlined into does.
pub(super) trait Vector: Copy {
    /// Lanes.
    const N: usize;
    /// All lanes `x`.
    ///
    /// # Safety
    /// The CPU has the back end's instruction set.
    unsafe fn splat(x: f32) -> Self;
    /// Unaligned load of `N` floats.
    ///
    /// # Safety
    /// `p` is readable for `N` floats; the CPU has the instruction set.
    unsafe fn load(p: *const f32) -> Self;
    /// Unaligned store of `N` floats.
    ///
    /// # Safety
    /// `p` is writable for `N` floats; the CPU has the instruction set.
    unsafe fn store(self, p: *mut f32);
    /// `self * b + c`, rounded once.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// `self * b`.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn mul(self, b: Self) -> Self;
    /// `max(self, 0)`.
    ///
    /// # Safety
    /// The CPU has the instruction set.
    unsafe fn relu(self) -> Self;
}

/// Portable back end: eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

impl Vector for Portable {
    const N: usize = 8;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller promises N readable floats; arrays have the alignment of f32.
        Self(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller promises N writable floats.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Self(fma_lanes(self.0, b.0, c.0))
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * b.0[i]))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > 0.0 { self.0[i] } else { 0.0 }))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// AVX2 + FMA: eight lanes.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256);

    // SAFETY of every call below: the trait's contract, the CPU has AVX2 and FMA.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Vector for Avx2 {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(p) })
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm256_storeu_ps(p, self.0) }
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            Self(unsafe { _mm256_mul_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn relu(self) -> Self {
            Self(unsafe { _mm256_max_ps(self.0, _mm256_setzero_ps()) })
        }
    }

    /// AVX-512F: sixteen lanes.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512);

    // SAFETY of every call below: the trait's contract, the CPU has AVX-512F.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Vector for Avx512 {
        const N: usize = 16;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(p) })
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm512_storeu_ps(p, self.0) }
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn relu(self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, _mm512_setzero_ps()) })
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) mod arm {
    use super::Vector;
    use std::arch::aarch64::*;

    /// NEON: eight lanes in two registers.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Neon(float32x4_t, float32x4_t);

    // SAFETY of every call below: the trait's contract; every build for aarch64 has NEON.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Vector for Neon {
        const N: usize = 8;
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { Self(vdupq_n_f32(x), vdupq_n_f32(x)) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            unsafe { Self(vld1q_f32(p), vld1q_f32(p.add(4))) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe {
                vst1q_f32(p, self.0);
                vst1q_f32(p.add(4), self.1);
            }
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            unsafe { Self(vfmaq_f32(c.0, self.0, b.0), vfmaq_f32(c.1, self.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            unsafe { Self(vmulq_f32(self.0, b.0), vmulq_f32(self.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // 0 in place of NaN, as the other back ends.
            let [a, b] = unsafe { [self.0, self.1].map(|r| vmaxnmq_f32(r, vdupq_n_f32(0.0))) };
            Self(a, b)
        }
    }
}
