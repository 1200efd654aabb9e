//! What both sides know of a model's updates beforehand: how likely each bin is at first, and which
//! channels change often and which way.

use crate::{Error, Result};

/// Most networks of a model.
pub const MAX_NETWORKS: usize = 2;
/// Most output channels that all layers may have together.
pub const MAX_CHANNELS: usize = 1 << 16;

/// Magnitudes up to this are unary; what goes beyond is an Exp-Golomb code.
pub(super) const UNARY: usize = 14;

// Where each group of contexts starts; docs/payload.md lists them.
pub(super) const NETWORK_EMPTY: usize = 0;
pub(super) const EMPTY: usize = NETWORK_EMPTY + MAX_NETWORKS;
pub(super) const SCALE_SIGNIFICANT: usize = EMPTY + 2;
pub(super) const BIAS_SIGNIFICANT: usize = SCALE_SIGNIFICANT + Class::ACTIVITIES * 3;
pub(super) const SIGN: usize = BIAS_SIGNIFICANT + Class::ACTIVITIES * 3 * 2;
pub(super) const MAGNITUDE: usize = SIGN + 2 * Class::SIGNS * 3;
/// Number of contexts.
pub const CONTEXTS: usize = MAGNITUDE + 2 * UNARY;

/// What is known of one channel's scale or bias: updates change those of one activity class alike
/// often, and those of one sign class alike often downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class(u8);

impl Class {
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

/// The classes of a layer's channels; both lists have one for each output channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerClasses {
    /// Of the scales.
    pub scale: Vec<Class>,
    /// Of the biases.
    pub bias: Vec<Class>,
}

/// The probabilities that all contexts start from, as a model file stores them: byte `i` stands
/// for a probability of one of `(2·byte + 1) / 512`. Every value is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextTable([u8; CONTEXTS]);

impl ContextTable {
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
}

impl Default for ContextTable {
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
    while activity < Class::ACTIVITIES {
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
    table
}

/// How a model's updates are coded: the shape of its networks, the class of every value and the
/// initial state of every context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    table: ContextTable,
    networks: Vec<Vec<LayerClasses>>,
}

impl Coding {
    /// `networks` has luma's layers, then chroma's if there are any, first to last.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for more than [`MAX_NETWORKS`] or a layer whose lists differ in
    /// length; [`Error::TooLarge`] for more than [`MAX_CHANNELS`].
    pub fn new(table: ContextTable, networks: Vec<Vec<LayerClasses>>) -> Result<Self> {
        let layers = || networks.iter().flatten();
        if networks.len() > MAX_NETWORKS || layers().any(|l| l.scale.len() != l.bias.len()) {
            return Err(Error::InvalidArgument);
        }
        check_channels(layers().map(|l| l.scale.len()))?;
        Ok(Self { table, networks })
    }

    /// The default table, and classes that say no more than whether a layer is its network's first or
    /// last. `networks` has the output channels of each layer.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn untuned(networks: &[Vec<usize>]) -> Result<Self> {
        check_channels(networks.iter().flatten().copied())?;
        let classes = |channels: &Vec<usize>| {
            let layer = |(i, n): (usize, &usize)| {
                let activity = match i {
                    0 => 0,
                    _ if i + 1 == channels.len() => 2,
                    _ => 1,
                };
                let list = vec![Class(activity); *n];
                LayerClasses { scale: list.clone(), bias: list }
            };
            channels.iter().enumerate().map(layer).collect()
        };
        Self::new(ContextTable::DEFAULT, networks.iter().map(classes).collect())
    }

    /// The same classes with another table.
    #[must_use]
    pub fn with_table(self, table: ContextTable) -> Self {
        Self { table, ..self }
    }

    /// Initial states of the contexts.
    #[must_use]
    pub const fn table(&self) -> &ContextTable {
        &self.table
    }

    /// The layers of each network.
    #[must_use]
    pub fn networks(&self) -> &[Vec<LayerClasses>] {
        &self.networks
    }
}

/// Layers without channels count as one, so that this bounds the work too.
fn check_channels(mut channels: impl Iterator<Item = usize>) -> Result {
    let sum = channels.try_fold(0usize, |sum, n| sum.checked_add(n.max(1)));
    if sum.is_some_and(|sum| sum <= MAX_CHANNELS) {
        Ok(())
    } else {
        Err(Error::TooLarge)
    }
}
