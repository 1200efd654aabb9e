//! What the kernels ask of an instruction set: a set's register implements [`Vector`], in a file of
//! its own (`x86/sse41.rs`, `x86/avx2.rs`, `x86/avx512.rs`).

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
    /// Whether the products of four bytes are added in 32 bits at once.
    const DOT4: bool;
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
    /// The pair, or four, at `from` in every lane.
    unsafe fn broadcast<T>(from: *const T) -> Self;
    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// In each lane `self + a[0]·b[0] + a[1]·b[1]`.
    unsafe fn dot(self, a: Self, b: Self) -> Self;
    /// Each lane's partial sums of the products of unsigned bytes `a` and signed bytes `b`: two of
    /// 16 bits, `a[0]·b[0] + a[1]·b[1]` and `a[2]·b[2] + a[3]·b[3]`, or with [`DOT4`](Self::DOT4)
    /// all four in 32 bits.
    unsafe fn mul_u8i8(a: Self, b: Self) -> Self;
    /// Partial sums plus [`mul_u8i8`](Self::mul_u8i8) of `a` and `b`.
    unsafe fn dot_bytes(self, a: Self, b: Self) -> Self;
    /// In each lane the sum of its partial sums.
    unsafe fn widen(self) -> Self;
    /// In each lane `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// In lane i the sum of the lanes of `of[i]`.
    unsafe fn hsum(of: [Self; LANES]) -> Self;
    /// In each even lane the odd lane behind it.
    unsafe fn odd_lanes(self) -> Self;
    /// The scalar `requantise`, whose results fit in 32 bits by the load-time proof.
    unsafe fn requantise(self, multiplier: Self, shift: u32) -> Self;
    /// [`requantise`](Self::requantise) with a shift of 32; `odd` is the multiplier's
    /// [`odd_lanes`](Self::odd_lanes).
    unsafe fn requantise_high(self, multiplier: Self, odd: Self) -> Self;
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
    ($(fn $name:ident $(<$type:ident>)? ($($argument:tt)*) $(-> $out:ty)? $body:block)*) => {$(
        #[inline(always)]
        unsafe fn $name $(<$type>)? ($($argument)*) $(-> $out)? {
            // SAFETY: the caller promises that the CPU has the instruction set and that pointers
            // are valid.
            unsafe { $body }
        }
    )*};
}
pub(super) use instructions;
