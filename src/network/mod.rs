//! The integer network: its shape, its conditioning, its parameters and the proof that its sums
//! cannot overflow.

pub mod arch;
pub mod condition;
pub mod file;
pub mod instance;
pub mod model;
pub mod taps;

pub use arch::Arch;
pub use condition::Condition;
pub use instance::Instance;
pub use model::{CodecKind, Model, Network};
