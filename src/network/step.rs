//! The step field: by how many half octaves an update's steps are wider than the model's tables.

/// `step · 2^((field − 6) / 2)`, at least 1.
pub(crate) fn scaled(step: i32, field: u8) -> i64 {
    half_octaves(i64::from(step), field, 3).max(1)
}

/// `v · 2^(field / 2 − shift)`, for v below 2^53.
pub(super) fn half_octaves(v: i64, field: u8, shift: u32) -> i64 {
    let octaves = (v << (field / 2)) >> shift;
    // 362 / 256 is the root of 2.
    (octaves * [256, 362][usize::from(field % 2)]) >> 8
}
