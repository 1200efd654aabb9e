//! Rounding of an update's values to integers with a dead zone: magnitudes below it become 0, since
//! a 0 costs the fewest bits. docs/adaptation.md has the contract, under Training and Rounding.

/// Dead zone of scales and biases in training.
pub(super) const SCALE_AND_BIAS: f32 = 0.5;
/// Dead zone of coefficients in training: they are many and cost some bits each.
pub(super) const COEFFICIENT: f32 = 1.0;

/// Dead zones that the encoder tries on what was learnt: of scales and biases, and of coefficients.
/// At infinity no coefficient is sent.
pub const CANDIDATES: [(f32, f32); 7] = [
    (0.65, 1.0),
    (0.65, f32::INFINITY),
    (0.65, 1.15),
    (0.5, 1.0),
    (0.65, 1.35),
    (0.8, 1.35),
    (0.5, f32::INFINITY),
];

/// Rounds to an integer; magnitudes below `dead_zone` become 0.
pub(super) fn quantise(v: f32, dead_zone: f32) -> f32 {
    if v.abs() < dead_zone {
        return 0.0;
    }
    // floor(x + 1/2) of the magnitude: `round` without a call that depends on the platform.
    let magnitude = (v.abs() + 0.5) as i32 as f32;
    magnitude.copysign(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_dead_zone_is_zero() {
        for (v, zone, q) in [
            (0.49, 0.5, 0.0),
            (0.5, 0.5, 1.0),
            (-0.64, 0.65, 0.0),
            (-0.65, 0.65, -1.0),
            (1.34, 1.35, 0.0),
            (-1.5, 1.35, -2.0),
            (2.49, 1.0, 2.0),
            (1000.0, f32::INFINITY, 0.0),
        ] {
            assert_eq!(quantise(v, zone), q, "{v} {zone}");
        }
    }
}
