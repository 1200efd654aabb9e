//! The demo's page: one file, its pictures beside it, nothing from the network.

use super::Row;
use anyhow::Result;

const TEMPLATE: &str = include_str!("page.html");

/// The page for `rows`.
pub fn html(rows: &[Row]) -> Result<String> {
    // "<" only stands in strings, and could end the script element or open a comment in it.
    let data = serde_json::to_string(rows)?.replace('<', "\\u003c");
    Ok(TEMPLATE.replace("/*ROWS*/[]", &data))
}
