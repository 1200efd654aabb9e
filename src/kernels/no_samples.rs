//! Where there is nothing better than portable code for samples: none are done.

pub(crate) fn pack_luma<S, const N: usize>(_: [&[S]; 2], _: &mut [i16], _: u32) -> usize {
    0
}

pub(crate) fn pack_chroma<S>(_: [&[S]; 2], _: &mut [i16], _: u32) -> usize {
    0
}

pub(crate) fn correct_luma<S>(_: &[S], _: &mut [S], _: &[i16], _: usize, _: u32) -> usize {
    0
}

pub(crate) fn correct_chroma<S>(_: &[S], _: &mut [S], _: &[i16], _: usize, _: u32) -> usize {
    0
}
