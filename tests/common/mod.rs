//! What the tests share, the fuzz targets and the benchmarks with them.
#![allow(dead_code)] // each of them a part

pub mod picture;
pub mod rng;

use sidelight::cpu::CpuLevel;
use std::sync::{Mutex, PoisonError};

/// Does `work` under a cap at each level of the CPU, one caller after the other. The cap is global:
/// other tests may run under it meanwhile, with the same results.
pub fn at_each_level(mut work: impl FnMut(CpuLevel)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for level in CpuLevel::available() {
        CpuLevel::set_cap(Some(level));
        work(level);
    }
    CpuLevel::set_cap(None);
}

/// FNV-1a, written again from docs/model.md.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
