//! What both sides know of a model's updates beforehand: how likely each bin is at first, and which
//! channels change often and which way.

use crate::entropy::Context;
use crate::util::alloc;
use crate::{Error, Result};

/// Most networks of a model.
pub const MAX_NETWORKS: usize = 2;
/// Most output channels that all layers may have together.
pub const MAX_CHANNELS: usize = 1 << 16;
/// Most coefficients that all layers may have together.
pub const MAX_COEFFICIENTS: usize = 1 << 20;
/// Level of every coefficient where nothing is known.
const UNTUNED_LEVEL: u8 = 13;

/// Magnitudes up to this are unary; what goes beyond is an Exp-Golomb code.
pub(crate) const UNARY: usize = 14;
/// Coefficients' magnitudes up to this are unary.
pub(crate) const COEFFICIENT_UNARY: usize = 6;
/// Levels of how seldom a coefficient is not 0: at level n with a probability of about 2^(−n/2).
pub const LEVELS: u8 = 24;

// Where each group of contexts starts; docs/payload.md lists them.
pub(crate) const NETWORK_EMPTY: usize = 0;
pub(crate) const EMPTY: usize = NETWORK_EMPTY + MAX_NETWORKS;
pub(crate) const SCALE_SIGNIFICANT: usize = EMPTY + 2;
pub(crate) const BIAS_SIGNIFICANT: usize = SCALE_SIGNIFICANT + ChannelClass::ACTIVITIES * 3;
pub(crate) const SIGN: usize = BIAS_SIGNIFICANT + ChannelClass::ACTIVITIES * 3 * 2;
pub(crate) const MAGNITUDE: usize = SIGN + 2 * ChannelClass::SIGNS * 3;
pub(crate) const COEFFICIENTS_EMPTY: usize = MAGNITUDE + 2 * UNARY;
pub(crate) const LAYER_COEFFICIENTS_EMPTY: usize = COEFFICIENTS_EMPTY + MAX_NETWORKS;
pub(crate) const COEFFICIENT_SIGNIFICANT: usize = LAYER_COEFFICIENTS_EMPTY + 3;
pub(crate) const COEFFICIENT_SIGN: usize = COEFFICIENT_SIGNIFICANT + 3 * LEVELS as usize;
pub(crate) const COEFFICIENT_MAGNITUDE: usize = COEFFICIENT_SIGN + 3 * 5;
/// Number of contexts.
pub const CONTEXTS: usize = COEFFICIENT_MAGNITUDE + COEFFICIENT_UNARY;

/// What is known of one channel's scale or bias: updates change those of one activity class alike
/// often, and those of one sign class alike often downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelClass(u8);

impl ChannelClass {
    /// Number of activity classes.
    pub const ACTIVITIES: usize = 4;
    /// Number of sign classes.
    pub const SIGNS: usize = 5;

    /// The class that a model file writes as `byte`, activity + 4 · sign.
    ///
    /// # Errors
    /// [`Error::Corrupt`] from 20 on.
    pub const fn from_byte(byte: u8) -> Result<Self> {
        if (byte as usize) < Self::ACTIVITIES * Self::SIGNS {
            Ok(Self(byte))
        } else {
            Err(Error::Corrupt)
        }
    }

    /// The byte in a model file.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// 0..[`ACTIVITIES`](Self::ACTIVITIES).
    #[must_use]
    pub const fn activity(self) -> usize {
        self.0 as usize % Self::ACTIVITIES
    }

    /// 0..[`SIGNS`](Self::SIGNS).
    #[must_use]
    pub const fn sign(self) -> usize {
        self.0 as usize / Self::ACTIVITIES
    }
}

/// What is known of a layer's channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerClasses {
    /// Class of each output channel's scale.
    pub scale: Vec<ChannelClass>,
    /// Class of each output channel's bias.
    pub bias: Vec<ChannelClass>,
    /// Level of each row, `[9][inputs]`, below [`LEVELS`]. A coefficient's level is the sum of its
    /// row's and its column's, at most [`LEVELS`] − 1.
    pub row_level: Vec<u8>,
    /// Level of each column, one for each output channel.
    pub column_level: Vec<u8>,
}

impl LayerClasses {
    /// Level of the coefficient of row `row` and column `column`.
    #[must_use]
    pub fn level(&self, row: usize, column: usize) -> u8 {
        (self.row_level[row] + self.column_level[column]).min(LEVELS - 1)
    }

    /// Input and output channels.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.row_level.len() / 9, self.scale.len())
    }

    fn is_consistent(&self) -> bool {
        let mut levels = self.row_level.iter().chain(&self.column_level);
        self.bias.len() == self.scale.len()
            && self.row_level.len().is_multiple_of(9)
            && self.column_level.len() == self.scale.len()
            && levels.all(|level| *level < LEVELS)
    }
}

/// The probabilities that all contexts start from, as a model file stores them: byte `i` stands
/// for a probability of one of `(2·byte + 1) / 512`. Every value is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialStates([u8; CONTEXTS]);

impl InitialStates {
    /// For models that bring no table of their own.
    pub const DEFAULT: Self = Self(default_table());

    /// A table from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; CONTEXTS]) -> Self {
        Self(bytes)
    }

    /// The table's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CONTEXTS] {
        &self.0
    }

    /// The contexts in their initial states.
    #[must_use]
    pub fn contexts(&self) -> [Context; CONTEXTS] {
        std::array::from_fn(|i| match i {
            COEFFICIENT_SIGNIFICANT..COEFFICIENT_SIGN => Context::rare(self.0[i]),
            _ => Context::new(self.0[i]),
        })
    }
}

