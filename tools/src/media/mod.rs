//! Pictures in memory, what JPEG makes of them, and how far they are apart.

pub mod jfif;
pub mod jpeg;
pub mod luma;
pub mod mozjpeg;
pub mod planes;
pub mod psnr;
pub mod rgb;
pub mod yuv;
