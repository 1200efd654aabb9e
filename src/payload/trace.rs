//! The bins of an update, for tools that learn initial states from many.

use super::update::write_with;
use crate::entropy::{Context, Writer};
use crate::network::prior::UpdatePrior;
use crate::network::Update;
use crate::Result;

/// Every bin of `update` that has a context, and the context's number, in the order of coding: what
/// initial states are learnt from.
///
/// # Errors
/// Fails as [`write()`](super::update::write).
pub fn bins(update: &Update, prior: &UpdatePrior) -> Result<Vec<(usize, bool)>> {
    let mut contexts = prior.table().contexts();
    let mut trace = Trace { first: contexts.as_ptr() as usize, bins: Vec::new() };
    write_with(&mut contexts, update, prior, &mut trace)?;
    Ok(trace.bins)
}

/// Tells contexts by where they lie.
struct Trace {
    first: usize,
    bins: Vec<(usize, bool)>,
}

impl Writer for Trace {
    fn bit(&mut self, context: &mut Context, bit: bool) {
        let address = std::ptr::from_ref(context) as usize;
        self.bins.push(((address - self.first) / size_of::<Context>(), bit));
    }

    fn bypass(&mut self, _value: u32, _bits: u32) {}
}
