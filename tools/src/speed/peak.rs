//! What a core can do at most with the kernels' instructions: their register blocks, run over
//! weights and activations that stay in the first-level cache, without requantisation and stores.

use anyhow::{bail, Result};
use clap::Args;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Options {
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
}

/// Multiply-accumulates a second of an instruction set and an arithmetic.
#[derive(Serialize)]
struct Peak {
    cpu: &'static str,
    arithmetic: &'static str,
    threads: usize,
    gmacs: f64,
}

/// Runs a block so many times.
type Block = unsafe fn(usize);

pub fn run(options: &Options) -> Result<()> {
    let mut peaks = Vec::new();
    for (cpu, arithmetic, macs, block) in blocks() {
        for threads in &options.threads {
            let gmacs = macs as f64 * measure(block, (*threads).max(1)) / 1e9;
            peaks.push(Peak { cpu, arithmetic, threads: *threads, gmacs });
        }
    }
    if peaks.is_empty() {
        bail!("no kernels of their own for this CPU");
    }
    println!("{}", serde_json::to_string_pretty(&peaks)?);
    Ok(())
}

/// Runs that the best one is taken of, and how long one is: short enough to fit between two other
/// processes' turns, which can only slow it.
const RUNS: usize = 2000;
const RUN: Duration = Duration::from_micros(500);

/// Blocks a second, all threads together.
fn measure(block: Block, threads: usize) -> f64 {
    let time = |count: usize| {
        let start = Instant::now();
        // SAFETY: `blocks` lists what the CPU has.
        unsafe { block(count) };
        (start, Instant::now())
    };
    let mut count = 1;
    while {
        let (start, end) = time(count);
        end - start < RUN
    } {
        count *= 2;
    }
    let arrived = AtomicUsize::new(0);
    let runs = || -> Vec<_> {
        let run = |number| {
            // A lock would wake the threads one after the other.
            arrived.fetch_add(1, Ordering::AcqRel);
            while arrived.load(Ordering::Acquire) < number * threads {
                std::hint::spin_loop();
            }
            time(count)
        };
        (1..=RUNS).map(run).collect()
    };
    let times: Vec<Vec<_>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(runs)).collect();
        handles.into_iter().map(|h| h.join().expect("runs do not panic")).collect()
    });
    let length = |run: usize| {
        let ends = times.iter().map(|t| t[run].1).max();
        let starts = times.iter().map(|t| t[run].0).min();
        ends.zip(starts).map_or(Duration::MAX, |(end, start)| end - start)
    };
    let best = (0..RUNS).map(length).min().unwrap_or(Duration::MAX);
    (threads * count) as f64 / best.as_secs_f64()
}

/// Steps of a block: pairs of 16-bit activations, or fours of 8-bit ones, that a pixel of 32
/// channels sees through 3×3 weights; 144 for both, so that both work on as many bytes.
const STEPS: usize = 144;

#[cfg(target_arch = "x86_64")]
fn blocks() -> Vec<(&'static str, &'static str, usize, Block)> {
    use x86::*;
    let mut all: Vec<(&str, &str, usize, Block)> = Vec::new();
    if is_x86_feature_detected!("sse4.1") {
        all.push(("Sse41", "i16", 8 * 8 * STEPS, sse41_i16));
        all.push(("Sse41", "i8", 8 * 16 * STEPS, sse41_i8));
    }
    if is_x86_feature_detected!("avx2") {
        all.push(("Avx2", "i16", 8 * 16 * STEPS, avx2_i16));
        all.push(("Avx2", "i8", 12 * 32 * STEPS, avx2_i8));
    }
    if is_x86_feature_detected!("avxvnni") {
        all.push(("AvxVnni", "i16", 8 * 16 * STEPS, avx_vnni_i16));
        all.push(("AvxVnni", "i8", 8 * 32 * STEPS, avx_vnni_i8));
    }
    if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
        all.push(("Avx512", "i16", 24 * 32 * STEPS, avx512_i16));
        all.push(("Avx512", "i8", 24 * 64 * STEPS, avx512_i8));
    }
    all
}

