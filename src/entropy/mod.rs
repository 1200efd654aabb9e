//! Adaptive binary range coding.
