//! What the kernels ask of an instruction set.

/// One register of `LANES` 32-bit integers, or of as many pairs of 16-bit integers or fours of bytes.
///
/// Methods are `inline(always)` and carry no `target_feature`: only the outermost function that
/// they are inlined into does.
///
/// # Safety
/// For every method: the CPU has the instruction set, and pointers are valid for what is read or
/// written through them. No alignment is needed.
pub(super) trait Vector<const LANES: usize>: Copy {
    /// `LANES` integers, or pairs.
    unsafe fn load<T>(from: *const T) -> Self;
    /// The pair, or four, at `from` in every lane.
    unsafe fn broadcast<T>(from: *const T) -> Self;
    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// In each lane `self + a[0]·b[0] + a[1]·b[1]`.
    unsafe fn dot(self, a: Self, b: Self) -> Self;
    /// Adds to each lane's partial sums the products of unsigned bytes `a` and signed bytes `b`. Partial
    /// sums are two of 16 bits, `a[0]·b[0] + a[1]·b[1]` and `a[2]·b[2] + a[3]·b[3]`, or already all four
    /// in 32 bits.
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self;
    /// In each lane the sum of its partial sums.
    unsafe fn whole(self) -> Self;
    /// In each lane `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// In lane i the sum of the lanes of `of[i]`.
    unsafe fn sums(of: [Self; LANES]) -> Self;
    /// The scalar `requantise`, whose results fit in 32 bits by the load-time proof.
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self;
    /// Stores the lanes as `LANES` activations, clamped.
    unsafe fn store(self, low: i16, high: i16, to: *mut i16);
    /// Stores the lanes as `LANES` activations, clamped to 0 and `high`.
    unsafe fn store_bytes(self, high: u8, to: *mut u8);
}