impl Default for InitialStates {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn default_table() -> [u8; CONTEXTS] {
    let mut table = [128; CONTEXTS];
    table[NETWORK_EMPTY] = 16;
    table[NETWORK_EMPTY + 1] = 48;
    table[EMPTY] = 64;
    table[EMPTY + 1] = 40;
    // By number of significant neighbours; scales, then biases whose scale is zero or not.
    let scale = [44, 60, 80];
    let bias = [[70, 90], [88, 110], [110, 132]];
    let mut activity = 0;
    while activity < ChannelClass::ACTIVITIES {
        // Untuned models have their last layers there: few channels, and each of them matters.
        let more = if activity == 2 { 24 } else { 0 };
        let mut near = 0;
        while near < 3 {
            let cell = activity * 3 + near;
            table[SCALE_SIGNIFICANT + cell] = scale[near] + more;
            table[BIAS_SIGNIFICANT + 2 * cell] = bias[near][0] + more;
            table[BIAS_SIGNIFICANT + 2 * cell + 1] = bias[near][1] + more;
            near += 1;
        }
        activity += 1;
    }
    let mut position = 0;
    while position < UNARY {
        let more = if position == 0 { 60 } else { 80 };
        table[MAGNITUDE + position] = more;
        table[MAGNITUDE + UNARY + position] = more;
        position += 1;
    }
    table[COEFFICIENTS_EMPTY] = 64;
    table[COEFFICIENTS_EMPTY + 1] = 64;
    let mut place = 0;
    while place < 3 {
        table[LAYER_COEFFICIENTS_EMPTY + place] = 64;
        place += 1;
    }
    let mut level = 0;
    while level < LEVELS as usize {
        // 256 · 2^(−level/2), and more beside coefficients that change.
        let odds = if level % 2 == 0 { 256 } else { 181 } >> (level / 2);
        let mut near = 0;
        while near < 3 {
            let more = odds * [2, 5, 8][near] / 2;
            table[COEFFICIENT_SIGNIFICANT + 3 * level + near] =
                if more < 192 { more as u8 } else { 192 };
            near += 1;
        }
        level += 1;
    }
    let mut position = 0;
    while position < COEFFICIENT_UNARY {
        table[COEFFICIENT_MAGNITUDE + position] = 20;
        position += 1;
    }
    table
}

/// How a model's updates are coded: the shape of its networks, the class of every value and the
/// initial state of every context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdatePrior {
    table: InitialStates,
    networks: Vec<Vec<LayerClasses>>,
}

impl UpdatePrior {
    /// `networks` has luma's layers, then chroma's if there are any, first to last.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more than [`MAX_NETWORKS`], a layer whose lists differ in
    /// length, or a level out of range; [`Error::TooLarge`] for more than [`MAX_CHANNELS`] or
    /// [`MAX_COEFFICIENTS`].
    pub fn new(table: InitialStates, networks: Vec<Vec<LayerClasses>>) -> Result<Self> {
        let layers = || networks.iter().flatten();
        if networks.len() > MAX_NETWORKS || !layers().all(LayerClasses::is_consistent) {
            return Err(Error::InvalidArgument);
        }
        check_size(layers().map(LayerClasses::shape))?;
        Ok(Self { table, networks })
    }

    /// The default table, and classes that say no more than whether a layer is its network's first
    /// or last. `networks` has the input and output channels of each layer.
    ///
    /// # Errors
    /// Fails as [`new`](Self::new) does; [`Error::OutOfMemory`].
    pub fn untuned(networks: &[Vec<(usize, usize)>]) -> Result<Self> {
        check_size(networks.iter().flatten().copied())?;
        let classes = |shapes: &Vec<(usize, usize)>| {
            let layer = |(i, &(inputs, n)): (usize, &(usize, usize))| {
                let activity = match i {
                    0 => 0,
                    _ if i + 1 == shapes.len() => 2,
                    _ => 1,
                };
                Ok(LayerClasses {
                    scale: alloc::try_filled(n, ChannelClass(activity))?,
                    bias: alloc::try_filled(n, ChannelClass(activity))?,
                    row_level: alloc::try_filled(9 * inputs, 0)?,
                    column_level: alloc::try_filled(n, UNTUNED_LEVEL)?,
                })
            };
            alloc::try_collect_ok(shapes.len(), shapes.iter().enumerate().map(layer))
        };
        let networks = alloc::try_collect_ok(networks.len(), networks.iter().map(classes))?;
        Self::new(InitialStates::DEFAULT, networks)
    }

    /// This prior with another table of initial states.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn with_table(self, table: InitialStates) -> Self {
        Self { table, ..self }
    }

    /// Initial states of the contexts.
    #[must_use]
    pub const fn table(&self) -> &InitialStates {
        &self.table
    }

    /// The layers of each network.
    #[must_use]
    pub fn networks(&self) -> &[Vec<LayerClasses>] {
        &self.networks
    }
}

/// Layers without output channels count as of one, so that this bounds work and memory too.
fn check_size(layers: impl Iterator<Item = (usize, usize)>) -> Result {
    let (mut channels, mut coefficients) = (0usize, 0usize);
    for (inputs, outputs) in layers {
        channels = channels.saturating_add(outputs.max(1));
        coefficients =
            coefficients.saturating_add(inputs.saturating_mul(outputs.max(1)).saturating_mul(9));
    }
    if channels <= MAX_CHANNELS && coefficients <= MAX_COEFFICIENTS {
        Ok(())
    } else {
        Err(Error::TooLarge)
    }
}
