//! The demo's page: its pictures lie beside it.

use super::Row;
use crate::page;
use anyhow::Result;

/// The page for `rows`.
pub fn html(rows: &[Row]) -> Result<String> {
    page::html(include_str!("page.html"), "", include_str!("page.js"), &rows)
}
