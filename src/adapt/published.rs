//! The recipe of Lam et al., "Compressing Weight-updates for Image Artifacts Removal Neural
//! Networks" (arXiv 1905.04079), for comparison: a compressibility loss in training, then pruning
//! and k-means.
//!
//! `L = ρ·MSE + γ·L_comp(u)`, `L_comp(u) = |u|₁ / |u|₂ + α·|u|₂² / |u|₁` over the weight-update u.
//! The first term is least for few values (arXiv 1905.01044), the second pulls their magnitudes
//! together. No constants are known from the paper; these did best on training pictures. In place
//! of ρ·MSE stands the encoder's own objective in dB, and u is in units of the model's steps.

/// γ, in dB.
const GAMMA: f32 = 0.03;
/// α.
const ALPHA: f32 = 0.3;
/// Rounds of k-means; it hardly moves after these.
const ROUNDS: usize = 20;

/// Adds the derivative of γ·L_comp.
pub(super) fn add_slopes(values: &[f32], gradient: &mut [f32]) {
    let l1: f32 = values.iter().map(|v| v.abs()).sum();
    let square: f32 = values.iter().map(|v| v * v).sum();
    let l2 = square.sqrt();
    // Nothing is compressible before the first step.
    if l1 < 1e-6 || l2 < 1e-6 {
        return;
    }
    for (g, v) in gradient.iter_mut().zip(values) {
        let sign = if *v == 0.0 { 0.0 } else { v.signum() };
        let ratio = sign / l2 - l1 * v / (square * l2);
        let spread = 2.0 * v / l1 - square * sign / (l1 * l1);
        *g += GAMMA * (ratio + ALPHA * spread);
    }
}

/// The largest `share` of the values, each replaced by the nearest of `clusters` integer means; 0
/// for the others.
pub(super) fn clustered(values: &[f32], share: f64, clusters: usize) -> Vec<f32> {
    let mut magnitudes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    magnitudes.sort_unstable_by(|a, b| b.total_cmp(a));
    let kept = (share * values.len() as f64) as usize;
    let Some(&threshold) = magnitudes.get(kept) else {
        return vec![0.0; values.len()];
    };
    let mut alive: Vec<f32> = values.iter().copied().filter(|v| v.abs() > threshold).collect();
    alive.sort_unstable_by(f32::total_cmp);
    let means = means(&alive, clusters);
    let nearest =
        |v: f32| means.iter().copied().min_by(|a, b| (a - v).abs().total_cmp(&(b - v).abs()));
    let integer = |v: f32| {
        let mean = nearest(v).unwrap_or(0.0).clamp(-255.0, 255.0);
        // Half away from zero, as `round` does, but the same on every platform.
        (mean.abs() + 0.5) as i32 as f32 * mean.signum()
    };
    values.iter().map(|v| if v.abs() > threshold { integer(*v) } else { 0.0 }).collect()
}

/// Means of `count` clusters of sorted values (Lloyd's iteration from equal parts).
fn means(sorted: &[f32], count: usize) -> Vec<f32> {
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let size = sorted.len().div_ceil(count).max(1);
    let mut means: Vec<f32> = sorted.chunks(size).map(mean).collect();
    for _ in 0..ROUNDS {
        let mut rest = sorted;
        for i in 0..means.len() {
            let border = means.get(i + 1).map_or(f32::INFINITY, |next| 0.5 * (means[i] + next));
            let (part, later) = rest.split_at(rest.partition_point(|v| *v <= border));
            if !part.is_empty() {
                means[i] = mean(part);
            }
            rest = later;
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_loss() {
        let values = [0.5f32, -1.5, 0.25, 2.0];
        let loss = |v: &[f32]| -> f64 {
            let l1: f64 = v.iter().map(|v| f64::from(v.abs())).sum();
            let square: f64 = v.iter().map(|v| f64::from(v * v)).sum();
            f64::from(GAMMA) * (l1 / square.sqrt() + f64::from(ALPHA) * square / l1)
        };
        let mut gradient = [0.0; 4];
        add_slopes(&values, &mut gradient);
        for i in 0..4 {
            let at = |d: f32| {
                let mut moved = values;
                moved[i] += d;
                loss(&moved)
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(gradient[i])).abs() < 1e-6, "{i}: {slope}");
        }
        let mut nothing = [1.0; 2];
        add_slopes(&[0.0; 2], &mut nothing);
        assert_eq!(nothing, [1.0; 2]);
    }

    #[test]
    fn few_values_near_few_means_are_left() {
        let mut values = vec![0.1f32; 90];
        values.extend([4.0, 4.4, 3.9, 4.1, -7.8, -8.1, -8.0, -8.3, 4.2, 4.0]);
        let clustered = clustered(&values, 0.1, 2);
        assert!(clustered[..90].iter().all(|v| *v == 0.0));
        assert_eq!(clustered[90..], [4.0, 4.0, 4.0, 4.0, -8.0, -8.0, -8.0, -8.0, 4.0, 4.0]);
        assert!(super::clustered(&values, 0.0, 2).iter().all(|v| *v == 0.0));
        assert!(super::clustered(&[], 0.5, 3).is_empty());
    }
}
