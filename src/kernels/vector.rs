//! What the kernels ask of an instruction set: a set's register implements [`Vector`], or [`Eight`]
//! for samples, in a file of its own (in `x86` and `aarch64`, `wasm.rs`).

use super::samples::Correction;

/// One register of `LANES` 32-bit integers, or of as many pairs of 16-bit integers or fours of
/// bytes.
///
/// Methods are `inline(always)` and carry no `target_feature`: only the outermost function that
/// they are inlined into does.
///
/// # Safety
/// Every method asks for this: the CPU has the instruction set, and pointers are valid for what is
/// read or written through them. No alignment is needed.
pub(super) trait Vector<const LANES: usize>: Copy {
    /// Whether layers read bytes where they can. Without, nothing is asked of
    /// [`mul_u8i8`](Self::mul_u8i8), [`dot_bytes`](Self::dot_bytes) and [`widen`](Self::widen).
    const BYTES: bool = true;
    /// Whether the products of four bytes are added in 32 bits at once.
    const DOT4: bool;
    /// Whether the products of bytes are of two signed ones, so that activations are read less
    /// [`Convolution::middle`](super::Convolution::middle).
    const SIGNED_BYTES: bool;
    /// Output channels whose weights lie input channel by input channel; of bytes only where their
    /// products are not added at once.
    const PLANAR: usize = 1;
    /// Whether registers are so many that a block can requantise its first sums while it makes the
    /// others.
    const MANY_REGISTERS: bool;
    /// Whether sums of 16 bits begin with products and not with zeros, which saves an addition and
    /// makes the code longer.
    const BEGINS_WITH_PRODUCTS: bool;

    /// `LANES` integers, or pairs.
    unsafe fn load<T>(from: *const T) -> Self;
    /// The first half of a register's integers, and zeros.
    unsafe fn load_half<T>(from: *const T) -> Self;
    /// The pair of activations at `from` for every lane.
    unsafe fn broadcast_pair(from: *const i16) -> Self;
    /// The four activations at `from`, less `middle` if bytes are signed, for every lane.
    #[inline(always)]
    unsafe fn broadcast_four(from: *const u8, _middle: u8) -> Self {
        // SAFETY: forwarded.
        unsafe { Self::broadcast_pair(from.cast()) }
    }
    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// In each lane `self + a[0]·b[0] + a[1]·b[1]`, of activations and of weights.
    unsafe fn dot(self, a: Self, b: Self) -> Self;
    /// `self` plus the products of `2 · LANES` activations and weights that were loaded by
    /// [`load`](Self::load), each in whichever lane.
    #[inline(always)]
    unsafe fn dot_across(self, a: Self, b: Self) -> Self {
        // SAFETY: forwarded.
        unsafe { self.dot(a, b) }
    }
    /// Each lane's partial sums of the products of activations `a` and weights `b`: two of 16 bits,
    /// `a[0]·b[0] + a[1]·b[1]` and `a[2]·b[2] + a[3]·b[3]`, or with [`DOT4`](Self::DOT4) all four in
    /// 32 bits.
    unsafe fn mul_u8i8(a: Self, b: Self) -> Self;
    /// Partial sums plus [`mul_u8i8`](Self::mul_u8i8) of `a` and `b`.
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self;
    /// In each lane the sum of its partial sums.
    unsafe fn widen(self) -> Self;
    /// In each lane `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// In lane i the sum of the lanes of `of[i]`.
    unsafe fn hsum(of: [Self; LANES]) -> Self;
    /// What [`requantise_high`](Self::requantise_high) takes besides a multiplier, which is even.
    unsafe fn beside_multiplier(self) -> Self;
    /// The scalar `requantise`, whose results fit in 32 bits by the load-time proof.
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self;
    /// [`requantise`](Self::requantise) with a shift of 32; `beside` is the multiplier's
    /// [`beside_multiplier`](Self::beside_multiplier).
    unsafe fn requantise_high(self, multiplier: Self, beside: Self) -> Self;
    /// The lanes of both as `2 · LANES` activations, saturated.
    unsafe fn to_i16(self, behind: Self) -> Self;
    /// Activations clamped.
    unsafe fn clamp(self, low: i16, high: i16) -> Self;
    /// The lanes of all as `4 · LANES` bytes, clamped to 0 and `high`.
    unsafe fn to_bytes(of: [Self; 4], high: u8) -> Self;
    /// The whole register.
    unsafe fn store<T>(self, to: *mut T);
    /// The register's first half.
    unsafe fn store_first_half<T>(self, to: *mut T);
    /// The register's first quarter.
    unsafe fn store_first_quarter<T>(self, to: *mut T);
    /// Both halves, each to a place.
    unsafe fn store_halves<T>(self, to: [*mut T; 2]);
    /// All quarters, each to a place.
    unsafe fn store_quarters<T>(self, to: [*mut T; 4]);
}

