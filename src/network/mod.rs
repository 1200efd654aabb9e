//! The integer network: its shape, its conditioning, its parameters, what an update changes of
//! them, and the proof that its sums cannot overflow.

pub mod arch;
pub mod basis;
pub mod bounds;
pub mod condition;
pub mod file;
pub mod model;
pub mod prepared;
pub mod prior;
pub(crate) mod step;
pub mod update;
pub mod weights;

pub use arch::Arch;
pub use condition::Condition;
pub use model::{CodecKind, Model, Network};
pub use prepared::Prepared;
pub use update::Update;

#[cfg(feature = "internals")]
pub use crate::util::shared::Shared;
