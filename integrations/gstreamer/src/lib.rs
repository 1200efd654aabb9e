//! GStreamer elements for Sidelight: `sidelightparse` takes payloads out of coded pictures, in front of the
//! decoder, and `sidelight` filters the decoded pictures behind it.

mod filter;
mod message;
mod parse;

use gst::glib;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    message::register();
    parse::register(plugin)?;
    filter::register(plugin)
}

gst::plugin_define!(
    sidelight,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);
