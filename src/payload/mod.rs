//! The payload: header, binding and update syntax.
