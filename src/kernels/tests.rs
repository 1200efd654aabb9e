//! Every kernel against the scalar reference, on adversarial inputs over all small widths.

use super::{Convolution, Kernels};
use crate::cpu::CpuLevel;
use crate::network::instance::Layer;
use crate::xorshift::Xorshift;

/// How extreme a trial's values are.
#[derive(Clone, Copy, Debug)]
enum Style {
    Uniform,
    NearZero,
    /// Weights of one sign and activations at their limit: sums next to ±2^31.
    Limit(i64),
    /// The same sums from one pair of input channels, whose weights are −2^15.
    Pair(i64),
}

const INPUT_LIMIT: i64 = 32767;

fn layer(rng: &mut Xorshift, style: Style, cin: usize, cout: usize, period: usize) -> Layer {
    // Σ|w| · 32767 + |bias| < 2^31 for every channel: Σ|w| ≤ 65000 leaves room for the bias.
    let mean = 65000 / (9 * cin) as i64;
    let mut taps = vec![0i16; 9 * cin * cout];
    for t in &mut taps {
        *t = match style {
            Style::Uniform => rng.range(-mean, mean),
            Style::NearZero => rng.range(-1, 1),
            Style::Limit(sign) => sign * mean,
            Style::Pair(_) => 0,
        } as i16;
    }
    if let Style::Pair(_) = style {
        for co in 0..cout {
            let pair = rng.range(0, 9 * cin as i64 / 2 - 1) as usize;
            taps[2 * pair * cout + co] = i16::MIN;
            taps[(2 * pair + 1) * cout + co] = i16::MIN;
        }
    }
    let bias = (0..period * period * cout)
        .map(|_| match style {
            Style::Limit(sign) => (sign * 10_000_000) as i32,
            Style::Pair(sign) => (sign * 65_000) as i32,
            _ => rng.range(-10_000_000, 10_000_000) as i32,
        })
        .collect();
    let shift = rng.range(1, 31) as u32;
    let top = 1i64 << shift;
    let multiplier = (0..cout)
        .map(|_| match style {
            Style::Limit(_) | Style::Pair(_) => top.min(i64::from(i32::MAX)),
            _ => rng.range(1, (top >> 10).max(1)),
        } as i32)
        .collect();
    let signed = rng.next().is_multiple_of(2);
    let high = rng.range(1, 32767) as i32;
    Layer {
        cin,
        cout,
        taps: taps.into(),
        bias,
        period,
        multiplier,
        shift,
        low: if signed { -high } else { 0 },
        high,
    }
}

fn rows(rng: &mut Xorshift, style: Style, len: usize) -> [Vec<i16>; 3] {
    std::array::from_fn(|_| {
        (0..len)
            .map(|_| match style {
                Style::Uniform => rng.range(-INPUT_LIMIT, INPUT_LIMIT) as i16,
                Style::NearZero => rng.range(-2, 2) as i16,
                Style::Limit(_) => INPUT_LIMIT as i16,
                Style::Pair(sign) => (-sign * INPUT_LIMIT) as i16,
            })
            .collect()
    })
}

/// Input and output channels and the bias' period, of every layer that networks may have.
const SHAPES: [(usize, usize, usize); 20] = [
    (4, 16, 4),
    (4, 32, 4),
    (4, 48, 4),
    (4, 64, 4),
    (6, 16, 8),
    (6, 32, 8),
    (6, 48, 8),
    (6, 64, 8),
    (16, 16, 1),
    (32, 32, 1),
    (48, 48, 1),
    (64, 64, 1),
    (16, 4, 1),
    (32, 4, 1),
    (48, 4, 1),
    (64, 4, 1),
    (16, 2, 1),
    (32, 2, 1),
    (48, 2, 1),
    (64, 2, 1),
];

#[test]
fn kernels_equal_the_reference() {
    const GUARD: i16 = 0x5a5a;
    let mut rng = Xorshift(0x1234_5678_9abc_def1);
    let reference = Kernels::new(CpuLevel::Scalar);
    let styles = [
        Style::Uniform,
        Style::NearZero,
        Style::Limit(1),
        Style::Limit(-1),
        Style::Pair(1),
        Style::Pair(-1),
    ];
    for level in CpuLevel::available() {
        let tested = Kernels::new(level);
        for (cin, cout, period) in SHAPES {
            for width in (1..=40).chain([131, 384]) {
                for style in styles {
                    let conv = Convolution::new(layer(&mut rng, style, cin, cout, period));
                    let src = rows(&mut rng, style, (width + 2) * cin);
                    let src = [&src[0][..], &src[1][..], &src[2][..]];
                    let y = (rng.next() % 16) as usize;
                    let mut expected = vec![0; width * cout];
                    let mut got = vec![GUARD; width * cout + 32];
                    let (row, guard) = got.split_at_mut(width * cout);
                    if cout < 16 {
                        (reference.conv_row_last)(&conv, y, src, &mut expected);
                        (tested.conv_row_last)(&conv, y, src, row);
                    } else {
                        (reference.conv_row)(&conv, y, src, &mut expected);
                        (tested.conv_row)(&conv, y, src, row);
                    }
                    assert!(
                        expected == row && guard.iter().all(|g| *g == GUARD),
                        "{level:?} {style:?} {cin}->{cout} width {width} row {y} shift {}",
                        conv.layer.shift
                    );
                }
            }
        }
    }
}
