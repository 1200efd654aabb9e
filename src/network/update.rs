//! What a weight-update says: integers in units of the model's step tables. Their syntax is in
//! `payload/update.rs`.

/// Largest magnitude of a value.
pub const MAX_MAGNITUDE: i16 = 255;
/// Highest [`Update::step`].
pub const MAX_STEP: u8 = 15;

/// A weight-update: for every output channel of every layer one signed integer for its scale and
/// one for its bias, and maybe coefficients of changes of its weights, in units of the model's step
/// tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Widens or narrows all steps by its half octaves, 0..=15; the network says how.
    pub step: u8,
    /// First layer first.
    pub layers: Vec<LayerUpdate>,
}

/// The part of an [`Update`] that belongs to one layer; values of at most [`MAX_MAGNITUDE`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerUpdate {
    /// Steps added to each output channel's scale.
    pub scale: Vec<i16>,
    /// Steps added to each output channel's bias.
    pub bias: Vec<i16>,
    /// Coefficients of the weights' changes (docs/model.md), `[9][inputs][outputs]`: rows of nine
    /// patterns of the kernel for each basis vector of input channels, columns for each basis
    /// vector of output channels. May be empty where all are 0.
    pub coefficients: Vec<i16>,
}

impl LayerUpdate {
    /// An update that changes nothing in a layer of `channels` output channels.
    #[must_use]
    pub fn zeros(channels: usize) -> Self {
        Self { scale: vec![0; channels], bias: vec![0; channels], coefficients: Vec::new() }
    }

    /// Whether this is for a layer of these input and output channels.
    #[must_use]
    pub fn fits(&self, inputs: usize, outputs: usize) -> bool {
        let coefficients = self.coefficients.len();
        self.scale.len() == outputs
            && self.bias.len() == outputs
            && (coefficients == 0 || coefficients == 9 * inputs * outputs)
    }

    pub(crate) fn is_zero(&self) -> bool {
        let values = self.scale.iter().chain(&self.bias);
        values.chain(&self.coefficients).all(|&value| value == 0)
    }

    pub(crate) fn has_coefficients(&self) -> bool {
        self.coefficients.iter().any(|&value| value != 0)
    }
}
