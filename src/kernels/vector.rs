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
    /// Whether products of bytes are added in 32 bits at once.
    const WHOLE: bool;
    /// Whether registers are so many that a block can requantise its first sums while it makes the others.
    const MANY: bool;

    /// `LANES` integers, or pairs.
    unsafe fn load<T>(from: *const T) -> Self;
    /// The first half of them, and zeros.
    unsafe fn load_half<T>(from: *const T) -> Self;
    /// The pair, or four, at `from` in every lane.
    unsafe fn broadcast<T>(from: *const T) -> Self;
    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// In each lane `self + a[0]·b[0] + a[1]·b[1]`.
    unsafe fn dot(self, a: Self, b: Self) -> Self;
    /// Each lane's partial sums of the products of unsigned bytes `a` and signed bytes `b`: two of 16 bits,
    /// `a[0]·b[0] + a[1]·b[1]` and `a[2]·b[2] + a[3]·b[3]`, or if they are [whole](Self::WHOLE) all
    /// four in 32 bits.
    unsafe fn bytes(a: Self, b: Self) -> Self;
    /// Adds [`bytes`](Self::bytes) of `a` and `b` to partial sums.
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self;
    /// In each lane the sum of its partial sums.
    unsafe fn whole(self) -> Self;
    /// In each lane `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// In lane i the sum of the lanes of `of[i]`.
    unsafe fn sums(of: [Self; LANES]) -> Self;
    /// In each even lane the odd lane behind it.
    unsafe fn odd(self) -> Self;
    /// The scalar `requantise`, whose results fit in 32 bits by the load-time proof.
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self;
    /// The same with a shift of 32. `odd` is the multiplier's [`odd`](Self::odd).
    unsafe fn requantise_high(self, multiplier: Self, odd: Self) -> Self;
    /// The lanes of both as `2 · LANES` activations, saturated.
    unsafe fn words(self, behind: Self) -> Self;
    /// Activations clamped.
    unsafe fn clamp(self, low: i16, high: i16) -> Self;
    /// The lanes of all as `4 · LANES` bytes, clamped to 0 and `high`.
    unsafe fn to_bytes(of: [Self; 4], high: u8) -> Self;
    /// All of the register.
    unsafe fn store<T>(self, to: *mut T);
    /// Its first half.
    unsafe fn store_first_half<T>(self, to: *mut T);
    /// Its first quarter.
    unsafe fn store_first_quarter<T>(self, to: *mut T);
    /// Its halves.
    unsafe fn store_halves<T>(self, to: [*mut T; 2]);
    /// Its quarters.
    unsafe fn store_quarters<T>(self, to: [*mut T; 4]);
}
