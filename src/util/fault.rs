//! Panics on purpose, for tests that look at what becomes of one.

/// Panics if the environment variable SIDELIGHT_FAULT names this place. Does nothing unless the
/// library was built with the feature `fault-injection`, which is not for shipping.
#[inline]
pub(crate) fn point(place: &str) {
    if cfg!(feature = "fault-injection")
        && std::env::var("SIDELIGHT_FAULT").is_ok_and(|p| p == place)
    {
        panic!("injected fault: {place}");
    }
}
