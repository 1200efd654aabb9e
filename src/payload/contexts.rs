//! The adaptive state that the parts of an update's syntax share.

use crate::entropy::Context;
use crate::network::prior::CONTEXTS;

/// The adaptive state of one pass over an update.
pub(super) type Contexts = [Context; CONTEXTS];
