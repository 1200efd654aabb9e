//! JFIF's YCbCr of RGB in 16-bit fixed point, rounded as libjpeg does.

/// Factors of red and green in Cb as libjpeg-turbo has them, made of 0.16874 and 0.33126.
pub const TURBO: [i32; 2] = [-11059, -21709];
/// JFIF's factors to the nearest: the shipped models were trained on pictures made with these.
pub const NEAREST: [i32; 2] = [-11058, -21710];

/// Luma of a pixel.
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * u32::from(r) + 38470 * u32::from(g) + 7471 * u32::from(b) + 32768) >> 16) as u8
}

/// Cb and Cr of a pixel, with `cb` for the factors of red and green in Cb.
pub fn chroma(rgb: [u8; 3], cb: [i32; 2]) -> [u8; 2] {
    let [r, g, b] = rgb.map(i32::from);
    // "− 1", so that 255.5 does not round to 256.
    let sample = |sum: i32| ((sum + (128 << 16) + 32768 - 1) >> 16) as u8;
    [sample(cb[0] * r + cb[1] * g + 32768 * b), sample(32768 * r - 27439 * g - 5329 * b)]
}
