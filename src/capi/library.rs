//! Version, errors, logging and the CPU level.

use super::boundary::{guard, set_log_callback, text, Refusal};
use super::types::*;
use crate::cpu::CpuLevel;
use crate::Error;
use std::ffi::{c_char, c_int, c_void};

/// The library's version, 0x00MMmmpp (major, minor, patch). SIDELIGHT_VERSION is the one that a program was compiled
/// with. Any thread may call it.
#[no_mangle]
pub extern "C" fn sidelight_version() -> u32 {
    const fn part(text: &str) -> u32 {
        let (mut n, mut i) = (0, 0);
        while i < text.len() {
            n = 10 * n + (text.as_bytes()[i] - b'0') as u32;
            i += 1;
        }
        n
    }
    const VERSION: u32 = (part(env!("CARGO_PKG_VERSION_MAJOR")) << 16)
        | (part(env!("CARGO_PKG_VERSION_MINOR")) << 8)
        | part(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// One line of English for a result, also for 0 and unknown ones: static, never NULL. Any thread may call it.
#[no_mangle]
pub extern "C" fn sidelight_strerror(error: c_int) -> *const c_char {
    if error >= 0 {
        return c"success".as_ptr();
    }
    let known = Error::ALL.iter().find(|e| e.code() == error);
    known.map_or(c"unknown error", |e| e.c_message()).as_ptr()
}

/// Sets the log callback of the whole process; NULL (the default) for none. Nothing else is printed, but before an
/// abort for want of memory and by a panic, which is a bug.
///
/// It is for programs, not for libraries inside them: there is one for all. Set it before other threads use the
/// library, and keep callback and `user` alive until none does: a call may still be running when it is replaced. The
/// callback must not call into the library.
#[no_mangle]
pub extern "C" fn sidelight_set_log_callback(callback: SidelightLog, user: *mut c_void) {
    set_log_callback(callback, user);
}

/// Caps the instruction set that the library uses at `level`, a SidelightCpuLevel, for the whole process; it is never
/// raised above what the CPU and the environment variable SIDELIGHT_CPU (scalar, sse41, avx2, avxvnni, avx512, neon,
/// dotprod, simd128; anything else is ignored; read once, when it is first needed) allow. A level that the CPU lacks
/// stands for the highest below it that the CPU has, one of another architecture for the best. Results are the same at
/// every level. Handles opened later obey it. Any thread may call it. Returns 0.
#[no_mangle]
pub extern "C" fn sidelight_set_cpu_level(level: u32) -> c_int {
    guard("sidelight_set_cpu_level", || {
        CpuLevel::set_cap(match level {
            l if l == SidelightCpuLevel::Scalar as u32 => Some(CpuLevel::Scalar),
            l if l == SidelightCpuLevel::Sse41 as u32 => Some(CpuLevel::Sse41),
            l if l == SidelightCpuLevel::Avx2 as u32 => Some(CpuLevel::Avx2),
            l if l == SidelightCpuLevel::Avxvnni as u32 => Some(CpuLevel::AvxVnni),
            l if l == SidelightCpuLevel::Avx512 as u32 => Some(CpuLevel::Avx512),
            l if l == SidelightCpuLevel::Neon as u32 => Some(CpuLevel::Neon),
            l if l == SidelightCpuLevel::Dotprod as u32 => Some(CpuLevel::DotProd),
            l if l == SidelightCpuLevel::Simd128 as u32 => Some(CpuLevel::Simd128),
            l if l == SidelightCpuLevel::Best as u32 => None,
            n => {
                return Err(Refusal::argument(text!("level is {n}, no SidelightCpuLevel")));
            }
        });
        Ok(0)
    })
}
