//! The demo's page: one file, its pictures beside it, nothing from the network.

use super::Row;
use anyhow::Result;

const TEMPLATE: &str = include_str!("page.html");

/// The page for `rows`.
pub fn html(rows: &[Row]) -> Result<String> {
    // "</" would end the script element; JSON allows the escaped slash.
    let data = serde_json::to_string(rows)?.replace("</", "<\\/");
    Ok(TEMPLATE.replace("/*ROWS*/[]", &data))
}