/// Writes methods of a [`Vector`], whose bodies are instructions of its set.
macro_rules! instructions {
    ($($(#[$meta:meta])* fn $name:ident $(<$type:ident>)? ($($argument:tt)*) $(-> $out:ty)? $body:block)*) => {$(
        $(#[$meta])*
        #[inline(always)]
        unsafe fn $name $(<$type>)? ($($argument)*) $(-> $out)? {
            // SAFETY: the caller promises that the CPU has the instruction set and that pointers
            // are valid.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    )*};
}
pub(super) use instructions;

/// One register of eight 16-bit integers, of an instruction set that the whole build may use.
///
/// # Safety
/// Methods that read or write through pointers ask that these be valid for it. No alignment is
/// needed.
pub(super) trait Eight: Copy {
    /// Eight integers of 16 bits.
    unsafe fn load<T>(from: *const T) -> Self;
    /// Eight unsigned bytes, widened.
    unsafe fn load_bytes(from: *const u8) -> Self;
    /// The whole register.
    unsafe fn store<T>(self, to: *mut T);
    /// Integers in 0..=255 as bytes.
    unsafe fn store_bytes(self, to: *mut u8);
    /// Both halves, each to a place.
    unsafe fn store_halves<T>(self, to: [*mut T; 2]);
    /// All integers `x`.
    fn splat(x: i16) -> Self;
    /// `self - b`.
    fn sub(self, b: Self) -> Self;
    /// `self + b`, saturated.
    fn add_saturated(self, b: Self) -> Self;
    /// The smaller one.
    fn min(self, b: Self) -> Self;
    /// The larger one.
    fn max(self, b: Self) -> Self;
    /// The smaller one of unsigned integers.
    fn min_unsigned(self, b: Self) -> Self;
    /// `self << shift`, of 0..=15.
    fn shift_left(self, shift: u32) -> Self;
    /// `self >> shift`, of 0..=15, with the sign.
    fn shift_right(self, shift: u32) -> Self;
    /// Integers of `self` and `b` in turn.
    fn zip(self, b: Self) -> [Self; 2];
    /// Pairs of integers of `self` and `b` in turn.
    fn zip_pairs(self, b: Self) -> [Self; 2];
    /// The even integers of `self` and behind them those of `b`, and the odd ones.
    fn unzip(self, b: Self) -> [Self; 2];
    /// The even pairs of `self` and behind them those of `b`, and the odd ones.
    fn unzip_pairs(self, b: Self) -> [Self; 2];
    /// The scalar `Correction::apply`, but that sums end at 0 and 2^16 - 1 whatever the depth.
    fn corrected(self, residuals: Self, correction: Correction) -> Self;
}

/// Writes methods of an [`Eight`] that touch registers alone.
macro_rules! safe_instructions {
    ($(fn $name:ident ($($argument:tt)*) -> $out:ty $body:block)*) => {$(
        #[inline(always)]
        fn $name($($argument)*) -> $out {
            // SAFETY: the whole build may use the instruction set; only registers are touched.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    )*};
}
pub(super) use safe_instructions;
