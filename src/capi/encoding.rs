//! What the encoder and the optimiser are asked for, from C's numbers to the Rust API's types; every field is checked.

use super::boundary::{require, text, Refusal, Result};
use super::types::SidelightCodecParams;
use crate::adapt::task::Objective;
use crate::encoder::{DEFAULT_EFFORT, MAX_EFFORT, MAX_STEPS};
use crate::{Error, Rate};

/// What an encoder's or an optimiser's constructor says.
pub(super) fn no_training(error: Error) -> Refusal {
    match error {
        Error::Unsupported => {
            Refusal::new(error, "no fused multiply-add (FMA) for this CPU, which training needs")
        }
        _ => error.into(),
    }
}

/// 0 stands for the default.
pub(super) fn effort(n: u32) -> Result<u8> {
    match u8::try_from(n) {
        Ok(0) => Ok(DEFAULT_EFFORT),
        Ok(effort) if effort <= MAX_EFFORT => Ok(effort),
        _ => Err(Refusal::argument(text!("settings->effort is {n}, not 0 to {MAX_EFFORT}"))),
    }
}

/// 0 stands for the encoder's choice.
pub(super) fn steps(n: u32) -> Result<Option<u32>> {
    require(n <= MAX_STEPS, || text!("settings->steps is {n}, not 0 to {MAX_STEPS}"))?;
    Ok((n != 0).then_some(n))
}

pub(super) fn objective(n: u32) -> Result<Objective> {
    match n {
        0 => Ok(Objective::RateDistortion),
        1 => Ok(Objective::Published),
        _ => Err(Refusal::argument(text!("settings->objective is {n}, no SidelightObjective"))),
    }
}

pub(super) fn rate(params: &SidelightCodecParams) -> Result<Rate> {
    let slope_db_per_byte = params.slope_db_per_byte;
    let is = |what| text!("params->slope_db_per_byte is {slope_db_per_byte}, {what}");
    require(slope_db_per_byte.is_finite(), || is("not finite"))?;
    require(slope_db_per_byte >= 0.0, || is("negative"))?;
    Ok(Rate {
        coded_bytes: params.coded_bytes,
        slope_db_per_byte,
        carriage_bytes: params.carriage_bytes,
    })
}
