//! What fine-tuning is asked for.

use super::distortion::{Distortion, PlaneErrors};
use crate::cpu::CpuLevel;
use crate::network::{Condition, Model};
use crate::picture::Picture;
use std::time::Duration;

/// A picture to learn from.
#[derive(Clone, Copy)]
pub struct Example<'a, S> {
    /// The picture before coding.
    pub original: Picture<'a, S>,
    /// The picture as decoded; the same shape.
    pub decoded: Picture<'a, S>,
    /// The picture's condition.
    pub condition: Condition,
    /// Errors of the picture through the base model.
    pub base_mse: PlaneErrors,
}

/// Pictures to fine-tune on, and how.
pub struct Task<'a, S = u8> {
    /// At least one picture; all of one shape. Their mean counts.
    pub examples: &'a [Example<'a, S>],
    /// The base model.
    pub model: &'a Model,
    /// How errors are weighed.
    pub distortion: Distortion,
    /// What a bit costs, in dB.
    pub db_per_bit: f64,
    /// Optimiser steps.
    pub steps: u32,
    /// What is trained, and how it is made small.
    pub objective: Objective,
    /// Tiles in a step.
    pub tiles: usize,
    /// Time after which the schedule ends, if it has not by steps: the result then depends on the
    /// machine.
    pub budget: Option<Duration>,
    /// Threads, at least 1; the result does not depend on them.
    pub threads: usize,
    /// Highest instruction set that may be used; the result does not depend on it.
    pub level: CpuLevel,
}

/// What is trained, and how it is made small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// Scales, biases and coefficients of changes of weights, rounded in the loop, each at its price in bits.
    #[default]
    RateDistortion,
    /// All weights and biases, unrounded, with the compressibility loss of Lam et al. (arXiv
    /// 1905.04079); then pruned and clustered. For comparison.
    Published,
}
