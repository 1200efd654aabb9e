//! Kernels for x86-64.

mod avx2;

use super::Kernels;
use crate::cpu::CpuLevel;

/// Replaces what `level` has something better for.
pub(super) fn fill(table: &mut Kernels, level: CpuLevel) {
    if level < CpuLevel::Avx2 {
        return;
    }
    table.conv_row = avx2::conv_row;
    table.conv_row_last = avx2::conv_row_last;
}
