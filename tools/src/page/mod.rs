//! What the pages have in common: their look, the comparison of pictures, and how a page is put
//! together. A page is one file and takes nothing from the network.

const STYLE: &str = concat!(include_str!("base.css"), include_str!("compare.css"));
const SCRIPT: &str = concat!(include_str!("base.js"), include_str!("compare.js"));

/// Fills the marks STYLE, SCRIPT and DATA of `template`: the common style and script come before
/// the page's own, and `json` is the data.
pub fn html(template: &str, style: &str, script: &str, json: &str) -> String {
    // "<" only stands in strings, and could end the script element or open a comment in it.
    let data = json.replace('<', "\\u003c");
    // The data come last: no mark in them is taken for the template's.
    template
        .replace("/*STYLE*/", &format!("{STYLE}{style}"))
        .replace("/*SCRIPT*/", &format!("{SCRIPT}{script}"))
        .replace("/*DATA*/", &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_their_script() {
        let page = html("<p>/*DATA*/", "", "", r#"["</script><!--","/*DATA*/"]"#);
        assert_eq!(page, "<p>[\"\\u003c/script>\\u003c!--\",\"/*DATA*/\"]");
    }
}