#[cfg(not(target_arch = "x86_64"))]
fn blocks() -> Vec<(&'static str, &'static str, usize, Block)> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::STEPS;
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// Pixels × registers of output channels, as the kernels have them, and weights of a row that
    /// an activation is broadcast for; `$dot` adds to `$acc` the products of broadcast activations
    /// `$a` and weights `$w`.
    macro_rules! block {
        ($name:ident, $features:literal, $weights:literal, $pixels:literal, $registers:literal, $vector:ty,
         $zero:ident, $load:ident, $broadcast:ident, |$acc:ident, $a:ident, $w:ident| $dot:expr) => {
            #[target_feature(enable = $features)]
            pub fn $name(count: usize) {
                const WIDTH: usize = size_of::<$vector>();
                let weights = [1u8; STEPS * $registers * WIDTH];
                let activations = [1u8; 64 * ($pixels + $weights) + 4 * STEPS];
                for _ in 0..count {
                    // Nothing may be known of them, or remembered from the block before.
                    let (mut weight, mut at) =
                        (black_box(weights.as_ptr()), black_box(activations.as_ptr()));
                    let mut all = [[$zero(); $registers]; $pixels];
                    for _ in 0..STEPS / $weights {
                        // SAFETY: `STEPS` steps read what the arrays hold.
                        unsafe {
                            let mut w = [[$zero(); $registers]; $weights];
                            for (n, w) in w.as_flattened_mut().iter_mut().enumerate() {
                                *w = $load(weight.add(n * WIDTH).cast());
                            }
                            for x in 0..$pixels + $weights - 1 {
                                let $a = $broadcast(at.add(64 * x).cast::<i32>().read_unaligned());
                                for (kx, w) in w.iter().enumerate() {
                                    if kx <= x && x - kx < $pixels {
                                        for ($acc, $w) in all[x - kx].iter_mut().zip(*w) {
                                            *$acc = $dot;
                                        }
                                    }
                                }
                            }
                            weight = weight.add($weights * $registers * WIDTH);
                            at = at.add(4);
                        }
                    }
                    black_box(all);
                }
            }
        };
    }

    block!(
        sse41_i16,
        "sse4.1",
        3,
        4,
        2,
        __m128i,
        _mm_setzero_si128,
        _mm_loadu_si128,
        _mm_set1_epi32,
        |acc, a, w| _mm_add_epi32(*acc, _mm_madd_epi16(a, w))
    );
    block!(
        sse41_i8,
        "sse4.1",
        1,
        2,
        4,
        __m128i,
        _mm_setzero_si128,
        _mm_loadu_si128,
        _mm_set1_epi32,
        |acc, a, w| _mm_add_epi16(*acc, _mm_maddubs_epi16(a, w))
    );
    block!(
        avx2_i16,
        "avx2",
        3,
        4,
        2,
        __m256i,
        _mm256_setzero_si256,
        _mm256_loadu_si256,
        _mm256_set1_epi32,
        |acc, a, w| _mm256_add_epi32(*acc, _mm256_madd_epi16(a, w))
    );
    block!(
        avx2_i8,
        "avx2",
        1,
        6,
        2,
        __m256i,
        _mm256_setzero_si256,
        _mm256_loadu_si256,
        _mm256_set1_epi32,
        |acc, a, w| _mm256_add_epi16(*acc, _mm256_maddubs_epi16(a, w))
    );
    block!(
        avx512_i16,
        "avx512f,avx512bw,avx512vnni",
        1,
        12,
        2,
        __m512i,
        _mm512_setzero_si512,
        _mm512_loadu_si512,
        _mm512_set1_epi32,
        |acc, a, w| dpwssd(*acc, a, w)
    );
    block!(
        avx512_i8,
        "avx512f,avx512bw,avx512vnni",
        1,
        12,
        2,
        __m512i,
        _mm512_setzero_si512,
        _mm512_loadu_si512,
        _mm512_set1_epi32,
        |acc, a, w| dpbusd(*acc, a, w)
    );

    block!(
        avx_vnni_i16,
        "avx2,avxvnni",
        3,
        4,
        2,
        __m256i,
        _mm256_setzero_si256,
        _mm256_loadu_si256,
        _mm256_set1_epi32,
        |acc, a, w| dpwssd_256(*acc, a, w)
    );
    block!(
        avx_vnni_i8,
        "avx2,avxvnni",
        3,
        4,
        2,
        __m256i,
        _mm256_setzero_si256,
        _mm256_loadu_si256,
        _mm256_set1_epi32,
        |acc, a, w| dpbusd_256(*acc, a, w)
    );

    // By name: LLVM may split the intrinsics in two instructions.
    macro_rules! vnni {
        ($name:ident, $features:literal, $vector:ty, $register:ident, $instruction:literal) => {
            #[inline]
            #[target_feature(enable = $features)]
            fn $name(mut sums: $vector, a: $vector, w: $vector) -> $vector {
                // SAFETY: only registers are touched.
                unsafe {
                    asm!($instruction, inout($register) sums, in($register) a, in($register) w,
                        options(pure, nomem, nostack, preserves_flags));
                }
                sums
            }
        };
    }
    vnni!(dpwssd, "avx512f,avx512vnni", __m512i, zmm_reg, "vpdpwssd {}, {}, {}");
    vnni!(dpbusd, "avx512f,avx512vnni", __m512i, zmm_reg, "vpdpbusd {}, {}, {}");
    vnni!(dpwssd_256, "avx2,avxvnni", __m256i, ymm_reg, "{{vex}} vpdpwssd {}, {}, {}");
    vnni!(dpbusd_256, "avx2,avxvnni", __m256i, ymm_reg, "{{vex}} vpdpbusd {}, {}, {}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_runs() {
        for (_, _, _, block) in blocks() {
            // SAFETY: `blocks` lists what the CPU has.
            unsafe { block(3) };
        }
    }
}
