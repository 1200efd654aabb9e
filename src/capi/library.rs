use super::types::*;
use libc::{c_char, c_int, c_void};

/// Version of the library, 0x00MMmmpp (major, minor, patch).
///
/// Compare with SIDELIGHT_VERSION_MAJOR and its fellows, which a program was compiled with. May be
/// called from any thread.
#[no_mangle]
pub extern "C" fn sidelight_version() -> u32 {
    todo!()
}

/// One line of English for a negative result, or for 0. Never NULL; static, never freed. May be
/// called from any thread.
#[no_mangle]
pub extern "C" fn sidelight_strerror(error: c_int) -> *const c_char {
    todo!()
}

/// Sets the log callback of the whole process; NULL (the default) keeps the library silent.
///
/// Call it before other threads use the library. The callback must not call into the library.
#[no_mangle]
pub extern "C" fn sidelight_set_log_callback(callback: SidelightLog, user: *mut c_void) {
    todo!()
}

/// Caps the instruction set of the whole process at `level`, a SidelightCpuLevel; it can only be
/// lowered below what the CPU and the environment variable SIDELIGHT_CPU (scalar, avx2) allow.
/// Results are the same at every level. Handles opened later obey it.
///
/// @return 0, or SIDELIGHT_ERROR_INVALID_ARGUMENT for an unknown level.
#[no_mangle]
pub extern "C" fn sidelight_set_cpu_level(level: u32) -> c_int {
    todo!()
}
