//! Every level's kernels (`scalar.rs`, `samples.rs`, `x86/`, `aarch64/`) against the reference, on
//! adversarial inputs over all small widths.

use super::{Convolution, Correction, Kernels, Packed, RowMut, Rows, FULL_STRENGTH};
use crate::cpu::CpuLevel;
use crate::network::bounds::SumWidth;
use crate::network::prepared::PreparedLayer;
use crate::picture::{Layout, Sample};
use crate::util::rng::Xorshift;
use crate::util::shared::Shared;

/// How extreme a trial's values are.
#[derive(Clone, Copy, Debug)]
enum Style {
    Uniform,
    NearZero,
    /// Weights of one sign and activations at their limit: sums next to ±2^31.
    Limit(i64),
    /// Sums next to ±2^31 from one pair of input channels, whose weights are −2^15.
    Pair(i64),
}

const INPUT_LIMIT: i64 = 32767;

fn layer(
    rng: &mut Xorshift,
    style: Style,
    cin: usize,
    cout: usize,
    period: usize,
) -> PreparedLayer {
    // Σ|w| · 32767 + |bias| < 2^31 for every channel: Σ|w| ≤ 65000 leaves room for the bias.
    let mean = 65000 / (9 * cin) as i64;
    let mut weights = vec![0i16; 9 * cin * cout];
    for t in &mut weights {
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
            weights[2 * pair * cout + co] = i16::MIN;
            weights[(2 * pair + 1) * cout + co] = i16::MIN;
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
    // The largest with which the product's high half is the result, or the largest of all.
    let most = if rng.next().is_multiple_of(2) { top } else { (top / 2 - 1).max(1) };
    let multiplier = (0..cout)
        .map(|_| match style {
            Style::Limit(_) | Style::Pair(_) => most.min(i64::from(i32::MAX)),
            _ => rng.range(1, (top >> 10).max(1)),
        } as i32)
        .collect();
    let signed = rng.next().is_multiple_of(2);
    let high = rng.range(1, 32767) as i32;
    PreparedLayer {
        cin,
        cout,
        weights: Shared::new(weights).unwrap(),
        bias,
        period,
        multiplier,
        shift,
        low: if signed { -high } else { 0 },
        high,
    }
}

/// A layer that reads bytes of up to `limit`, with weights that make the most of sums of 16 bits
/// over `run` half weights, 1, 2 or 6: both signs use up what they may, from many weights or from
/// few. With runs of 0, weights are any bytes.
fn byte_layer(
    rng: &mut Xorshift,
    style: Style,
    cin: usize,
    cout: usize,
    limit: i64,
    run: usize,
) -> PreparedLayer {
    let mut weights = vec![0i16; 9 * cin * cout];
    if run == 0 {
        weights.fill_with(|| match style {
            Style::Limit(1) | Style::Pair(-1) => 127,
            Style::Limit(_) | Style::Pair(_) => -128,
            _ => rng.range(-128, 127) as i16,
        });
    }
    let sums =
        (0..18usize.checked_div(run).unwrap_or(0)).flat_map(|r| [0, 2].map(|half| (r, half)));
    for (co, (r, half)) in (0..cout).flat_map(|co| sums.clone().map(move |s| (co, s))) {
        let of_sum: Vec<usize> = (r * run * cin / 2..(r + 1) * run * cin / 2)
            .filter(|i| i % 4 / 2 * 2 == half)
            .collect();
        let budget = |sign: i64| if sign > 0 { 32767 / limit } else { 32768 / limit };
        let signs: &[i64] = match style {
            Style::NearZero => &[],
            Style::Uniform => &[1, -1],
            Style::Limit(1) | Style::Pair(-1) => &[1],
            Style::Limit(_) | Style::Pair(_) => &[-1],
        };
        for sign in signs {
            let mut left = budget(*sign);
            // Each takes all that is left, or a little.
            let most = if matches!(style, Style::Pair(_)) { 128 } else { 1 + left / 16 };
            for _ in 0..10 * of_sum.len() {
                let i = of_sum[rng.range(0, of_sum.len() as i64 - 1) as usize] * cout + co;
                let room = if *sign > 0 { 127 } else { 128 } - sign * i64::from(weights[i]);
                if i64::from(weights[i]) * sign < 0 {
                    continue;
                }
                let by = room.min(left).min(most);
                weights[i] += (sign * by) as i16;
                left -= by;
            }
        }
    }
    let PreparedLayer { bias, multiplier, .. } = layer(rng, style, cin, cout, 1);
    let mut layer = PreparedLayer {
        weights: Shared::new(weights).unwrap(),
        bias,
        multiplier,
        ..layer(rng, style, cin, cout, 1)
    };
    layer.multiplier.iter_mut().for_each(|m| *m = (*m).min(1 << layer.shift.min(30)));
    match SumWidth::narrowest(&layer.weights, (layer.cin, layer.cout), limit as i32).unwrap() {
        _ if run == 0 => layer,
        SumWidth::I16 { halves: 6 } if matches!(style, Style::NearZero) => layer,
        SumWidth::I16 { halves } if halves == run => layer,
        other => panic!("{style:?}: {other:?} where {run} half weights were meant"),
    }
}

fn byte_rows(rng: &mut Xorshift, style: Style, limit: i64, len: usize) -> [Vec<u8>; 3] {
    std::array::from_fn(|_| {
        let byte = |_| match style {
            Style::Uniform => rng.range(0, 1) * limit,
            Style::NearZero => rng.range(0, limit),
            Style::Limit(_) | Style::Pair(_) => limit,
        } as u8;
        (0..len).map(byte).collect()
    })
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

const STYLES: [Style; 6] = [
    Style::Uniform,
    Style::NearZero,
    Style::Limit(1),
    Style::Limit(-1),
    Style::Pair(1),
    Style::Pair(-1),
];

#[test]
fn kernels_equal_the_reference() {
    const GUARD: i16 = 0x5a5a;
    let mut rng = Xorshift(0x1234_5678_9abc_def1);
    let reference = Kernels::new(CpuLevel::Scalar.supported());
    for level in CpuLevel::available() {
        let tested = Kernels::new(level.supported());
        for (cin, cout, period) in SHAPES {
            for width in (1..=40).chain([131, 384]) {
                for style in STYLES {
                    let layer = layer(&mut rng, style, cin, cout, period);
                    let conv = Convolution::new(layer, None, &tested).unwrap();
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
                        let src = Rows::I16(src);
                        (reference.conv_row)(&conv, y, src, RowMut::I16(&mut expected));
                        (tested.conv_row)(&conv, y, src, RowMut::I16(row));
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

/// Rows of bytes in, out, or both.
#[test]
fn byte_kernels_equal_the_reference() {
    let mut rng = Xorshift(0x0fed_cba9_8765_4321);
    let widths = (1..=26).chain([131]);
    let shapes = SHAPES.into_iter().filter(|(_, cout, _)| *cout >= 16);
    let cases = shapes.flat_map(|s| widths.clone().map(move |w| (s, w)));
    for ((cin, cout, period), width) in cases {
        for style in STYLES {
            let limit = [127, 255][rng.next() as usize % 2];
            let run = [0, 1, 2, 6][rng.next() as usize % 4];
            let (mut layer, bytes_in) = if cin < 16 {
                (layer(&mut rng, style, cin, cout, period), false)
            } else {
                (byte_layer(&mut rng, style, cin, cout, limit, run), true)
            };
            if !bytes_in || rng.next().is_multiple_of(2) {
                (layer.low, layer.high) = (0, rng.range(1, 255) as i32);
            }
            let words = rows(&mut rng, style, (width + 2) * cin);
            let bytes = byte_rows(&mut rng, style, limit, (width + 2) * cin);
            // Levels that cannot take a layer's bytes take them as words.
            let wide =
                bytes.each_ref().map(|r| r.iter().map(|b| i16::from(*b)).collect::<Vec<_>>());
            let y = (rng.next() % 16) as usize;
            let case = format!("{style:?} {cin}->{cout} {limit} {run} width {width}");
            let mut expected = None;
            for level in CpuLevel::available() {
                let kernels = Kernels::new(level.supported());
                let limit = bytes_in.then_some(limit as i32);
                let conv = Convolution::new(layer.clone(), limit, &kernels).unwrap();
                let src = match conv.packed {
                    Packed::I8(_) => Rows::U8(bytes.each_ref().map(|r| &r[..])),
                    Packed::I16(_) if bytes_in => Rows::I16(wide.each_ref().map(|r| &r[..])),
                    Packed::I16(_) => Rows::I16(words.each_ref().map(|r| &r[..])),
                };
                let must = bytes_in && run > 0 && kernels.bytes;
                assert!(!must || matches!(src, Rows::U8(_)), "{case}");
                let case = format!("{level:?} {case}");
                check(&kernels, &conv, y, src, width, &mut expected, &case);
            }
        }
    }
}

/// A row into words and where they fit into bytes, against the first level's.
fn check(
    kernels: &Kernels,
    conv: &Convolution,
    y: usize,
    src: Rows<'_>,
    width: usize,
    expected: &mut Option<Vec<i16>>,
    case: &str,
) {
    const GUARD: i16 = 0x5a5a;
    let len = width * conv.layer.cout;
    let mut got = vec![GUARD; len + 64];
    (kernels.conv_row)(conv, y, src, RowMut::I16(&mut got[..len]));
    assert!(got[len..].iter().all(|g| *g == GUARD), "{case}: guard");
    got.truncate(len);
    let expected = expected.get_or_insert_with(|| got.clone());
    assert!(got == *expected, "{case}");
    if conv.layer.low == 0 && conv.layer.high <= 255 {
        let mut got = vec![GUARD as u8; len + 64];
        (kernels.conv_row)(conv, y, src, RowMut::U8(&mut got[..len]));
        assert!(got[..len].iter().zip(expected).all(|(g, e)| i16::from(*g) == *e), "{case}");
        assert!(got[len..].iter().all(|g| *g == GUARD as u8), "{case}: guard");
    }
}

/// One more than a sum of 16 bits can hold, of either sign and in either half of the channels.
#[test]
fn sums_that_may_leave_16_bits_are_found() {
    let mut rng = Xorshift(11);
    for (cin, cout) in [(16, 16), (32, 32), (48, 48), (64, 64)] {
        let plain = PreparedLayer {
            weights: Shared::new(vec![0; 9 * cin * cout]).unwrap(),
            ..layer(&mut rng, Style::NearZero, cin, cout, 1)
        };
        let with = |weights: &[(usize, i16)], limit| {
            let mut all = vec![0; 9 * cin * cout];
            for (input, w) in weights {
                all[input * cout + cout - 1] = *w;
            }
            SumWidth::narrowest(&all, (plain.cin, plain.cout), limit).unwrap()
        };
        let row = 3 * cin;
        assert_eq!(with(&[], 255), SumWidth::I16 { halves: 6 });
        assert_eq!(with(&[], 256), SumWidth::I32, "no bytes");
        assert_eq!(with(&[(5, 128)], 1), SumWidth::I32, "no 8-bit weight");
        assert_eq!(with(&[(5, -128)], 255), SumWidth::I16 { halves: 6 });
        assert_eq!(with(&[(5, 64), (8, 64)], 255), SumWidth::I16 { halves: 6 }, "32640 at most");
        assert_eq!(
            with(&[(5, 64), (6, 65)], 255),
            SumWidth::I16 { halves: 6 },
            "in different halves"
        );
        assert_eq!(with(&[(0, 64), (5, 65)], 255), SumWidth::I32);
        assert_eq!(with(&[(0, -64), (5, -65)], 255), SumWidth::I32);
        // In the first or the last half of any weight; or from the end of one to the start of the
        // other.
        let later = cin / 2 + 1;
        for at in (0..9).map(|weight| weight * cin) {
            let ends = |from: usize, to: usize, sign: i16| {
                with(&[(at + from, 64 * sign), (at + to - 3, 65 * sign)], 255)
            };
            for sign in [1, -1] {
                assert_eq!(ends(0, cin / 2, sign), SumWidth::I32);
                assert_eq!(ends(cin / 2, cin, sign), SumWidth::I32);
                assert_eq!(ends(0, cin, sign), SumWidth::I16 { halves: 1 });
                assert_eq!(ends(cin / 2 - 3, cin / 2 + 3, sign), SumWidth::I16 { halves: 1 });
                assert_eq!(ends(cin / 2 - 1, cin / 2 + 5, sign), SumWidth::I16 { halves: 1 });
            }
        }
        assert_eq!(
            with(&[(0, 64), (later, 65)], 255),
            SumWidth::I16 { halves: 1 },
            "of different parts"
        );
        assert_eq!(
            with(&[(5, 100), (9, -100)], 255),
            SumWidth::I16 { halves: 6 },
            "of either sign"
        );
        assert_eq!(
            with(&[(0, 64), (cin, 65)], 255),
            SumWidth::I16 { halves: 2 },
            "of different weights"
        );
        assert_eq!(with(&[(2, 64), (row - 1, 65)], 255), SumWidth::I16 { halves: 2 });
        assert_eq!(
            with(&[(2, 64), (row + 2, 65)], 255),
            SumWidth::I16 { halves: 6 },
            "of different rows"
        );
        assert_eq!(with(&[(0, 127), (row - 4, 127), (4, 4)], 127), SumWidth::I16 { halves: 6 });
        assert_eq!(with(&[(0, 127), (row - 4, 127), (4, 5)], 127), SumWidth::I16 { halves: 2 });
        assert_eq!(with(&[(0, 127), (cin - 4, 127), (4, 4)], 127), SumWidth::I16 { halves: 6 });
        assert_eq!(with(&[(0, 127), (cin - 4, 127), (4, 5)], 127), SumWidth::I16 { halves: 1 });
        assert_eq!(with(&[(0, 127), (1, 127), (4, 5)], 127), SumWidth::I32);
        // The widest sums of every weight decide.
        let both = [(0, 64), (cin, 65), (row, 64), (row + later, 65)];
        assert_eq!(with(&both, 255), SumWidth::I16 { halves: 1 });
    }
}

/// Bytes are read where inputs and weights are bytes, whatever their sums, if the level adds in 32
/// bits; nowhere if the level has no products of bytes.
#[test]
fn bytes_where_they_can_be() {
    let mut rng = Xorshift(13);
    let large = byte_layer(&mut rng, Style::Limit(1), 32, 32, 255, 0);
    let small = [1, 2, 6].map(|run| byte_layer(&mut rng, Style::Limit(1), 32, 32, 255, run));
    let weights = Shared::new(vec![128; large.weights.len()]).unwrap();
    let words = PreparedLayer { weights, ..large.clone() };
    for level in CpuLevel::available() {
        let kernels = Kernels::new(level.supported());
        let bytes = |layer: &PreparedLayer, limit| {
            let conv = Convolution::new(layer.clone(), limit, &kernels).unwrap();
            matches!(conv.packed, Packed::I8(_))
        };
        for small in &small {
            assert_eq!(bytes(small, Some(255)), kernels.bytes);
            assert!(!bytes(small, Some(256)) && !bytes(small, None));
        }
        assert_eq!(bytes(&large, Some(255)), kernels.dot4);
        assert!(!bytes(&words, Some(255)));
    }
}

/// Every level's kernels of samples against the scalar ones: all layouts, widths and channels,
/// samples beyond the depth's range where there is room.
fn check_samples<S: Sample + PartialEq + std::fmt::Debug>(depth: u32, sample: fn(u64) -> S) {
    const GUARD: i16 = 0x5a5a;
    let mut rng = Xorshift(0x0bad_cafe ^ u64::from(depth));
    let reference = Kernels::new(CpuLevel::Scalar.supported()).samples;
    let cases = (1..=70).chain([131, 256]).flat_map(|width| Layout::ALL.map(|l| (width, l)));
    for (width, layout) in cases {
        let pixels = usize::div_ceil(width, 2);
        let chroma_pixels = usize::div_ceil(width, layout.chroma_pixel_width());
        let columns = layout.plane_size(1, width, 2).0;
        let extreme = rng.next().is_multiple_of(3);
        let mut row = |len: usize| -> Vec<S> {
            let any = |_| match (extreme, rng.next()) {
                (true, bits) if bits % 2 == 0 => sample(0),
                (true, _) => sample(u64::MAX),
                (false, bits) => sample(bits),
            };
            (0..len).map(any).collect()
        };
        let luma = [row(width), row(width)];
        // Where a pixel has one row of chroma, both are that one.
        let mut chroma = [[row(columns), row(columns)], [row(columns), row(columns)]];
        if layout.chroma_beside_pixel().is_some_and(|(tall, _)| tall == 1) {
            chroma.iter_mut().for_each(|rows| rows[1] = rows[0].clone());
        }
        for level in CpuLevel::available() {
            let tested = Kernels::new(level.supported()).samples;
            let case = format!("{level:?} {layout:?} {depth} bits, width {width}");
            for (inputs, pixels) in [(4, pixels), (6, chroma_pixels)] {
                let wide = if inputs == 6 { layout.chroma_pixel_width() / 2 } else { 1 };
                let [expected, got] = [reference, tested].map(|kernels| {
                    let mut out = vec![GUARD; inputs * (pixels + 8)];
                    let dst = &mut out[..inputs * pixels];
                    let rows = luma.each_ref().map(|r| S::row(r));
                    (kernels.pack_luma)(rows, inputs, wide, depth, dst);
                    if inputs == 6 && layout != Layout::I400 {
                        let planes = chroma.each_ref().map(|p| p.each_ref().map(|r| S::row(r)));
                        (kernels.pack_chroma)(planes, layout, depth, dst);
                    }
                    out
                });
                assert!(expected == got, "{case}, {inputs} inputs");
                let untouched = |(i, v): (usize, &i16)| {
                    let chroma = inputs == 6 && layout != Layout::I400;
                    (*v == GUARD) == (i >= inputs * pixels || i % inputs >= 4 && !chroma)
                };
                assert!(got.iter().enumerate().all(untouched), "{case}, {inputs} inputs");
            }
        }
    }
}

/// Every level's corrections of rows against the scalar ones, and these against the formula of
/// docs/model.md.
fn check_corrections<S: Sample, T: Sample + PartialEq + Into<i64>>(
    from: u32,
    to: u32,
    sample: fn(u64) -> S,
) {
    let mut rng = Xorshift(0x5eed ^ u64::from(from << 8 | to));
    let mut any = |extreme: bool, values: [i16; 4]| match (extreme, rng.next()) {
        (true, bits) => i64::from(values[bits as usize % 4]),
        (false, bits) => i64::from(bits as i16 >> (bits >> 32 & 7)),
    };
    let widths = (1..=40).chain([131]);
    for (width, layout) in widths.flat_map(|w| Layout::ALL.map(|layout| (w, layout))) {
        let columns = [width, layout.plane_size(1, width, 2).0];
        let pixels = [width.div_ceil(2), width.div_ceil(layout.chroma_pixel_width())];
        for strength in [0, 1, 31, 63, FULL_STRENGTH] {
            let correction = Correction::new(strength, from, to);
            let extreme = (width + usize::from(strength)) % 3 == 0;
            let mut row = |len| -> Vec<S> {
                let values = [0, -1, 1, i16::MAX];
                (0..len).map(|_| sample(any(extreme, values) as u64)).collect()
            };
            let rows = columns.map(&mut row);
            let mut residuals = |len| -> Vec<i16> {
                let values = [i16::MIN, i16::MAX, -4096, 4095];
                (0..len).map(|_| any(extreme, values) as i16).collect()
            };
            let residuals = [residuals(4 * pixels[0]), residuals(2 * pixels[1])];
            let planes = if layout == Layout::I400 { 0..1 } else { 0..2 };
            for (plane, channel) in planes.flat_map(|p| [(p, 0), (p, 1)]) {
                let (row, residual) = (&rows[plane], &residuals[plane]);
                let correct = |level: CpuLevel| {
                    let kernels = Kernels::new(level.supported()).samples;
                    let mut out = vec![T::new(1); row.len() + 32];
                    let (src, dst) = (S::row(row), T::row_mut(&mut out[..row.len()]));
                    if plane == 0 {
                        (kernels.correct_luma)(src, residual, 2 * channel, correction, dst);
                    } else {
                        (kernels.correct_chroma)(src, residual, channel, layout, correction, dst);
                    }
                    assert!(out.drain(row.len()..).all(|s| s == T::new(1)), "beyond the row");
                    out
                };
                let expected = correct(CpuLevel::Scalar);
                for level in CpuLevel::available() {
                    let case = format!("{level:?} {layout:?} {from} to {to} bits, width {width}");
                    assert!(expected == correct(level), "{case}, strength {strength}");
                }
                let wide = if plane == 0 { 1 } else { super::samples::chroma_columns(layout) };
                for (x, got) in expected.into_iter().enumerate() {
                    let at = if plane == 0 {
                        4 * (x / 2) + 2 * channel + x % 2
                    } else {
                        2 * (x / wide) + channel
                    };
                    // In units of which 64 · 2^(12 - to) are a step of the output.
                    let scaled = f64::from(residual[at]) * f64::from(strength);
                    let rounded = (scaled / f64::from(1 << (18 - to)) + 0.5).floor() as i64;
                    let sample = i64::from(row[x].at_most((1 << from) - 1)) << (to - from);
                    assert_eq!(got.into(), (sample + rounded).clamp(0, (1 << to) - 1));
                }
            }
        }
    }
}

#[test]
fn corrections_equal_the_reference() {
    check_corrections::<u8, u8>(8, 8, |bits| bits as u8);
    for to in [10, 12, 16] {
        check_corrections::<u8, u16>(8, to, |bits| bits as u8);
    }
    // Some are beyond the range.
    for (from, to) in [(10, 10), (10, 12), (10, 16), (12, 12), (12, 16)] {
        check_corrections::<u16, u16>(from, to, |bits| bits as u16 >> (bits >> 20 & 7));
    }
}

#[test]
fn sample_kernels_equal_the_reference() {
    check_samples(8, |bits| bits as u8);
    for depth in [10, 12] {
        // Some are beyond the range.
        check_samples(depth, |bits| bits as u16 >> (bits >> 20 & 7));
    }
}
